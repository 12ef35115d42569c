use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::memory::{CANARY, ChunkFault};
use crate::site::{Site, Who, finish};

/// What this thread logs, as JSON lines.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of requests.
    fn requests(&self) -> Vec<Value> {
        let lines: Vec<Value> = self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.into_iter().filter(|line| line["target"].as_str().unwrap().contains("request_log")).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_request_is_one_line_without_secrets() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    finish(site.request(Method::GET, "/users/S002/", Who::Admin).header("x-request-id", "this-one")).await;
    let [line] = &log.requests()[..] else { panic!("{}", log.text()) };
    assert_eq!(line["level"], "INFO");
    let span = &line["span"];
    assert_eq!(span["request_id"], "this-one");
    assert_eq!(span["method"], "GET");
    assert_eq!(span["route"], "/users/{user_id}");
    assert_eq!(span["user_id"], "A001");
    assert_eq!(line["fields"]["status"], 200);
    assert_eq!(line["fields"]["end"], "whole");
    assert!(line["fields"]["duration_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn nothing_personal_and_no_token_is_logged() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    site.get("/users/", Who::Admin).await;
    site.get("/users/S002?canary-query=1", Who::Admin).await;
    site.get("/canary-path", Who::Admin).await;
    site.get("/users/canary-id", Who::Forger).await;
    finish(site.request("CANARY".parse().unwrap(), "/users/", Who::Nobody)).await;
    let user = json!({
        "user_id": "S003", "name": "canary-name", "username": "canary-uid", "email": "canary@home.cern",
        "role": "SCIENTIST"
    });
    site.post("/users/", Who::Admin, &user).await;
    site.put("/users/S003", Who::Admin, &user).await;
    site.get("/users/me", Who::Stranger).await;
    // Only what the service itself says; the client and its libraries log in this thread, too.
    let lines: Vec<_> = log
        .text()
        .lines()
        .filter(|line| line.contains("\"target\":\"mymonit"))
        .map(str::to_lowercase)
        .collect();
    assert_eq!(log.requests().len(), 8);
    for line in lines {
        let line = line.replace("canary-reason", "");
        for secret in ["canary", "token-of", "forged", "higg", "phigg@", Who::Admin.token().unwrap()] {
            assert!(!line.contains(&secret.to_lowercase()), "{secret}: {line}");
        }
    }
}

#[tokio::test]
async fn a_client_error_is_no_warning_and_its_reason_is_logged() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    site.get("/users/me", Who::Forger).await;
    site.get("/nowhere", Who::Nobody).await;
    site.post("/experiments/", Who::Admin, &json!({})).await;
    let lines = log.requests();
    assert!(lines.iter().all(|line| line["level"] == "INFO"), "{lines:?}");
    let codes: Vec<_> = lines.iter().map(|line| line["fields"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["unauthenticated", "not_found", "invalid_argument"]);
    assert_eq!(lines[0]["fields"]["cause"], "canary-reason");
}

#[tokio::test]
async fn a_failure_is_one_warning_with_its_cause() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    site.set_unreachable(true);
    site.get("/users/me", Who::Peter).await.problem(503, "unavailable");
    site.set_unreachable(false);
    site.memory.panics.store(true, Ordering::SeqCst);
    site.get("/measure-types/", Who::Peter).await.problem(500, "internal");
    let lines = log.requests();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["level"], "WARN");
        assert!(line["fields"]["cause"].as_str().unwrap().contains(CANARY), "{line}");
    }
}

#[tokio::test]
async fn a_broken_reading_is_logged_once() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = 1_000_000;
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((3, ChunkFault::Fails));
    let response = site.request(Method::GET, "/measures/1", Who::Peter).send().await.unwrap();
    response.text().await.unwrap_err();
    assert_eq!(log.text().matches(CANARY).count(), 1, "{}", log.text());
    let [line] = &log.requests()[..] else { panic!("{}", log.text()) };
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["fields"]["status"], 200);
    assert_eq!(line["fields"]["end"], "broken");
}

#[tokio::test]
async fn probes_do_not_fill_the_log() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    site.get("/health/live", Who::Nobody).await;
    site.get("/health/ready", Who::Nobody).await;
    site.database.is_ready.store(false, Ordering::SeqCst);
    site.get("/health/ready", Who::Nobody).await;
    let levels: Vec<_> = log.requests().iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["DEBUG", "DEBUG", "WARN"]);
}
