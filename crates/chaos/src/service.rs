//! The service under test, and observations over all its restarts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{ReservedPort, ServiceProcess, wait_until};
use procfs::process::Process;
use serde_json::Value;

/// The time limit for readiness on a busy host.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// The time limit for the shutdown. The service has a shorter limit, after which it exits with an
/// error.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// The time limit for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The default of `RABBIT_PREFETCH`.
pub(crate) const PREFETCH: u64 = 3_000;

/// A username of the example data: a scientist who may read the experiment `device-vibrations`.
const SCIENTIST: &str = "uJayGH994iVa2TY5auSNYZoUpwk1";

/// Measurements of a service over all its restarts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Notes {
    /// The longest time to readiness.
    pub(crate) slowest_ready: Duration,
    /// The peak resident memory, in MiB.
    pub(crate) peak_mib: u64,
}

impl Notes {
    /// The maximum of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            slowest_ready: self.slowest_ready.max(other.slowest_ready),
            peak_mib: self.peak_mib.max(other.peak_mib),
        }
    }
}

/// A running service.
pub(crate) struct Service {
    pub(crate) process: ServiceProcess,
    port: ReservedPort,
    _metrics_port: ReservedPort,
    http: reqwest::Client,
    token: String,
    notes: Notes,
}

impl Service {
    /// Starts it without waiting.
    pub(crate) async fn start(
        binary: &Path,
        firebase: &FirebaseDouble,
        database_url: &str,
        broker_url: &str,
    ) -> anyhow::Result<Self> {
        let (port, metrics_port) = (ReservedPort::reserve()?, ReservedPort::reserve()?);
        let process = ServiceProcess::builder(binary)
            .arg("serve")
            .env("DATABASE_URL", database_url)
            .env("RABBIT_URL", broker_url)
            .env("REST_HOST", "127.0.0.1")
            .env("REST_PORT", port.get().to_string())
            .env("METRICS_PORT", metrics_port.get().to_string())
            .env("FIREBASE_PROJECT_ID", FirebaseDouble::PROJECT_ID)
            .env("FIREBASE_CERTS_URL", firebase.certs_url())
            .env("LOGSTASH_HOST", "")
            .env("EXAMPLE_DATA", "true")
            .start()
            .await?;
        let http = reqwest::Client::builder().no_proxy().timeout(RESPONSE_TIMEOUT).build()?;
        let token = firebase.token_for(SCIENTIST);
        Ok(Self { process, port, _metrics_port: metrics_port, http, token, notes: Notes::default() })
    }

    /// Waits until it is ready, and records the time.
    pub(crate) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let ready = wait_until("the service is ready", READY_WITHIN, async || match self.readiness().await {
            Ok((true, _)) => Ok(()),
            Ok((false, body)) => Err(body.to_string()),
            Err(error) => Err(format!("{error:#}")),
        });
        let ready = async {
            tokio::select! {
                ready = ready => ready,
                ended = self.process.wait_for_exit(READY_WITHIN) => bail!("the service has ended with {}", ended?),
            }
        };
        ready.await.with_context(|| self.last_lines())?;
        self.notes.slowest_ready = self.notes.slowest_ready.max(began.elapsed());
        Ok(())
    }

    /// Waits until it reports that it is not ready.
    pub(crate) async fn wait_until_not_ready(&self) -> anyhow::Result<()> {
        wait_until("the service is not ready", READY_WITHIN, async || match self.readiness().await {
            Ok((true, _)) => Err("it is ready".to_owned()),
            Ok((false, _)) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        })
        .await
        .with_context(|| self.last_lines())
    }

    async fn readiness(&self) -> anyhow::Result<(bool, Value)> {
        let url = format!("http://127.0.0.1:{}/health/ready", self.port.get());
        let response = self.http.get(url).send().await?;
        let ready = response.status().is_success();
        Ok((ready, serde_json::from_str(&response.text().await?)?))
    }

    /// The number of measures of `device-vibrations` that a scientist reads with this query.
    pub(crate) async fn read(&self, query: &str) -> anyhow::Result<usize> {
        let url = format!("http://127.0.0.1:{}/measures/1?{query}", self.port.get());
        let answer = self.http.get(url).bearer_auth(&self.token).send().await?.error_for_status()?;
        Ok(serde_json::from_str::<Vec<Value>>(&answer.text().await?)?.len())
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.note_memory()?;
        self.process.kill9().await.map(drop)
    }

    /// Restarts it after its end, without waiting.
    pub(crate) async fn start_again(&self) -> anyhow::Result<()> {
        self.process.start_again().await
    }

    /// Sends SIGTERM. Fails unless it exits with status 0 in time.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<Duration> {
        self.note_memory()?;
        let began = Instant::now();
        let exit = self.process.terminate(STOP_LIMIT).await?;
        ensure!(exit.success(), "after SIGTERM the service ended with {exit}:\n{}", self.last_lines());
        Ok(began.elapsed())
    }

    /// The resident memory now, in MiB.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<u64> {
        let status = self.status()?;
        Ok(status.vmrss.context("the resident memory")? / 1024)
    }

    /// Records the peak resident memory of this process.
    pub(crate) fn note_memory(&mut self) -> anyhow::Result<()> {
        let peak = self.status()?.vmhwm.context("the peak of the memory")? / 1024;
        self.notes.peak_mib = self.notes.peak_mib.max(peak);
        Ok(())
    }

    fn status(&self) -> anyhow::Result<procfs::process::Status> {
        let pid = self.process.pid()?.as_raw_nonzero().get();
        Ok(Process::new(pid).with_context(|| format!("process {pid}"))?.status()?)
    }

    /// Ends the scenario with a graceful shutdown and checks the log.
    pub(crate) async fn finish(mut self) -> anyhow::Result<Notes> {
        self.stop().await?;
        self.check_log()?;
        Ok(self.notes)
    }

    /// Fails if anything has panicked.
    pub(crate) fn check_log(&self) -> anyhow::Result<()> {
        match self.process.lines().iter().find(|line| line.text.contains("panic")) {
            Some(line) => bail!("the service panicked: {line}"),
            None => Ok(()),
        }
    }

    /// Its last output, for an error.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.process.lines();
        // Without readiness requests.
        let relevant = lines.iter().rev().filter(|line| !line.text.contains("/health/ready"));
        let mut last: Vec<_> = relevant.take(20).map(|line| line.text.as_str()).collect();
        last.reverse();
        format!("the service's last lines:\n{}", last.join("\n"))
    }
}
