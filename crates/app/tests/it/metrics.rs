//! The metrics for Prometheus.

use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use lapin::BasicProperties;
use mymonit_test_support::{ReservedPort, wait_until};
use reqwest::Method;

use crate::environment::{
    ADMIN, Engine, OTHER_SCIENTIST, SCIENTIST, Scrape, Service, ServiceBuilder, TIMEOUT, TestEnvironment,
    message, on_every_engine,
};

on_every_engine!(metrics_follow_events,);

/// Scrapes until all of these samples have these values.
async fn wait_for(service: &Service, expected: &[(&str, f64)]) -> Scrape {
    wait_until("the metrics are as expected", TIMEOUT, async || {
        let scrape = service.metrics().await.map_err(|error| format!("{error:#}"))?;
        let wrong = expected.iter().find(|(name, value)| scrape.get(name) != Some(*value));
        wrong.map_or(Ok(()), |(name, _)| Err(format!("{name} is {:?}", scrape.get(name))))?;
        Ok::<_, String>(scrape)
    })
    .await
    .unwrap()
}

/// Scrapes until two samples that are counted in turn are equal; returns their value.
async fn wait_until_equal(service: &Service, one: &str, other: &str) -> f64 {
    wait_until("the samples are equal", TIMEOUT, async || {
        let scrape = service.metrics().await.map_err(|error| format!("{error:#}"))?;
        match (scrape.get(one), scrape.get(other)) {
            (Some(value), Some(same)) if value == same => Ok(value),
            differing => Err(format!("{differing:?}")),
        }
    })
    .await
    .unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn metrics_follow_events(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let start = wait_for(
        &service,
        &[
            ("mymonit_ready{part=\"database\"}", 1.0),
            ("mymonit_ready{part=\"consumer\"}", 1.0),
            ("mymonit_consumer_state{state=\"consuming\"}", 1.0),
            ("mymonit_consumer_state{state=\"connecting\"}", 0.0),
            ("mymonit_messages_received_total", 0.0),
            ("mymonit_messages_rejected_total{reason=\"unknown_experiment\"}", 0.0),
            ("mymonit_database_connections_max", 10.0),
            (concat!("mymonit_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
        ],
    )
    .await;
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_threads"] {
        assert!(start.get(name).unwrap() > 1.0, "{name}");
    }
    assert!(start.get("process_cpu_seconds_total").unwrap() > 0.0);
    let started = start.get("process_start_time_seconds").unwrap();
    assert!((started - f64::from(u32::try_from(now()).unwrap())).abs() < 600.0, "{started}");

    let adapter = environment.adapter().await.unwrap();
    let properties = BasicProperties::default().with_timestamp(now() - 100);
    let good = message("black-holes", "hertz", 1.0, 1_700_000_000);
    let bad = message("nothing", "hertz", 1.0, 1_700_000_000);
    adapter.publish_with([(good.clone(), properties)]).await.unwrap();
    adapter.publish(&good, Some("one")).await.unwrap();
    adapter.publish(&good, Some("one")).await.unwrap();
    adapter.publish(&bad, None).await.unwrap();
    let many = format!("[{0},{0}]", String::from_utf8(good).unwrap());
    adapter.publish(many.as_bytes(), None).await.unwrap();
    let taken_in = wait_for(
        &service,
        &[
            ("mymonit_messages_received_total", 5.0),
            ("mymonit_messages_stored_total", 3.0),
            ("mymonit_measures_stored_total", 4.0),
            ("mymonit_messages_duplicate_total", 1.0),
            ("mymonit_messages_rejected_total{reason=\"unknown_experiment\"}", 1.0),
            ("mymonit_batch_messages_sum", 5.0),
            ("mymonit_message_receipt_to_commit_seconds_count", 3.0),
            ("mymonit_message_publish_to_commit_seconds_count", 1.0),
            ("mymonit_message_publish_to_commit_seconds_bucket{le=\"30.0\"}", 0.0),
            ("mymonit_message_publish_to_commit_seconds_bucket{le=\"3600.0\"}", 1.0),
            ("mymonit_experiment_measures_stored_total{experiment_id=\"2\"}", 4.0),
        ],
    )
    .await;
    let batches = ["mymonit_batch_messages_count", "mymonit_batch_write_duration_seconds_count"];
    assert!(wait_until_equal(&service, batches[0], batches[1]).await >= 1.0);
    let last = taken_in.get("mymonit_experiment_last_stored_timestamp_seconds{experiment_id=\"2\"}").unwrap();
    assert!((last - f64::from(u32::try_from(now()).unwrap())).abs() < 120.0, "{last}");

    let scientist = environment.client(&service, SCIENTIST);
    for path in ["/measures/1", "/measures/1/", "/measures/2", "/nowhere/canary", "/also/nowhere"] {
        scientist.get(path).await.unwrap();
    }
    let odd = Method::from_bytes(b"CANARY").unwrap();
    scientist.request(odd, "/users/").send().await.unwrap();
    let request = |method: &str, route: &str, status: u16| {
        format!("mymonit_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
    };
    let latency =
        "mymonit_http_request_duration_seconds_count{method=\"GET\",route=\"/measures/{experiment_id}\"}";
    let scrape = wait_for(
        &service,
        &[
            (&request("GET", "/measures/{experiment_id}", 200), 2.0),
            (&request("GET", "/measures/{experiment_id}", 404), 1.0),
            (&request("GET", "none", 404), 2.0),
            (&request("other", "/users", 405), 1.0),
            ("mymonit_http_requests_open", 0.0),
        ],
    )
    .await;
    wait_for(&service, &[(latency, 3.0)]).await;
    assert!(!scrape.text.to_lowercase().contains("canary"), "{}", scrape.text);
}

#[tokio::test]
async fn an_unreachable_database_and_broker_are_reported_as_such() {
    let nobody = ReservedPort::reserve().unwrap();
    let address = format!("127.0.0.1:{}", nobody.get());
    let environment =
        TestEnvironment::with_mysql(format!("mysql://root:canary@{address}/x"), address).await.unwrap();
    let service = environment.service().unwrap().start().await.unwrap();
    service.wait_until_part("database", false).await.unwrap();
    let scrape = wait_for(
        &service,
        &[
            ("mymonit_ready{part=\"database\"}", 0.0),
            ("mymonit_ready{part=\"consumer\"}", 0.0),
            ("mymonit_consumer_state{state=\"connecting\"}", 1.0),
        ],
    )
    .await;
    assert!(!scrape.text.contains("canary"));
}

#[tokio::test]
async fn the_metrics_are_on_their_own_port_and_on_no_other() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let admin = environment.client(&service, ADMIN);
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(service.anonymous().get(path).await.unwrap().status, 404);
        assert_eq!(admin.get(path).await.unwrap().status, 404);
    }
    let metrics = format!("http://127.0.0.1:{}", service.metrics_port());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/", "/users/", "/health/live"] {
        assert_eq!(http.get(format!("{metrics}{path}")).send().await.unwrap().status(), 404);
    }
    let answer = http.get(format!("{metrics}/metrics")).send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text().await.unwrap().ends_with("# EOF\n"));
    // A reader does not delay the shutdown.
    let other = environment.client(&service, OTHER_SCIENTIST);
    other.measures("/measures/2").await.unwrap();
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_metrics_port_that_cannot_be_had_ends_the_start_with_a_clear_message() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let port = ReservedPort::reserve().unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port.get())).unwrap();
    let port = port.get().to_string();
    for (name, value, status, words) in [
        ("METRICS_PORT", port.as_str(), 1, ["METRICS_PORT", "in use"]),
        ("METRICS_HOST", "192.0.2.1", 1, ["METRICS_HOST", "192.0.2.1"]),
        ("METRICS_PORT", "65536", 2, ["METRICS_PORT", "65535"]),
    ] {
        let finished = environment.service().unwrap().env(name, value).run().await.unwrap();
        assert_eq!(finished.status, status, "{finished:?}");
        assert!(words.iter().all(|word| finished.stderr.contains(word)), "{finished:?}");
    }
    let refused = ServiceBuilder::bare(&["serve", "--evaluation"], None).unwrap();
    let refused = refused.env("REST_TRUSTED_PROXIES", "nginx").run().await.unwrap();
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.stderr.contains("REST_TRUSTED_PROXIES holds `nginx`"), "{refused:?}");
}
