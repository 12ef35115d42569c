use std::time::{Duration, Instant};

use mymonit_rest_listener::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{MissedTickBehavior, timeout};

use crate::memory::ChunkFault;
use crate::raw::RawClient;
use crate::site::{Site, TIMEOUT, Who, patient};

const SHORT: Duration = Duration::from_millis(150);
/// Long enough to show that nothing happens.
const QUIET_TIME: Duration = Duration::from_millis(750);
fn head(method: &str, path: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{more}\r\n",
        Who::Admin.token().unwrap()
    )
}

/// Reads until the server ends the connection.
async fn end(raw: &mut RawClient) -> String {
    let _ = raw.read_to_end().await;
    raw.received()
}

/// Sends a byte at intervals until the server answers or closes the connection.
/// Returns how many bytes it accepted.
async fn drip(raw: &RawClient, byte: u8) -> usize {
    let mut drip = tokio::time::interval(Duration::from_millis(20));
    drip.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = 0;
    loop {
        tokio::select! {
            _ = drip.tick() => { if raw.stream.try_write(&[byte]).is_ok() { sent += 1 } else { return sent } }
            ended = raw.stream.readable() => { ended.unwrap(); return sent }
        }
    }
}

/// Runs a slow client until it is disconnected; repeats it if a stalled host caused that too early.
/// `client` returns how many bytes the service accepted.
async fn wait_until_dripped(mut client: impl AsyncFnMut() -> usize) {
    let dripped = async { while client().await <= 3 {} };
    timeout(TIMEOUT, dripped).await.expect("a client that drips is never cut off");
}

#[tokio::test]
async fn a_connection_that_sends_nothing_or_half_a_head_is_closed() {
    let site = Site::start_with(Limits { header_read: SHORT, ..patient() }).await;
    for sent in ["", "GET /health", "GET /health/live HTTP/1.1\r\nHost: x\r\n"] {
        let started = Instant::now();
        let mut raw = RawClient::connect_sending(&site, sent);
        assert_eq!(end(&mut raw).await, "");
        assert!(started.elapsed() >= SHORT);
    }
}

#[tokio::test]
async fn a_slow_request_head_is_cut_off() {
    let site = Site::start_with(Limits { header_read: SHORT * 2, ..patient() }).await;
    wait_until_dripped(async || drip(&RawClient::connect(&site).await, b'G').await).await;
}

/// An idle keep-alive connection.
async fn idle(site: &Site) -> RawClient {
    let mut raw = RawClient::connect(site).await;
    raw.send(&head("GET", "/health/live", "")).await;
    raw.read_until("\"live\"").await;
    raw
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_time() {
    let site = Site::start_with(Limits { keep_alive: SHORT, ..patient() }).await;
    let started = Instant::now();
    end(&mut idle(&site).await).await;
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_headers_but_half_a_request_does_not() {
    let site = Site::start_with(Limits { header_read: SHORT, ..patient() }).await;
    let mut raw = RawClient::connect_sending(&site, &head("GET", "/health/live", ""));
    raw.read_until("\"live\"").await;
    assert!(timeout(SHORT * 3, raw.stream.readable()).await.is_err(), "an idle connection was closed");
    raw.send("GET /he").await;
    end(&mut raw).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408() {
    let site = Site::start_with(Limits { body_read: SHORT, ..patient() }).await;
    for sent in ["", "{\"name\":"] {
        let mut raw = RawClient::connect(&site).await;
        let more = "Content-Type: application/json\r\nContent-Length: 20\r\n";
        raw.send(&(head("POST", "/experiments/", more) + sent)).await;
        let answer = end(&mut raw).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"request_timeout\""), "{answer}");
    }
}

#[tokio::test]
async fn a_slow_request_body_is_cut_off() {
    let site = Site::start_with(Limits { body_read: SHORT * 2, ..patient() }).await;
    let more = "Content-Type: application/json\r\nContent-Length: 1000\r\n";
    wait_until_dripped(async || {
        let mut raw = RawClient::connect(&site).await;
        raw.send(&head("POST", "/experiments/", more)).await;
        let sent = drip(&raw, b' ').await;
        let answer = end(&mut raw).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{sent} bytes: {answer}");
        sent
    })
    .await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_503() {
    let site = Site::start_with(Limits { request: SHORT, ..patient() }).await;
    *site.memory.long_reading.measures.lock().unwrap() = 1;
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((1, ChunkFault::Hangs));
    site.get("/measures/1", Who::Peter).await.problem(503, "unavailable");
}

/// The request for a long answer.
fn long_answer() -> String {
    head("GET", "/measures/1", "").replace(Who::Admin.token().unwrap(), Who::Peter.token().unwrap())
}

#[tokio::test]
async fn a_long_answer_is_not_cut_by_the_request_limit() {
    let limits = Limits { request: QUIET_TIME, header_read: QUIET_TIME, keep_alive: QUIET_TIME, ..patient() };
    let site = Site::start_with(limits).await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000_000;
    let mut raw = loop {
        let mut raw = RawClient::connect_sending(&site, &long_answer());
        // On a stalled host it may not start in time.
        if raw.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 200 ") {
            break raw;
        }
    };
    let mut pace = tokio::time::interval(QUIET_TIME / 10);
    let mut piece = vec![0; 16 * 1024];
    for _ in 0..30 {
        pace.tick().await;
        timeout(TIMEOUT, raw.stream.read_exact(&mut piece)).await.expect("nothing more comes").unwrap();
    }
    // Data sent before a reset could still be read.
    assert!(raw.stream.take_error().unwrap().is_none());
    raw.read_until("\"value\":9999.5").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let site = Site::start_with(Limits { write_stall: SHORT, ..patient() }).await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000_000;
    let mut raw = RawClient::connect(&site).await;
    raw.send(&long_answer()).await;
    timeout(TIMEOUT, end_of(&raw.stream)).await.expect("the connection stays open").unwrap_err();
}

/// A client with a tiny receive buffer, so that the server notices how little it reads.
async fn narrow_client(site: &Site) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(site.address).await.unwrap()
}

