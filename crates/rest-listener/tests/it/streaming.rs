use std::time::Duration;

use mymonit_test_support::wait_until;
use reqwest::Method;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::log::Log;
use crate::memory::{CHUNK, ChunkFault, FIRST_CHUNK};
use crate::raw::RawClient;
use crate::site::{Site, TIMEOUT, Who};

/// A site whose experiment 1 has that many measures.
async fn site_with(measures: u64) -> Site {
    let site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = measures;
    site
}

fn set_chunk_fault(site: &Site, chunk: usize, chunk_fault: ChunkFault) {
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((chunk, chunk_fault));
}

fn chunks(site: &Site) -> usize {
    *site.memory.long_reading.chunks.borrow()
}

fn request(path: &str, version: &str) -> String {
    format!(
        "GET {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        Who::Peter.token().unwrap()
    )
}

#[derive(Deserialize)]
struct Measure {
    timestamp: String,
    value: f64,
}

#[tokio::test]
async fn a_long_reading_comes_whole_and_in_order() {
    let count = 123_456;
    let site = site_with(count).await;
    let answer = site.get("/measures/1", Who::Peter).await;
    assert_eq!(answer.header("transfer-encoding"), "chunked");
    let measures: Vec<Measure> = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(measures.len() as u64, count);
    assert!(measures.iter().zip(1..).all(|(measure, number)| measure.value == f64::from(number) + 0.5));
    assert_eq!(measures.last().unwrap().timestamp, "1970-01-02T10:17:36Z");
}

#[tokio::test]
async fn readings_of_every_length_around_the_chunks_are_whole() {
    let second = FIRST_CHUNK + CHUNK;
    for count in [1, FIRST_CHUNK - 1, FIRST_CHUNK, FIRST_CHUNK + 1, second - 1, second, second + 1] {
        let site = site_with(count).await;
        let measures: Vec<Measure> =
            serde_json::from_str(&site.get("/measures/1", Who::Peter).await.text).unwrap();
        assert_eq!(measures.len() as u64, count);
    }
}

#[tokio::test]
async fn a_short_reading_says_its_length() {
    let site = Site::start().await;
    let answer = site.get("/measures/1", Who::Peter).await;
    assert_eq!(answer.header("content-length"), answer.text.len().to_string());
}

#[tokio::test]
async fn an_unreachable_database_at_the_beginning_has_a_status() {
    let site = site_with(100_000).await;
    set_chunk_fault(&site, 1, ChunkFault::Fails);
    site.get("/measures/1", Who::Peter).await.problem(503, "unavailable");
}

#[tokio::test]
async fn a_failure_half_way_breaks_the_connection_instead_of_ending_the_document() {
    for chunk in [2, 3, 7] {
        let site = site_with(100_000).await;
        set_chunk_fault(&site, chunk, ChunkFault::Fails);
        let response = site.request(Method::GET, "/measures/1", Who::Peter).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap_err();
        assert_eq!(chunks(&site), chunk);
    }
}

#[tokio::test]
async fn a_failure_half_way_leaves_an_arrow_stream_without_an_end() {
    let site = site_with(100_000).await;
    set_chunk_fault(&site, 5, ChunkFault::Fails);
    let mut response =
        site.request(Method::GET, "/measures/1?format=arrow", Who::Peter).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut received = Vec::new();
    while let Ok(piece) = response.chunk().await {
        received.extend_from_slice(&piece.expect("the answer ended as if it were whole"));
    }
    assert!(!received.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
}

#[tokio::test]
async fn a_broken_document_cannot_be_taken_for_a_whole_one_in_http_1_0_either() {
    let site = site_with(100_000).await;
    set_chunk_fault(&site, 5, ChunkFault::Fails);
    let mut raw = RawClient::connect(&site).await;
    raw.send(&request("/measures/1", "1.0")).await;
    // The end of the connection would be the end of the document, so the connection is reset.
    assert_eq!(raw.read_to_end().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_reading_after_a_few_chunks() {
    let site = site_with(100_000_000).await;
    let mut raw = RawClient::connect(&site).await;
    raw.send(&request("/measures/1", "1.1")).await;
    let mut read = site.memory.long_reading.chunks.subscribe();
    timeout(TIMEOUT, read.wait_for(|now| *now >= 2)).await.expect("nothing is read").unwrap();
    // Chunks are read until the socket buffers are full, and then no more.
    let mut count = 0;
    while timeout(Duration::from_millis(500), read.wait_for(|now| *now > count)).await.is_ok() {
        count = chunks(&site);
    }
    assert!((2..75).contains(&count), "{count} chunks for a client that takes none");
    // Further reads by the client continue it.
    let mut space = vec![0; 16 << 20];
    timeout(TIMEOUT, raw.stream.read_exact(&mut space)).await.expect("nothing is sent").unwrap();
    timeout(TIMEOUT, read.wait_for(|now| *now > count)).await.expect("nothing more is read").unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_reading() {
    let (log, _guard) = Log::capture();
    let site = site_with(100_000_000).await;
    let mut raw = RawClient::connect(&site).await;
    raw.send(&request("/measures/1", "1.1")).await;
    raw.read_until("\"value\":1.5").await;
    let told = || log.text().contains("read-measures");
    assert!(!told());
    drop(raw);
    // The audit event of a reading is recorded when its stream is dropped.
    wait_until("the reading to end", TIMEOUT, async || if told() { Ok(()) } else { Err(chunks(&site)) })
        .await
        .unwrap();
    assert!(chunks(&site) < 1_000, "{} chunks without a reader", chunks(&site));
}

#[tokio::test]
async fn a_client_that_leaves_while_the_database_works_ends_its_query() {
    let site = site_with(100_000).await;
    set_chunk_fault(&site, 4, ChunkFault::Hangs);
    let mut raw = RawClient::connect(&site).await;
    raw.send(&request("/measures/1", "1.1")).await;
    raw.read_until(&format!("\"value\":{CHUNK}.5")).await;
    let mut read = site.memory.long_reading.chunks.subscribe();
    timeout(TIMEOUT, read.wait_for(|chunks| *chunks == 4)).await.unwrap().unwrap();
    assert!(!*site.memory.long_reading.was_given_up.borrow());
    drop(raw);
    let mut given_up = site.memory.long_reading.was_given_up.subscribe();
    timeout(TIMEOUT, given_up.wait_for(|given_up| *given_up)).await.expect("it goes on").unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_its_query() {
    let site = site_with(100_000).await;
    set_chunk_fault(&site, 1, ChunkFault::Hangs);
    let mut raw = RawClient::connect(&site).await;
    raw.send(&request("/measures/1", "1.1")).await;
    let mut read = site.memory.long_reading.chunks.subscribe();
    timeout(TIMEOUT, read.wait_for(|chunks| *chunks == 1)).await.unwrap().unwrap();
    drop(raw);
    let mut given_up = site.memory.long_reading.was_given_up.subscribe();
    timeout(TIMEOUT, given_up.wait_for(|given_up| *given_up)).await.expect("it goes on").unwrap();
}

#[tokio::test]
async fn one_chunk_is_read_ahead_and_no_more() {
    let site = site_with(1_000_000).await;
    // The fourth chunk never comes; the client gets the first three anyway.
    set_chunk_fault(&site, 4, ChunkFault::Hangs);
    let mut raw = RawClient::connect(&site).await;
    raw.send(&request("/measures/1", "1.1")).await;
    raw.read_until(&format!("\"value\":{}.5", FIRST_CHUNK + 2 * CHUNK - 100)).await;
    assert_eq!(chunks(&site), 4);
}
