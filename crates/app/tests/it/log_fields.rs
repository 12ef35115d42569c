//! Compares the log lines of the service and nginx with the mapping in `containers/elasticsearch`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use mymonit_model::Timestamp;
use mymonit_test_support::{Stream, wait_until};
use serde_json::{Map, Value};

use crate::environment::{ADMIN, Engine, SCIENTIST, Service, TIMEOUT, TestEnvironment, message};

const FIELDS: &str = include_str!("../../../../containers/elasticsearch/components/mymonit-fields.json");
const TEMPLATES: [&str; 2] = [
    include_str!("../../../../containers/elasticsearch/templates/mymonit-audit.json"),
    include_str!("../../../../containers/elasticsearch/templates/mymonit-logs.json"),
];
const WRITER: &str = include_str!("../../../../containers/elasticsearch/roles/mymonit-writer.json");
const PIPELINE: &str = include_str!("../../../../containers/logstash/pipeline/mymonit.conf");
const FILEBEAT: &str = include_str!("../../../../containers/filebeat/filebeat.yml");
const KIBANA: &str = include_str!("../../../../containers/kibana/kibana.yml");
const SAVED_OBJECTS: &str = include_str!("../../../../containers/kibana/saved-objects.ndjson");
const NGINX: &str = include_str!("../../../../containers/nginx/nginx.conf");
const AUDIT_PAGE: &str = include_str!("../../../../docs/audit.md");

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The type of a field; `None` for unknown names and for prefixes of names.
fn type_of<'a>(fields: &'a Value, name: &str) -> Option<&'a str> {
    let mut place = &fields["template"]["mappings"];
    for part in name.split('.') {
        place = place["properties"].get(part)?;
    }
    place["type"].as_str()
}

/// Whether a new field of this name is mapped dynamically: those of the service's own namespace
/// are.
fn is_dynamic(fields: &Value, name: &str) -> bool {
    name.split_once('.').is_some_and(|(first, _)| {
        fields["template"]["mappings"]["properties"][first]["dynamic"] == Value::Bool(true)
    })
}

fn fits(kind: &str, value: &Value) -> bool {
    match kind {
        "keyword" | "constant_keyword" | "match_only_text" => value.is_string(),
        "long" => value.is_i64() || value.is_u64(),
        "double" => value.is_number(),
        "ip" => value.as_str().is_some_and(|text| IpAddr::from_str(text).is_ok()),
        "date_nanos" => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        other => panic!("no rule for the type {other}"),
    }
}

/// Checks one line against the mapping. Dots in names are objects in Elasticsearch.
fn check(fields: &Value, line: &Map<String, Value>) {
    for (name, value) in line {
        match type_of(fields, name) {
            Some(kind) => assert!(fits(kind, value), "{name} is {value}, and not of the type {kind}"),
            None => assert!(is_dynamic(fields, name), "{name} has no place: {line:?}"),
        }
    }
    let dataset = line["event.dataset"].as_str().unwrap();
    assert!(datasets().contains(dataset), "Logstash does not know the dataset {dataset}");
}

/// The datasets that Logstash keeps as they are.
fn datasets() -> BTreeSet<&'static str> {
    let (_, list) = PIPELINE.split_once("[@metadata][dataset] not in [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    list.split(',').map(|name| name.trim().trim_matches('"')).collect()
}

/// Whether an index pattern, with stars, covers a name.
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|left| {
            left.char_indices().map(|(at, _)| &left[at..]).chain([""]).any(|end| covers(rest, end))
        }),
    }
}

/// All lines that the service has printed, once it has ended.
async fn printed(service: &Service) -> Vec<Map<String, Value>> {
    let last = |line: &str| line.contains("stopped") || line.contains("consume-messages");
    let lines = wait_until("the last line has arrived", TIMEOUT, async || {
        let lines = service.process.lines().into_iter().filter(|line| line.stream == Stream::Stdout);
        let lines: Vec<_> = lines.map(|line| line.text).collect();
        if lines.iter().any(|line| last(line)) { Ok(lines) } else { Err(lines.join("\n")) }
    });
    lines.await.unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_field_of_the_service_has_a_place_in_elasticsearch_and_is_of_its_type() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    // A closed port, so that the lines include the connection errors.
    let service = environment.service().unwrap().env("LOG_LEVEL", "debug").env("LOGSTASH_HOST", "127.0.0.1");
    let service = service.env("LOGSTASH_PORT", "1").ready().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    assert_eq!(service.anonymous().get("/users/me").await.unwrap().status, 401);
    assert_eq!(administrator.get("/measures/1").await.unwrap().status, 403);
    assert_eq!(scientist.get("/measures/1").await.unwrap().status, 200);
    assert_eq!(scientist.get("/measures/1?limit=nothing").await.unwrap().status, 400);
    let adapter = environment.adapter().await.unwrap();
    adapter.declare().await.unwrap();
    adapter.publish(b"no JSON", None).await.unwrap();
    adapter.publish(&message("device-vibrations", "hertz", 1.0, 2), None).await.unwrap();
    scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    service.stop().await.unwrap();

    let fields = json(FIELDS);
    let lines = printed(&service).await;
    for line in &lines {
        check(&fields, line);
    }
    let seen: BTreeSet<_> = lines.iter().flat_map(|line| line.keys()).map(String::as_str).collect();
    for expected in
        ["http.request.id", "event.duration", "error.code", "user.id", "source.ip", "mymonit.measures"]
    {
        assert!(seen.contains(expected), "the lines should be of all kinds; seen {seen:?}");
    }
    for line in AUDIT_PAGE.lines().filter(|line| line.starts_with("{\"@timestamp\"")) {
        check(&fields, json(line).as_object().unwrap());
    }
}

