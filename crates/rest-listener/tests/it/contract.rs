//! The document and the service say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use mymonit_rest_listener::{Limits, openapi_yaml};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::raw::RawClient;
use crate::site::{Answer, Site, Who, finish, patient};

fn document() -> Value {
    yaml_serde::from_str(openapi_yaml()).unwrap()
}

/// An operation of the document.
struct Operation {
    path: String,
    method: Method,
    value: Value,
}

impl Operation {
    /// The path with things of the example data in it.
    fn filled_path(&self) -> String {
        self.path
            .replace("{experiment_id}", "1")
            .replace("{user_id}", "S001")
            .replace("{token_id}", "1")
            .replace("{flag_id}", "1")
            .replace("{measure_type_id}", "1")
            .replace("{id}", "1")
            .replace("{file}", "start.js")
    }

    fn is_open(&self) -> bool {
        self.value.get("security") == Some(&json!([]))
    }

    fn query_parameters(&self) -> Vec<&str> {
        let parameters = self.value["parameters"].as_array().unwrap();
        let of_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        of_query.map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }
}

fn operations() -> Vec<Operation> {
    let document = document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, value) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            operations.push(Operation { path: path.clone(), method, value: value.clone() });
        }
    }
    assert!(operations.len() > 20, "{}", operations.len());
    operations
}

#[test]
fn the_committed_document_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api.yaml");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == openapi_yaml(),
        "api.yaml is not what the code says; renew it: cargo run --package mymonit-app -- openapi > api.yaml"
    );
}

