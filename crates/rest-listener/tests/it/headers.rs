use reqwest::Method;
use serde_json::json;

use crate::raw::RawClient;
use crate::site::{Answer, Site, Who, finish};

fn assert_headers(answer: &Answer) {
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let id = answer.header("x-request-id");
    let is_uuid = id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    assert!(is_uuid, "{id}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_an_id_of_its_own() {
    let site = Site::start().await;
    let answers = [
        site.get("/users/me", Who::Peter).await,
        site.get("/users/me", Who::Nobody).await,
        site.get("/measures/1", Who::Peter).await,
        site.get("/nowhere", Who::Nobody).await,
        site.get("/health/live", Who::Nobody).await,
        site.post("/experiments/", Who::Admin, &json!({"name": "x"})).await,
        site.post("/experiments/", Who::Admin, &json!({})).await,
        site.delete("/users/S001", Who::Admin).await,
        site.delete("/users/", Who::Admin).await,
        finish(site.request(Method::OPTIONS, "/users/", Who::Nobody)).await,
    ];
    let mut ids = Vec::new();
    for answer in &answers {
        assert_headers(answer);
        ids.push(answer.header("x-request-id"));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len());
}

#[tokio::test]
async fn a_valid_request_id_is_returned_and_any_other_replaced() {
    let site = Site::start().await;
    let ask = |id: String| {
        finish(site.request(Method::GET, "/health/live", Who::Nobody).header("x-request-id", id))
    };
    for id in ["a".to_owned(), "Trace.2026-11_x".to_owned(), "x".repeat(128)] {
        assert_eq!(ask(id.clone()).await.header("x-request-id"), id);
    }
    for id in [
        String::new(),
        "x".repeat(129),
        "a b".to_owned(),
        "a;b".to_owned(),
        "é".to_owned(),
        "\ta\"".to_owned(),
    ] {
        assert_headers(&ask(id).await);
    }
}

#[tokio::test]
async fn a_request_id_cannot_break_a_line() {
    let site = Site::start().await;
    let mut raw = RawClient::connect(&site).await;
    raw.send(
        "GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rSet-Cookie: b\r\nConnection: close\r\n\r\n",
    )
    .await;
    let answer = raw.read_to_end().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("Set-Cookie"), "{answer}");

    let mut raw = RawClient::connect(&site).await;
    raw.send("GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\nX-Request-Id: b\r\nConnection: close\r\n\r\n")
        .await;
    let answer = raw.read_to_end().await.unwrap();
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    assert_eq!(id.len(), 36, "{answer}");
}