#[test]
fn a_line_that_does_not_fit_is_noticed() {
    let fields = json(FIELDS);
    let fits = |name: &str, value: Value| fits(type_of(&fields, name).unwrap(), &value);
    assert!(!fits("http.response.status_code", Value::from("200")));
    assert!(!fits("source.ip", Value::from("somewhere")));
    assert!(!fits("@timestamp", Value::from("yesterday")));
    assert!(!fits("user.id", Value::from(1)));
    assert_eq!((type_of(&fields, "no.such"), is_dynamic(&fields, "no.such")), (None, false));
    assert_eq!((type_of(&fields, "http"), is_dynamic(&fields, "mymonit.new")), (None, true));
    assert!(
        covers("logs-nginx.*-*", "logs-nginx.access-default")
            && !covers("logs-nginx.*-*", "logs-mysql.error-default")
    );
}

/// nginx's format with sample values for the variables. `containers/smoke-test.sh` reads real
/// lines.
#[test]
fn every_field_of_nginx_has_a_place_in_elasticsearch_and_is_of_its_type() {
    let (_, format) = NGINX.split_once("log_format ecs escape=json").unwrap();
    let (format, _) = format.split_once(';').unwrap();
    let mut line: String = format.split('\'').skip(1).step_by(2).collect();
    for (variable, value) in [
        ("$time_iso8601", "2026-11-21T12:00:00+00:00"),
        ("$remote_addr", "198.51.100.9"),
        ("$status", "200"),
        ("$response_status", "200"),
        ("$body_bytes_sent", "120"),
        ("$request_time", "0.004"),
    ] {
        assert!(line.contains(variable), "{variable}");
        line = line.replace(variable, value);
    }
    check(&json(FIELDS), json(&line).as_object().unwrap());
    for secret in ["authorization", "cookie", "$request ", "$request\"", "args", "request_uri", "referer"] {
        assert!(!line.to_lowercase().contains(secret), "{secret} may hold a token");
    }
}

#[test]
fn every_dataset_has_one_template_a_permission_and_a_source() {
    let templates = TEMPLATES.map(json);
    let role = json(WRITER);
    let may_write: Vec<_> = role["indices"][0]["names"].as_array().unwrap().iter().collect();
    for dataset in datasets() {
        let stream = format!("logs-{dataset}-default");
        let covered = |patterns: &Value| {
            patterns.as_array().unwrap().iter().any(|pattern| covers(pattern.as_str().unwrap(), &stream))
        };
        let found = templates.iter().filter(|template| covered(&template["index_patterns"])).count();
        assert_eq!(found, 1, "{stream}");
        assert!(may_write.iter().any(|pattern| covers(pattern.as_str().unwrap(), &stream)), "{stream}");
        let is_ours = dataset.starts_with("mymonit.");
        let is_shipped = FILEBEAT.contains(&format!("event.dataset: {dataset}"))
            || NGINX.contains(&format!("\"{dataset}\""));
        assert!(is_ours || is_shipped, "nothing sends {dataset}");
    }
    for text in [FILEBEAT, KIBANA] {
        yaml_serde::from_str::<Value>(text).unwrap();
    }
}

/// The field names of a query: the text before each colon.
fn fields_of_query(query: &str) -> Vec<&str> {
    let mut parts: Vec<_> = query.split(": ").collect();
    parts.pop();
    parts.into_iter().map(|part| part.rsplit([' ', '(']).next().unwrap()).collect()
}

#[test]
fn fields_of_the_dashboards_exist() {
    let fields = json(FIELDS);
    let objects: Vec<Value> = SAVED_OBJECTS.lines().map(json).collect();
    let names: BTreeSet<_> = objects
        .iter()
        .map(|object| (object["type"].as_str().unwrap(), object["id"].as_str().unwrap()))
        .collect();
    assert_eq!(names.len(), objects.len(), "each has a name of its own");
    let of_kind = |kind| names.iter().filter(|(other, _)| *other == kind).count();
    assert_eq!((of_kind("dashboard"), of_kind("index-pattern")), (5, 2));
    for object in &objects {
        for reference in object["references"].as_array().unwrap() {
            let name = (reference["type"].as_str().unwrap(), reference["id"].as_str().unwrap());
            assert!(names.contains(&name), "{name:?} is not there");
        }
        let attributes = &object["attributes"];
        let columns = attributes["columns"].as_array().into_iter().flatten();
        for column in columns.map(|column| column.as_str().unwrap()) {
            assert!(type_of(&fields, column).is_some(), "{column}");
        }
        let state = attributes["visState"].as_str().map(json).unwrap_or_default();
        for aggregation in state["aggs"].as_array().into_iter().flatten() {
            let Some(field) = aggregation["params"]["field"].as_str() else { continue };
            let kind = type_of(&fields, field);
            assert!(
                kind.is_some_and(|kind| kind != "match_only_text"),
                "{field} cannot be counted: {kind:?}"
            );
        }
        let source =
            attributes["kibanaSavedObjectMeta"]["searchSourceJSON"].as_str().map(json).unwrap_or_default();
        for field in fields_of_query(source["query"]["query"].as_str().unwrap_or_default()) {
            assert!(type_of(&fields, field).is_some(), "{field} of a query");
        }
    }
}