#[tokio::test]
async fn a_client_below_the_minimum_rate_is_disconnected() {
    let stall = Duration::from_secs(1);
    let site = Site::start_with(Limits { write_stall: stall, ..patient() }).await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000_000;
    let mut stream = narrow_client(&site).await;
    stream.write_all(long_answer().as_bytes()).await.unwrap();
    // Much more often than it would have to, if any byte would do.
    let mut drip = tokio::time::interval(Duration::from_millis(20));
    let mut space = [0; 100];
    let started = Instant::now();
    let cut = loop {
        drip.tick().await;
        assert!(started.elapsed() < TIMEOUT, "the connection stays open");
        match stream.read(&mut space).await {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error),
        }
    };
    // Reset, since a closed connection could look like the end of the response.
    assert_eq!(cut.map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn there_are_no_more_connections_than_allowed_and_the_next_client_waits_for_a_place() {
    let site = Site::start_with(Limits { connections: 3, ..patient() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(idle(&site).await);
    }
    let mut next = RawClient::connect(&site).await;
    next.send(&head("GET", "/health/live", "")).await;
    assert!(timeout(QUIET_TIME, next.stream.readable()).await.is_err(), "a fourth client is served");
    drop(held.pop());
    next.read_until("\"live\"").await;
}

/// Whether the slow client of that number has requested a long response; the system buffers some
/// megabytes for each of them.
fn is_reader(number: usize) -> bool {
    number % 100 == 99
}

/// Half a head, half a body, or hardly any read of a long response.
async fn slow_client(site: &Site, number: usize) -> TcpStream {
    let mut stream = narrow_client(site).await;
    let request = match number % 2 {
        _ if is_reader(number) => long_answer(),
        0 => "GET /health/live HTTP/1.1\r\nHo".to_owned(),
        _ => head("POST", "/experiments/", "Content-Type: application/json\r\nContent-Length: 20\r\n") + "{",
    };
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_thousand_slow_clients_do_not_affect_others_and_are_disconnected() {
    // Both ends of each connection are in this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let slow = Duration::from_secs(5);
    let limits = Limits { header_read: slow, body_read: slow, write_stall: slow, ..patient() };
    let site = Site::start_with(limits).await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000_000;
    let mut clients = Vec::new();
    for number in 0..1_000 {
        clients.push(slow_client(&site, number).await);
        if number % 100 == 0 {
            let answer = timeout(TIMEOUT, site.get("/users/me", Who::Katie)).await;
            assert_eq!(answer.expect("others wait for the slow").status, 200);
        }
    }
    for (number, client) in clients.into_iter().enumerate() {
        let end = timeout(TIMEOUT, end_of(&client)).await;
        let end = end.unwrap_or_else(|_| panic!("client {number} is kept"));
        // A client with a partial answer can tell that it is incomplete.
        assert!(end.is_err() || !is_reader(number), "client {number}: {end:?}");
    }
}

/// How the server closes the connection of a client that does not read.
async fn end_of(client: &TcpStream) -> std::io::Result<()> {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let mut space = vec![0; 4096];
    let mut seen = 0;
    loop {
        look.tick().await;
        // Data sent before a reset can still be read, so that alone proves nothing.
        if let Some(error) = client.take_error()? {
            return Err(error);
        }
        // A short answer may be read to its end; the rest of a long one stays unread.
        match client.peek(&mut space).await? {
            0 => return Ok(()),
            bytes if bytes < 1_000 && bytes == seen => seen = client.try_read(&mut space)?,
            bytes => seen = bytes,
        }
    }
}
