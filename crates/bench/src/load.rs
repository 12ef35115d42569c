//! A cheap HTTP client: persistent connections with sequential requests.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The request and its target.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) path: String,
    /// Header lines beside the host.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Target {
    /// The same with another path.
    pub(crate) fn at(&self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self.clone() }
    }
}

/// A connection that is kept.
pub(crate) struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    pub(crate) async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; the sender gets its errors.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    async fn send(&mut self, target: &Target) -> anyhow::Result<Response<Incoming>> {
        self.0.ready().await?;
        let mut request = Request::get(&target.path).header("host", "127.0.0.1");
        for (name, value) in &target.headers {
            request = request.header(*name, value);
        }
        let response = self.0.send_request(request.body(Empty::new())?).await?;
        ensure!(response.status().is_success(), "{} was answered with {}", target.path, response.status());
        Ok(response)
    }

    /// Sends one request, reads the answer and drops it. Returns its size in bytes.
    pub(crate) async fn get(&mut self, target: &Target) -> anyhow::Result<u64> {
        let mut body = self.send(target).await?.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }
}

/// What many requests took, the shortest first.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// How many requests there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The time within which that percentage of the requests was answered.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// Sends requests one by one on a warm connection.
pub(crate) async fn one_by_one(targets: &[Target]) -> anyhow::Result<Times> {
    let first = targets.first().context("something to ask for")?;
    let mut connection = Connection::open(first.port).await?;
    connection.get(first).await?;
    let mut times = Vec::with_capacity(targets.len());
    for target in targets {
        let start = Instant::now();
        connection.get(target).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(Times(times))
}

/// Repeats requests on that many connections for that long. Returns requests per second and
/// latencies.
pub(crate) async fn at_once(
    target: &Target,
    connections: usize,
    how_long: Duration,
) -> anyhow::Result<(f64, Times)> {
    let mut clients = JoinSet::new();
    let mut opened = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(target.port).await?;
        connection.get(target).await?;
        opened.push(connection);
    }
    let start = Instant::now();
    for mut connection in opened {
        let target = target.clone();
        clients.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < how_long {
                let before = Instant::now();
                connection.get(&target).await?;
                times.push(before.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    let took = start.elapsed();
    times.sort_unstable();
    let times = Times(times);
    Ok((crate::report::per_second(times.count(), took), times))
}
