//! What the tests start: a broker, the service in evaluation mode, and the adapter.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use mymonit_test_support::{RabbitMq, ReservedPort, ServiceProcess, ServiceProcessBuilder, wait_until};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::OnceCell;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mymonit-adapter");
/// Long enough for any expected event on a busy host.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);

static SERVICE: OnceCell<PathBuf> = OnceCell::const_new();

/// The service binary; a workspace build puts it beside the adapter's.
async fn service_binary() -> anyhow::Result<&'static PathBuf> {
    SERVICE
        .get_or_try_init(|| async {
            let path = Path::new(BINARY).with_file_name("mymonit");
            if !path.exists() {
                let cargo = Command::new(env!("CARGO"))
                    .args(["build", "--locked", "-p", "mymonit-app"])
                    .status()
                    .await?;
                ensure!(cargo.success(), "the build of mymonit ended with {cargo}");
            }
            Ok(path)
        })
        .await
}

/// A measure as the service returns it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Measure {
    pub(crate) measure_type: String,
    pub(crate) timestamp: String,
    pub(crate) value: f64,
}

/// The service in evaluation mode, and a folder for everything else.
pub(crate) struct TestEnvironment {
    pub(crate) broker_url: String,
    pub(crate) folder: TempDir,
    service: ServiceProcess,
    port: ReservedPort,
    http: reqwest::Client,
    token: String,
    administrator_token: String,
}

impl TestEnvironment {
    /// With a separate virtual host on the shared broker.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        Self::with_broker(RabbitMq::shared().await?.create_vhost().await?).await
    }

    pub(crate) async fn with_broker(broker_url: String) -> anyhow::Result<Self> {
        let (folder, port, binary) =
            (tempfile::tempdir()?, ReservedPort::reserve()?, service_binary().await?);
        let database = format!("sqlite://{}", folder.path().join("mymonit.db").display());
        let service = ServiceProcess::builder(binary)
            .arg("serve")
            .env("EVALUATION", "true")
            .env("DATABASE_URL", &database)
            .env("RABBIT_URL", &broker_url)
            .env("REST_PORT", port.get().to_string())
            .env("LOGSTASH_HOST", "")
            .start()
            .await?;
        // Ignores the proxies of the environment.
        let http = reqwest::Client::builder().no_proxy().build()?;
        let ready = format!("http://127.0.0.1:{}/health/ready", port.get());
        wait_until("the service is ready", TIMEOUT, async || {
            let response = http.get(&ready).send().await.map_err(|error| error.to_string())?;
            if response.status().is_success() { Ok(()) } else { Err(response.status().to_string()) }
        })
        .await?;
        let token = async |user: &str| -> anyhow::Result<String> {
            let mut token = Command::new(binary);
            token.args(["token", user]).env("DATABASE_URL", &database).current_dir(service.folder());
            Ok(said(token.output().await?)?.trim().to_owned())
        };
        let (token, administrator_token) = (token("S001").await?, token("A001").await?);
        Ok(Self { broker_url, folder, service, port, http, token, administrator_token })
    }

    /// The address of the service.
    pub(crate) fn service_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.get())
    }

    /// A token of a scientist.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The measures of `device-vibrations`, in the order of their time.
    pub(crate) async fn all_measures(&self) -> anyhow::Result<Vec<Measure>> {
        self.get("/measures/1?order=asc", &self.token).await
    }

    /// The rejected messages, the last received first.
    pub(crate) async fn rejected_messages(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        self.get("/rejected-messages/", &self.administrator_token).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, token: &str) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.service_url());
        let response = self.http.get(url).bearer_auth(token).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&response.bytes().await?)?)
    }

    /// As `all_measures`, without the ten of the example data.
    pub(crate) async fn measures(&self) -> anyhow::Result<Vec<Measure>> {
        let mut measures = self.all_measures().await?;
        measures.retain(|measure| !measure.timestamp.starts_with("2022-04-06T07:0"));
        Ok(measures)
    }

    /// Waits for at least that many measures, including the example data.
    pub(crate) async fn all_measures_when(
        &self,
        count: usize,
        within: Duration,
    ) -> anyhow::Result<Vec<Measure>> {
        wait_until("all measures have arrived", within, async || {
            let measures = self.all_measures().await.map_err(|error| format!("{error:#}"))?;
            if measures.len() >= count { Ok(measures) } else { Err(format!("{} measures", measures.len())) }
        })
        .await
    }

    /// Waits for at least that many measures.
    pub(crate) async fn measures_when(&self, count: usize, within: Duration) -> anyhow::Result<Vec<Measure>> {
        wait_until("all measures have arrived", within, async || {
            let measures = self.measures().await.map_err(|error| format!("{error:#}"))?;
            if measures.len() >= count { Ok(measures) } else { Err(format!("{} measures", measures.len())) }
        })
        .await
        .with_context(|| {
            self.service.lines().iter().rev().take(5).map(|line| format!("{line}\n")).collect::<String>()
        })
    }

    /// Waits until the adapter's state records that many confirmed measures of a source. The
    /// measures may be stored earlier; an adapter stopped in between reports them as kept.
    pub(crate) async fn confirmed(&self, source: &str, measures: u64) -> anyhow::Result<()> {
        let path = self.path("state/mymonit-adapter").join(source).join("checkpoint.json");
        wait_until("the measures are confirmed", TIMEOUT, async || {
            let text = std::fs::read(&path).map_err(|error| error.to_string())?;
            let checkpoint: serde_json::Value =
                serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            let confirmed = checkpoint["counts"]["measures"].as_u64();
            if confirmed >= Some(measures) { Ok(()) } else { Err(checkpoint.to_string()) }
        })
        .await
    }

    /// The adapter, run in the folder, with the broker of this environment.
    pub(crate) fn adapter(&self, arguments: &[&str]) -> ServiceProcessBuilder {
        ServiceProcess::builder(BINARY)
            .args(arguments)
            .env("RABBIT_URL", &self.broker_url)
            .env("XDG_STATE_HOME", self.path("state"))
            .working_folder(self.folder.path())
    }

    /// Runs the adapter to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Finished> {
        self.run_with(arguments, &[]).await
    }

    /// Runs the adapter to its end, with more environment variables.
    pub(crate) async fn run_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Finished> {
        let broker = [("RABBIT_URL", self.broker_url.as_str())];
        run_in(self.folder.path(), arguments, &[&broker, environment].concat()).await
    }
}

/// Runs the adapter to its end in a folder, where it also keeps its state.
pub(crate) async fn run_in(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<Finished> {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true).env_clear();
    command.env("XDG_STATE_HOME", folder.join("state"));
    command.envs(environment.iter().copied());
    Finished::of_command(command).await
}

/// Exit status and output of a command.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Runs a command to its end.
    pub(crate) async fn of_command(mut command: Command) -> anyhow::Result<Self> {
        let output = tokio::time::timeout(TIMEOUT, command.output()).await;
        Self::of(output.context("it does not end by itself")??)
    }

    fn of(output: Output) -> anyhow::Result<Self> {
        Ok(Self {
            code: output.status.code().context("it was killed")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

fn said(output: Output) -> anyhow::Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
