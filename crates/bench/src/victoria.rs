//! VictoriaMetrics for comparison, in a separate process.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use mymonit_test_support::{ReservedPort, wait_until};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const BINARY: &str = "/usr/bin/victoria-metrics";
const READY_WITHIN: Duration = Duration::from_secs(60);
const LINES: usize = 100_000;

pub(crate) struct VictoriaMetrics {
    _process: Child,
    port: ReservedPort,
    folder: TempDir,
    http: reqwest::Client,
}

impl VictoriaMetrics {
    /// `None` if it is not installed.
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        if !Path::new(BINARY).is_file() {
            return Ok(None);
        }
        let (port, folder) = (ReservedPort::reserve()?, tempfile::tempdir()?);
        let process = Command::new(BINARY)
            .arg(format!("-storageDataPath={}", folder.path().display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{}", port.get()))
            .args(["-retentionPeriod=100y", "-search.maxPointsPerTimeseries=100000000"])
            .args(["-search.disableCache", "-loggerLevel=ERROR"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let peer = Self { _process: process, port, folder, http };
        wait_until("VictoriaMetrics answers", READY_WITHIN, async || {
            peer.get("/health").await.map_err(|error| format!("{error:#}"))
        })
        .await?;
        Ok(Some(peer))
    }

    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port.get());
        Ok(self.http.get(url).send().await?.error_for_status()?.text().await?)
    }

    /// Writes measures with timestamps in whole milliseconds, and merges its files.
    pub(crate) async fn fill(&self, measures: impl Iterator<Item = (u64, i64, f64)>) -> anyhow::Result<()> {
        let mut measures = measures.peekable();
        let url = format!("http://127.0.0.1:{}/write?precision=ms", self.port.get());
        while measures.peek().is_some() {
            let mut lines = String::new();
            for (_, nanos, value) in measures.by_ref().take(LINES) {
                writeln!(lines, "walk value={value} {}", nanos / 1_000_000)?;
            }
            self.http.post(&url).body(lines).send().await?.error_for_status()?;
        }
        self.get("/internal/force_flush").await?;
        self.get("/internal/force_merge").await?;
        Ok(())
    }

    /// Bytes of its files.
    pub(crate) fn bytes(&self) -> anyhow::Result<u64> {
        fn of(path: &Path) -> anyhow::Result<u64> {
            let entries = std::fs::read_dir(path)?;
            let sizes = entries.map(|entry| {
                let entry = entry?;
                let about = entry.metadata()?;
                if about.is_dir() { of(&entry.path()) } else { Ok(about.len()) }
            });
            sizes.sum()
        }
        of(&self.folder.path().join("data"))
    }

    /// Minimum, maximum and mean of each step; gives the number of steps.
    pub(crate) async fn reduce(&self, begin: i64, end: i64, step: u64) -> anyhow::Result<usize> {
        let answer = self
            .get(&format!(
                "/api/v1/query_range?query=rollup(walk_value[{step}s])&start={begin}&end={end}&step={step}s&nocache=1"
            ))
            .await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let values = answer.pointer("/data/result/0/values").and_then(Value::as_array);
        Ok(values.context("no values")?.len())
    }
}
