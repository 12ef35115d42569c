//! Tests `containers/prometheus` and `containers/grafana` with a real Prometheus, service and
//! broker: every series of rules and dashboards exists.

use std::collections::BTreeSet;

use mymonit_test_support::{LogstashDouble, Prometheus, RabbitMq, ReservedPort, wait_until};
use serde_json::Value;

use crate::environment::{Engine, SCIENTIST, Service, TIMEOUT, TestEnvironment, message};

const CONFIGURATION: &str = include_str!("../../../../containers/prometheus/prometheus.yml");
const RULES: &str = include_str!("../../../../containers/prometheus/rules/mymonit.yml");
const DATA_SOURCE: &str =
    include_str!("../../../../containers/grafana/provisioning/datasources/prometheus.yml");
const DASHBOARDS: [&str; 3] = [
    include_str!("../../../../containers/grafana/dashboards/service.json"),
    include_str!("../../../../containers/grafana/dashboards/ingest.json"),
    include_str!("../../../../containers/grafana/dashboards/reads.json"),
];
const ALERTS_PAGE: &str = include_str!("../../../../docs/runbook.md");

/// Replaces a part of the text, which must exist.
fn replaced(text: &str, part: &str, by: &str) -> String {
    assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
    text.replace(part, by)
}

/// The configuration of the container, with the test's addresses of service and broker and with
/// shorter intervals.
fn configuration(service_port: u16, broker_port: u16) -> String {
    let name = "    dns_sd_configs:\n      - names: [app]\n        type: A\n        port: 9464\n";
    let service = format!("    static_configs:\n      - targets: ['127.0.0.1:{service_port}']\n");
    let here = replaced(CONFIGURATION, name, &service);
    let here = replaced(&here, "rabbit:15692", &format!("127.0.0.1:{broker_port}"));
    assert_eq!(here.matches("_interval: 15s").count(), 2);
    here.replace("_interval: 15s", "_interval: 1s")
}

