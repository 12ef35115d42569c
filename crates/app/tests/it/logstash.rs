//! No state of Logstash affects the service.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use mymonit_test_support::{LogstashDouble, ReadMode, Stream, wait_until};
use reqwest::Method;
use serde_json::Value;

use crate::environment::{Engine, LONG, SCIENTIST, STOP_LIMIT, Service, TIMEOUT, TestEnvironment};

const SENT: &str = "mymonit_logstash_lines_sent_total";
const DROPPED: &str = "mymonit_logstash_lines_dropped_total";
const WAITING: &str = "mymonit_logstash_buffer_bytes";

/// A service that logs only what the tests cause: no throughput, no broker.
async fn service_with(logstash: &LogstashDouble) -> (TestEnvironment, Service) {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service = environment
        .service()
        .unwrap()
        .env("LISTENERS", "rest")
        .env("LOGSTASH_HOST", "127.0.0.1")
        .env("LOGSTASH_PORT", &logstash.port().to_string());
    let service = service.ready().await.unwrap();
    (environment, service)
}

/// The lines on standard output.
fn printed(service: &Service) -> Vec<String> {
    let lines = service.process.lines();
    lines.into_iter().filter(|line| line.stream == Stream::Stdout).map(|line| line.text).collect()
}

/// The lines on standard output, including all that were sent to Logstash or dropped. Waits, since
/// output arrives with a delay.
async fn all_printed(service: &Service) -> Vec<String> {
    wait_until("the output has arrived", TIMEOUT, async || {
        let said = counted(service, SENT).await + counted(service, DROPPED).await;
        let printed = printed(service);
        if u64::try_from(printed.len()).unwrap() == said { Ok(printed) } else { Err(said) }
    })
    .await
    .unwrap()
}

/// Makes that many requests, each of which is logged in two lines.
async fn make_requests(service: &Service, number: u32) {
    let client = service.anonymous();
    let some = async |number: u32| {
        for _ in 0..number {
            assert_eq!(client.get("/users/me").await.unwrap().status, 401);
        }
    };
    join_all((0..8).map(|_| some(number.div_ceil(8)))).await;
}

async fn counted(service: &Service, name: &str) -> u64 {
    let value = service.metrics().await.unwrap().get(name).unwrap();
    format!("{value:.0}").parse().unwrap()
}

/// Waits until the send buffer is empty and no line is logged.
async fn wait_until_sent(service: &Service) {
    wait_until("everything is sent", LONG, async || {
        let waiting = counted(service, WAITING).await;
        if waiting == 0 { Ok(()) } else { Err(format!("{waiting} bytes wait")) }
    })
    .await
    .unwrap();
}

