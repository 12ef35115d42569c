use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mymonit_rest_listener::{Limits, serve};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::memory::Gate;
use crate::raw::RawClient;
use crate::site::{Site, TIMEOUT, Who, patient};

/// Longer than any test takes.
const FOR_EVER: Duration = Duration::from_secs(600);

/// Enough for a connection that comes between the last accept and the close of the listener.
const STOPS: usize = 20;

async fn stopped(site: &mut Site) {
    let server = std::mem::replace(&mut site.server, tokio::spawn(async { Ok(()) }));
    timeout(TIMEOUT, server).await.expect("the server does not stop").unwrap().unwrap();
}

#[tokio::test]
async fn an_open_answer_is_finished_before_the_stop() {
    let mut site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = 300_000;
    let mut response = site.request(Method::GET, "/measures/1", Who::Peter).send().await.unwrap();
    let mut text = response.chunk().await.unwrap().unwrap().to_vec();
    site.shutdown.cancel();
    // New connections are refused while the answer is completed.
    let refused = async {
        while TcpStream::connect(site.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, refused).await.expect("connections are still accepted");
    assert!(!site.server.is_finished());
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    let measures: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    assert_eq!(measures.len(), 300_000);
    stopped(&mut site).await;
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_up_the_stop() {
    let mut site = Site::start().await;
    let _silent = RawClient::connect(&site).await;
    let mut half = RawClient::connect(&site).await;
    half.send("GET /health/live HTTP/1.1\r\n").await;
    let mut idle = RawClient::connect(&site).await;
    idle.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.read_until("\"live\"").await;
    let mut half_again = RawClient::connect(&site).await;
    half_again.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    half_again.read_until("\"live\"").await;
    half_again.send("GET").await;
    site.shutdown.cancel();
    // Each of them would be let alone for longer than that otherwise.
    stopped(&mut site).await;
}

#[tokio::test]
async fn a_request_during_the_stop_is_answered_with_connection_close() {
    let mut site = Site::start_with(Limits { drain: FOR_EVER, ..patient() }).await;
    let mut idle = RawClient::connect(&site).await;
    idle.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!idle.read_until("\"live\"").await.contains("connection: close"));
    let mut silent = RawClient::connect(&site).await;
    site.shutdown.cancel();
    while TcpStream::connect(site.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for client in [&mut idle, &mut silent] {
        client.send("POST /experiments/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        let answer = client.read_to_end().await.unwrap();
        assert!(answer.contains("401 Unauthorized") && answer.contains("connection: close"), "{answer}");
    }
    stopped(&mut site).await;
}

#[tokio::test]
async fn a_connection_queued_before_the_stop_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let router = Router::new().fallback(async || "hello");
    let limits = Limits { drain: FOR_EVER, ..patient() };
    timeout(TIMEOUT, serve(listener, router, limits, shutdown)).await.unwrap().unwrap();
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }
}

/// A proxy that opens a connection for each request may repeat one that was refused, but not one
/// that was reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_during_the_stop_is_refused_or_answered() {
    for _ in 0..STOPS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..4).map(|_| spawn_blocking(move || ask_until_refused(address))).collect();
        let (shutdown, answered) = (CancellationToken::new(), Arc::new(Semaphore::new(0)));
        let answers = answered.clone();
        let router = Router::new().fallback(async move || {
            answers.add_permits(1);
            "hello"
        });
        let server = tokio::spawn(serve(listener, router, patient(), shutdown.clone()));
        answered.acquire_many(100).await.unwrap().forget();
        shutdown.cancel();
        for client in clients {
            client.await.unwrap();
        }
        timeout(TIMEOUT, server).await.unwrap().unwrap().unwrap();
    }
}

/// Sends requests, each over a connection of its own, until one is refused.
fn ask_until_refused(address: SocketAddr) {
    while let Ok(mut client) = std::net::TcpStream::connect(address) {
        client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
    }
}

#[tokio::test]
async fn a_stop_that_is_given_up_breaks_open_answers_off() {
    let mut site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000_000;
    let mut response = site.request(Method::GET, "/measures/1", Who::Peter).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    site.shutdown.cancel();
    site.server.abort();
    assert!((&mut site.server).await.unwrap_err().is_cancelled());
    let rest = async {
        while response.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    };
    timeout(TIMEOUT, rest).await.expect("the answer goes on").unwrap_err();
}

#[tokio::test]
async fn a_write_is_finished_though_its_client_has_left() {
    let site = Site::start().await;
    site.memory.write_gate.send_replace(Gate::Shut);
    let request = site
        .request(Method::POST, "/experiments/", Who::Admin)
        .header(CONTENT_TYPE, "application/json")
        .body("{\"name\":\"left alone\"}");
    let sent = tokio::spawn(request.send());
    let mut gate = site.memory.write_gate.subscribe();
    timeout(TIMEOUT, gate.wait_for(|gate| *gate == Gate::Reached)).await.unwrap().unwrap();
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    site.memory.write_gate.send_replace(Gate::Open);
    timeout(TIMEOUT, gate.wait_for(|gate| *gate == Gate::Passed)).await.unwrap().unwrap();
    let names = site.get("/experiments/", Who::Admin).await.text;
    assert!(names.contains("left alone"), "{names}");
}