#[test]
fn every_reference_of_the_document_is_to_something_in_it() {
    fn collect(value: &Value, references: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
    let (document, mut references) = (document(), BTreeSet::new());
    collect(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    references.retain(|to| to.strip_prefix('#').is_none_or(|to| document.pointer(to).is_none()));
    assert!(references.is_empty(), "{references:?}");
}

#[test]
fn every_operation_has_an_id_of_its_own_a_summary_and_a_tag_that_is_explained() {
    let document = document();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for Operation { path, method, value } in operations() {
        assert!(ids.insert(value["operationId"].to_string()), "{method} {path}");
        assert!(value["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{method} {path}");
        assert!(tags.contains(&&value["tags"][0]), "{method} {path}");
    }
}

#[tokio::test]
async fn every_path_takes_the_methods_of_the_document_and_no_others() {
    let site = Site::start().await;
    let mut documented = BTreeMap::<_, BTreeSet<_>>::new();
    for operation in operations() {
        documented.entry(operation.filled_path()).or_default().insert(operation.method.to_string());
    }
    for (path, methods) in documented {
        let answer = finish(site.request(Method::OPTIONS, &path, Who::Nobody)).await;
        assert_eq!(answer.status, 204, "{path}");
        // Codes of every path, or of every GET, precede those of all endpoints.
        let allowed =
            answer.header("allow").split(", ").filter(|method| !["HEAD", "OPTIONS"].contains(method));
        assert_eq!(allowed.map(str::to_owned).collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

/// Axum cannot list its routes, so this checks that each is added with its document.
/// Paths that only the page uses are not part of the contract.
#[test]
fn no_route_is_registered_without_its_document() {
    fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { sources(&path, found) } else { found.push(path) }
        }
    }
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let adds_routes = |file: &&std::path::PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        [".route(", ".nest(", ".route_service(", ".nest_service("].iter().any(|call| text.contains(call))
    };
    let mut found: Vec<_> = files.iter().filter(adds_routes).collect();
    found.retain(|file| !file.ends_with("src/page.rs"));
    assert!(found.len() == 1 && found[0].ends_with("openapi/endpoints.rs"), "{found:?}");
}

#[tokio::test]
async fn every_operation_requires_a_token_unless_the_document_says_otherwise() {
    let site = Site::start().await;
    for operation in operations() {
        let Operation { path, method, value } = &operation;
        for who in [Who::Nobody, Who::Forger] {
            let answer = finish(site.request(method.clone(), &operation.filled_path(), who)).await;
            if operation.is_open() {
                assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
                assert!(value["responses"].get("401").is_none(), "{method} {path}");
            } else {
                answer.problem(401, "unauthenticated");
            }
        }
    }
}

#[tokio::test]
async fn every_operation_accepts_exactly_the_parameters_of_the_document() {
    let site = Site::start().await;
    for operation in operations().iter().filter(|operation| !operation.is_open()) {
        let Operation { path, method, value } = operation;
        let who = if path.starts_with("/measures/") { Who::Peter } else { Who::Admin };
        let mut request =
            site.request(method.clone(), &format!("{}?no-such=1", operation.filled_path()), who);
        if value.get("requestBody").is_some() {
            request = request.header(CONTENT_TYPE, "application/json").body("{}");
        }
        let detail = finish(request).await.names("no-such");
        let (_, known) = detail.split_once("its parameters are: ").unwrap();
        let documented: Vec<_> =
            operation.query_parameters().iter().map(|name| format!("`{name}`")).collect();
        let documented = if documented.is_empty() { "none".to_owned() } else { documented.join(", ") };
        assert_eq!(known, documented, "{method} {path}");
    }
}

/// Checks that an answer is word for word the document's example of that refusal.
#[track_caller]
fn assert_is_example(document: &Value, name: &str, answer: &Answer) {
    let response = &document["components"]["responses"][name];
    assert_eq!(answer.json(), response["content"]["application/problem+json"]["example"], "{name}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    for header in response["headers"].as_object().unwrap().keys() {
        answer.header(header);
    }
}

#[tokio::test]
async fn refusals_equal_their_examples_in_the_document() {
    let limits = Limits { body_read: Duration::from_millis(50), ..patient() };
    let (site, document) = (Site::start().await, document());
    let name = json!({"name": "x"});
    for (refusal, answer) in [
        ("InvalidArgument", site.post("/experiments/", Who::Admin, &json!({"name": " "})).await),
        ("Unauthenticated", site.get("/users/me", Who::Nobody).await),
        ("Forbidden", site.get("/users/", Who::Peter).await),
        ("NotFound", site.get("/experiments/99", Who::Admin).await),
        ("MethodNotAllowed", site.delete("/users/me", Who::Admin).await),
        ("Conflict", site.post("/experiments/", Who::Admin, &json!({"name": "black-holes"})).await),
        ("PayloadTooLarge", site.send(Method::POST, "/users/", Who::Admin, vec![b' '; (1 << 20) + 1]).await),
        (
            "UnsupportedMediaType",
            finish(site.request(Method::POST, "/users/", Who::Admin).body(name.to_string())).await,
        ),
        ("Unavailable", {
            site.set_unreachable(true);
            site.get("/users/", Who::Admin).await
        }),
    ] {
        assert_is_example(&document, refusal, &answer);
    }
    let slow = Site::start_with(limits).await;
    let mut raw = RawClient::connect(&slow).await;
    let token = Who::Admin.token().unwrap();
    raw.send(&format!(
        "POST /users/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 9\r\n\r\n{{"
    ))
    .await;
    let answer = raw.read_to_end().await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let example =
        &document["components"]["responses"]["RequestTimeout"]["content"]["application/problem+json"];
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), example["example"]);
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let site = Site::start().await;
    for path in ["/api.yaml", "/api.yaml/"] {
        let answer = site.get(path, Who::Nobody).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/yaml"));
        assert_eq!(answer.text, openapi_yaml());
    }
}

#[tokio::test]
async fn the_page_to_read_it_comes_from_the_service_alone_and_runs_no_script_of_its_own() {
    let site = Site::start().await;
    for path in ["/docs", "/docs/"] {
        let page = site.get(path, Who::Nobody).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert!(
            !page.text.contains("<style") && !page.text.contains(" style=") && !page.text.contains(" on")
        );
        assert!(page.text.split("<script").skip(1).all(|script| script.starts_with(" src=\"/docs/")));

        let names = page.text.split(['"', '\'']).filter(|text| text.starts_with("/docs/"));
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), 3, "{names:?}");
        for name in names {
            let file = site.get(name, Who::Nobody).await;
            let media_type = if name.ends_with(".css") { "text/css" } else { "text/javascript" };
            assert_eq!(file.status, 200, "{name}");
            assert!(file.header("content-type").starts_with(media_type), "{name}: {:?}", file.headers);
            assert!(file.text.len() > 100, "{name}");
        }
    }
    assert!(site.get("/docs/LICENSE", Who::Nobody).await.text.contains("Apache License"));
    for path in
        ["/docs/index.html", "/docs/..%2Fapi.yaml", "/docs/%00", "/docs/%ff", "/docs/swagger-ui.css/x"]
    {
        site.get(path, Who::Nobody).await.problem(404, "not_found");
    }
}