/// Waits until that many lines have arrived.
async fn wait_for_lines(logstash: &LogstashDouble, number: usize) {
    wait_until("the lines have arrived", LONG, async || match logstash.lines().len() {
        lines if lines >= number => Ok(()),
        lines => Err(format!("{lines} of {number}")),
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn logstash_gets_what_is_printed_line_by_line_in_the_names_of_ecs() {
    let logstash = LogstashDouble::start().await.unwrap();
    let (environment, service) = service_with(&logstash).await;
    let scientist = environment.client(&service, SCIENTIST);
    let request = scientist.request(Method::GET, "/measures/1").header("x-request-id", "followed");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let line = logstash.wait_for_line("\"request answered\"", TIMEOUT).await.unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    for (name, expected) in [
        ("ecs.version", Value::from("8.11.0")),
        ("log.level", "info".into()),
        ("log.logger", "mymonit_rest_listener::middleware::request_log".into()),
        ("message", "request answered".into()),
        ("service.name", "mymonit".into()),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
        ("event.dataset", "mymonit.log".into()),
        ("http.request.id", "followed".into()),
        ("http.request.method", "GET".into()),
        ("http.response.status_code", 200.into()),
        ("url.path", "/measures/{experiment_id}".into()),
        ("user.id", "S001".into()),
        ("source.ip", "127.0.0.1".into()),
        ("mymonit.end", "whole".into()),
    ] {
        assert_eq!(line[name], expected, "{name} of {line:#}");
    }
    assert!(line["@timestamp"].as_str().unwrap().ends_with('Z'));
    assert!(line["event.duration"].as_u64().unwrap() > 1_000, "{line:#}");
    wait_until_sent(&service).await;
    let printed = all_printed(&service).await;
    wait_for_lines(&logstash, printed.len()).await;
    assert_same(&logstash.lines(), &printed);
}

#[tokio::test]
async fn lines_logged_while_logstash_is_unreachable_arrive_later() {
    let mut logstash = LogstashDouble::unreachable().unwrap();
    let (_environment, service) = service_with(&logstash).await;
    service.process.wait_for_line("Logstash unreachable", TIMEOUT).await.unwrap();
    make_requests(&service, 100).await;
    logstash.listen().await.unwrap();
    logstash.wait_for_line("Logstash connected again", TIMEOUT).await.unwrap();
    wait_until_sent(&service).await;
    assert_eq!(counted(&service, DROPPED).await, 0);
    let printed = all_printed(&service).await;
    wait_for_lines(&logstash, printed.len()).await;
    assert_same(&logstash.lines(), &printed);

    // It is killed and restarted. The closed connection is noticed before a line is sent over it.
    logstash.stop_listening().await;
    wait_until("the loss is noticed", TIMEOUT, async || {
        match counted(&service, "mymonit_logstash_connected").await {
            0 => Ok(()),
            state => Err(state),
        }
    })
    .await
    .unwrap();
    make_requests(&service, 100).await;
    logstash.listen().await.unwrap();
    wait_until_sent(&service).await;
    let printed = all_printed(&service).await;
    wait_for_lines(&logstash, printed.len()).await;
    assert_same(&logstash.lines(), &printed);
    assert_eq!(printed.iter().filter(|line| line.contains("Logstash unreachable")).count(), 2);
}

#[tokio::test]
async fn lines_logged_while_logstash_stalls_arrive_or_are_counted_as_dropped() {
    let logstash = LogstashDouble::start().await.unwrap();
    let (_environment, service) = service_with(&logstash).await;
    logstash.read_mode(ReadMode::Stalled);
    let mut dropped = 0;
    while dropped == 0 {
        make_requests(&service, 1_000).await;
        dropped = counted(&service, DROPPED).await;
    }
    make_requests(&service, 1_000).await;
    assert!(counted(&service, WAITING).await <= 8 << 20);
    // A request is logged after its answer, so the last lines may come later.
    let at_least = counted(&service, DROPPED).await;
    assert!(at_least > 1_000, "{at_least}");

    logstash.read_mode(ReadMode::Unlimited);
    let said = service.process.wait_for_line("the buffer has room again", LONG).await.unwrap();
    let said: Value = serde_json::from_str(&said.text).unwrap();
    let dropped = counted(&service, DROPPED).await;
    assert!(dropped >= at_least, "{dropped} of {at_least}");
    assert_eq!(said["mymonit.dropped"], dropped);
    wait_until_sent(&service).await;
    make_requests(&service, 8).await;
    wait_until_sent(&service).await;
    assert_eq!(counted(&service, DROPPED).await, dropped);
    let printed = all_printed(&service).await;
    let arrived = printed.len() - usize::try_from(dropped).unwrap();
    wait_for_lines(&logstash, arrived).await;
    assert_eq!(counted(&service, SENT).await, u64::try_from(arrived).unwrap());
    assert_each_printed_once(&logstash.lines(), &printed);
    assert_eq!(logstash.lines().len(), arrived);
    assert_eq!(printed.iter().filter(|line| line.contains("Logstash lines dropped")).count(), 1);
}

/// All of the printed lines have arrived, and nothing else.
fn assert_same(lines: &[String], printed: &[String]) {
    assert_each_printed_once(lines, printed);
    assert_eq!(lines.len(), printed.len());
}

/// All of these lines are among the printed ones, each at most once. Not always in their order:
/// threads may overtake each other between standard output and the buffer.
fn assert_each_printed_once(lines: &[String], printed: &[String]) {
    let known: HashSet<_> = printed.iter().collect();
    assert_eq!(known.len(), printed.len(), "no two lines are alike");
    let seen: HashSet<_> = lines.iter().collect();
    assert_eq!(seen.len(), lines.len(), "a line arrived twice");
    if let Some(unknown) = lines.iter().find(|line| !known.contains(line)) {
        panic!("never printed: {unknown}");
    }
}

#[tokio::test]
async fn repeated_resets_by_logstash_neither_cut_nor_repeat_lines() {
    let logstash = LogstashDouble::start().await.unwrap();
    let (_environment, service) = service_with(&logstash).await;
    for round in 0..10 {
        // So small that reads end within lines.
        logstash.read_mode(ReadMode::Slow(100 + round, Duration::from_millis(1)));
        let connections = logstash.connections();
        make_requests(&service, 200).await;
        logstash.reset();
        // The next log line detects the closed connection at the latest.
        make_requests(&service, 8).await;
        wait_until("it is connected to again", TIMEOUT, async || match logstash.connections() {
            now if now > connections => Ok(()),
            now => Err(now),
        })
        .await
        .unwrap();
    }
    logstash.read_mode(ReadMode::Unlimited);
    make_requests(&service, 8).await;
    wait_until_sent(&service).await;
    let printed = all_printed(&service).await;
    let (sent, dropped) = (counted(&service, SENT).await, counted(&service, DROPPED).await);
    assert_eq!((sent, dropped), (u64::try_from(printed.len()).unwrap(), 0));
    logstash.wait_for_line(printed.last().unwrap(), TIMEOUT).await.unwrap();
    assert_each_printed_once(&logstash.lines(), &printed);
    // A reset may leave an incomplete line.
    for fragment in logstash.fragments() {
        assert!(printed.iter().any(|line| line.starts_with(&fragment)), "{fragment}");
    }
}

#[tokio::test]
async fn a_slow_logstash_gets_everything_in_its_own_time() {
    let logstash = LogstashDouble::start().await.unwrap();
    logstash.read_mode(ReadMode::Slow(4_096, Duration::from_millis(2)));
    let (_environment, service) = service_with(&logstash).await;
    make_requests(&service, 1_000).await;
    wait_until_sent(&service).await;
    let printed = all_printed(&service).await;
    wait_for_lines(&logstash, printed.len()).await;
    assert_eq!(counted(&service, DROPPED).await, 0);
    assert_each_printed_once(&logstash.lines(), &printed);
}

#[tokio::test]
async fn no_state_of_logstash_delays_the_stop_and_losses_are_logged() {
    for is_away in [true, false] {
        let mut logstash = LogstashDouble::unreachable().unwrap();
        if !is_away {
            logstash.listen().await.unwrap();
            logstash.read_mode(ReadMode::Stalled);
        }
        let (_environment, service) = service_with(&logstash).await;
        if is_away {
            make_requests(&service, 100).await;
        } else {
            while counted(&service, WAITING).await < 4 << 20 {
                make_requests(&service, 1_000).await;
            }
        }
        let exit = service.process.terminate(STOP_LIMIT).await.unwrap();
        assert!(exit.success(), "{exit}");
        let said = service.process.wait_for_line("Logstash lines dropped at the end", TIMEOUT).await.unwrap();
        let said: Value = serde_json::from_str(&said.text).unwrap();
        let dropped = usize::try_from(said["mymonit.dropped"].as_u64().unwrap()).unwrap();
        if is_away {
            // All lines except the report of dropped ones.
            assert_eq!(dropped, printed(&service).len() - 1);
        } else {
            assert!(dropped > 1_000, "{dropped}");
        }
    }
}

#[tokio::test]
async fn without_a_host_nothing_is_sent() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service = environment.service().unwrap().env("LOGSTASH_HOST", "").ready().await.unwrap();
    assert_eq!(service.metrics().await.unwrap().get(DROPPED), None);
    service.stop().await.unwrap();
    assert!(printed(&service).iter().all(|line| !line.contains("Logstash")));
}