/// The rules, with the alerts' and the recorded expressions apart.
fn rules() -> Vec<Value> {
    let rules: Value = yaml_serde::from_str(RULES).unwrap();
    let groups = rules["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The expressions of all panels.
fn dashboard_expressions() -> Vec<String> {
    let dashboards = DASHBOARDS.map(|dashboard| serde_json::from_str::<Value>(dashboard).unwrap());
    let panels = dashboards.iter().flat_map(|dashboard| dashboard["panels"].as_array().unwrap());
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The selectors of an expression: `name` or `name{labels}`.
fn selectors(expression: &str) -> Vec<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let mut selectors = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        let name = &rest[..rest.find(|character| !is_name(character)).unwrap_or(rest.len())];
        let labels = match rest[name.len()..].strip_prefix('{') {
            Some(labels) => labels.split_once('}').unwrap().0.len() + 2,
            None => 0,
        };
        let selector = &rest[..name.len() + labels];
        if name == "up" || ["mymonit", "process_", "rabbitmq_"].iter().any(|prefix| name.starts_with(prefix))
        {
            selectors.push(selector.to_owned());
        } else {
            assert!(labels == 0, "whose series is {selector}?");
        }
        rest = &rest[selector.len()..];
    }
    selectors
}

#[test]
fn selectors_are_found_in_an_expression() {
    assert_eq!(
        selectors(
            "sum by (le) (rate(mymonit_a_bucket{x=~\"5..\",y=\"b{\"}[5m])) / up == 1 and mymonit:b > 5e3"
        ),
        ["mymonit_a_bucket{x=~\"5..\",y=\"b{\"}", "up", "mymonit:b"]
    );
}

#[test]
fn the_dashboards_use_the_provisioned_data_source_and_every_panel_says_what_it_shows() {
    let source: Value = yaml_serde::from_str(DATA_SOURCE).unwrap();
    let uid = &source["datasources"][0]["uid"];
    for dashboard in DASHBOARDS.map(|dashboard| serde_json::from_str::<Value>(dashboard).unwrap()) {
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        for panel in panels {
            assert_eq!(&panel["datasource"]["uid"], uid, "{panel:#}");
            assert!(panel["targets"].as_array().unwrap().iter().all(|one| &one["datasource"]["uid"] == uid));
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{panel:#}");
        }
    }
}

#[test]
fn the_operators_page_explains_every_alert_and_no_other() {
    let rules = rules();
    let alerts: BTreeSet<_> = rules.iter().filter_map(|rule| rule["alert"].as_str()).collect();
    let headings = ALERTS_PAGE.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    assert_eq!(headings.collect::<BTreeSet<_>>(), alerts);
}

/// Causes every kind of counted event.
async fn be_busy(environment: &TestEnvironment, service: &Service) {
    let scientist = environment.client(service, SCIENTIST);
    assert_eq!(scientist.get("/measures/1").await.unwrap().status, 503, "without the signing keys");
    environment.firebase.listen().await.unwrap();
    scientist.measures_when("/measures/1", |measures| measures.len() == 10).await.unwrap();
    assert_eq!(service.anonymous().get("/users/me").await.unwrap().status, 401);
    let adapter = environment.adapter().await.unwrap();
    for experiment in ["device-vibrations", "nothing"] {
        adapter.publish(&message(experiment, "hertz", 1.0, 1), None).await.unwrap();
    }
    scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
}

/// A query to Prometheus.
async fn ask(prometheus: &Prometheus, path: &str, query: Option<&str>) -> Result<Value, String> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut url = url::Url::parse(&format!("{}/api/v1/{path}", prometheus.url())).unwrap();
    if let Some(query) = query {
        url.query_pairs_mut().append_pair("query", query);
    }
    let answer = http.get(url).send().await.map_err(|error| error.to_string())?;
    let answer = answer.text().await.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
}

#[tokio::test]
async fn a_real_prometheus_finds_every_series_that_the_rules_and_the_dashboards_name() {
    let broker_port = ReservedPort::reserve().unwrap();
    let port_line = format!("prometheus.tcp.port = {}", broker_port.get());
    let broker_metrics = broker_port.get();
    let broker = RabbitMq::builder().plugin("rabbitmq_prometheus").config("prometheus.tcp.ip = 127.0.0.1");
    let broker = broker.config(&port_line).keep(broker_port).start().await.unwrap();
    let logstash = LogstashDouble::start().await.unwrap();
    let environment = TestEnvironment::with_broker(Engine::Sqlite, broker.url()).await.unwrap();
    environment.firebase.stop_listening().await;
    let service =
        environment.service().unwrap().env("LOGSTASH_HOST", "127.0.0.1").env("SEAL_AFTER_HOURS", "24");
    let service = service.env("LOGSTASH_PORT", &logstash.port().to_string()).ready().await.unwrap();
    be_busy(&environment, &service).await;

    let configuration = configuration(service.metrics_port(), broker_metrics);
    let rules_here = replaced(RULES, "interval: 1m", "interval: 1s");
    let prometheus = Prometheus::start(&configuration, &[("rules/mymonit.yml", &rules_here)]).await.unwrap();
    wait_until("both are asked", TIMEOUT, async || {
        let targets = ask(&prometheus, "targets", None).await?;
        let targets = targets["activeTargets"].as_array().unwrap().clone();
        let is_up = targets.len() == 2 && targets.iter().all(|target| target["health"] == "up");
        if is_up { Ok(()) } else { Err(format!("{targets:#?}")) }
    })
    .await
    .unwrap();

    let rules = rules().into_iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    let expressions: Vec<_> = rules.chain(dashboard_expressions()).collect();
    let selectors: BTreeSet<_> = expressions.iter().flat_map(|expression| selectors(expression)).collect();
    assert!(selectors.len() > 40, "{selectors:?}");
    for selector in selectors {
        wait_until("the series is there", TIMEOUT, async || {
            let found = ask(&prometheus, "query", Some(&selector)).await?;
            if found["result"].as_array().unwrap().is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
        })
        .await
        .unwrap_or_else(|error| panic!("{selector}: {error:#}"));
    }
    for expression in &expressions {
        ask(&prometheus, "query", Some(expression)).await.unwrap();
    }
    wait_until("all rules are evaluated", TIMEOUT, async || {
        let rules = ask(&prometheus, "rules", None).await?;
        let groups = rules["groups"].as_array().unwrap().clone();
        let mut rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        match rules.find(|rule| rule["health"] != "ok") {
            Some(rule) => Err(format!("{rule:#}")),
            None => Ok(()),
        }
    })
    .await
    .unwrap();
}
