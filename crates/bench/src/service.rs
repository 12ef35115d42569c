//! The service that is measured: the release build of the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{Pid, ReservedPort, ServiceProcess, build_release, wait_until};

/// The username of the example data's first scientist.
pub(crate) const SCIENTIST: &str = "uJayGH994iVa2TY5auSNYZoUpwk1";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The binary to measure: the given one, or the release build.
pub(crate) fn binary(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    ensure!(!cfg!(debug_assertions), "a debug build measures nothing: use `cargo run --release`");
    let binary =
        given.map_or_else(|| build_release("mymonit-app", "mymonit"), |given| Ok(given.to_owned()))?;
    // The service runs in its own folder, for which a relative path is wrong.
    Ok(binary.canonicalize()?)
}

/// A running service with the database and the broker of the benchmark.
pub(crate) struct Service {
    process: ServiceProcess,
    port: ReservedPort,
    http: reqwest::Client,
}

impl Service {
    /// Starts the service; it consumes at once.
    pub(crate) async fn start(binary: &Path, database_url: &str, broker_url: &str) -> anyhow::Result<Self> {
        Self::start_with(binary, database_url, broker_url, &[("EVALUATION", "true")]).await
    }

    /// Starts the service in production mode with Firebase tokens and further variables.
    pub(crate) async fn start_with_firebase(
        binary: &Path,
        database_url: &str,
        broker_url: &str,
        firebase: &FirebaseDouble,
        further: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let certs_url = firebase.certs_url();
        let tokens = [
            ("REST_HOST", "127.0.0.1"),
            ("FIREBASE_PROJECT_ID", FirebaseDouble::PROJECT_ID),
            ("FIREBASE_CERTS_URL", &certs_url),
            ("EXAMPLE_DATA", "true"),
        ];
        Self::start_with(binary, database_url, broker_url, &[&tokens, further].concat()).await
    }

    async fn start_with(
        binary: &Path,
        database_url: &str,
        broker_url: &str,
        tokens: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let mut builder = ServiceProcess::builder(binary)
            .arg("serve")
            .env("DATABASE_URL", database_url)
            .env("RABBIT_URL", broker_url)
            .env("REST_PORT", port.get().to_string())
            .env("LOGSTASH_HOST", "")
            // One user measures how fast the service is.
            .env("REST_USER_REQUESTS_PER_SECOND", "0");
        for (name, value) in tokens {
            builder = builder.env(name, value);
        }
        let process = builder.start().await?;
        Ok(Self { process, port, http: reqwest::Client::builder().no_proxy().build()? })
    }

    /// The port of the REST listener.
    pub(crate) fn port(&self) -> u16 {
        self.port.get()
    }

    /// Waits until database and consumer are ready.
    pub(crate) async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/health/ready", self.port.get());
        wait_until("the service is ready", READY_WITHIN, async || {
            let response = self.http.get(&url).send().await.map_err(|error| error.to_string())?;
            if response.status().is_success() { Ok(()) } else { Err(response.status().to_string()) }
        })
        .await
    }

    /// A token of the example data's first scientist.
    pub(crate) fn token(&self, binary: &Path, database_url: &str) -> anyhow::Result<String> {
        let output = Command::new(binary)
            .args(["token", "S001"])
            .env("DATABASE_URL", database_url)
            .current_dir(self.process.folder())
            .output()?;
        ensure!(output.status.success(), "no token: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The newest measure of experiment 1, as the scientist sees it.
    pub(crate) async fn newest(&self, token: &str) -> anyhow::Result<serde_json::Value> {
        let url = format!("http://127.0.0.1:{}/measures/1?limit=1", self.port.get());
        let text = self.http.get(url).bearer_auth(token).send().await?.error_for_status()?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> anyhow::Result<Pid> {
        self.process.pid()
    }

    /// Stops it as an operator would.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let exit = self.process.terminate(Duration::from_secs(15)).await?;
        ensure!(exit.success(), "the service ended with {exit:?}");
        Ok(())
    }
}
