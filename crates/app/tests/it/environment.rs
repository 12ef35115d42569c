//! The test environment: the service with its own database, virtual host and token signer, and
//! clients.

mod adapter;
mod audit_trail;
mod client;
mod message_balance;
mod scrape;
mod session;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{MySqlServer, QueueState, RabbitMq, ReservedPort, ServiceProcess, wait_until};
use reqwest::StatusCode;
use tokio::process::Command;
use tokio::time::timeout;

pub(crate) use adapter::{Adapter, message};
pub(crate) use audit_trail::AuditTrail;
pub(crate) use client::{Answer, Client, user};
pub(crate) use message_balance::MessageBalance;
pub(crate) use scrape::Scrape;
pub(crate) use session::{PYTHON, Session, WAITING_FOR_A_TABLE};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mymonit");
/// The limit for quick operations on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
/// The limit for long operations on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(300);
/// The default of `RABBIT_PREFETCH`: the maximum number of messages in flight.
pub(crate) const PREFETCH: u16 = 3_000;
/// How long to wait for a graceful shutdown. The service itself exits with an error after more than
/// 9 s.
pub(crate) const STOP_LIMIT: Duration = TIMEOUT;

/// The usernames of the example data.
pub(crate) const ADMIN: &str = "5MS0kr1nE5Qm7ZNzAyHNCVfapcf2";
pub(crate) const SCIENTIST: &str = "uJayGH994iVa2TY5auSNYZoUpwk1";
pub(crate) const OTHER_SCIENTIST: &str = "hirbBCceXlWUGdpNHUpaNtworjm2";

/// The database engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    MySql,
    Sqlite,
}

/// Makes two tests of each function that takes an [`Engine`].
macro_rules! on_every_engine {
    ($($fact:ident),+ $(,)?) => {$(
        mod $fact {
            use crate::environment::Engine;

            #[tokio::test]
            async fn on_mysql() {
                super::$fact(Engine::MySql).await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                super::$fact(Engine::Sqlite).await;
            }
        }
    )+};
}
pub(crate) use on_every_engine;

/// The database, virtual host and token signer of one test.
pub(crate) struct TestEnvironment {
    pub(crate) engine: Engine,
    pub(crate) database_url: String,
    pub(crate) broker_url: String,
    pub(crate) firebase: FirebaseDouble,
    _folder: tempfile::TempDir,
}

impl TestEnvironment {
    /// With an empty database and an empty virtual host.
    pub(crate) async fn new(engine: Engine) -> anyhow::Result<Self> {
        Self::with_broker(engine, RabbitMq::shared().await?.create_vhost().await?).await
    }

    /// With an empty database and the given broker.
    pub(crate) async fn with_broker(engine: Engine, broker_url: String) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database_url = match engine {
            Engine::MySql => MySqlServer::shared().await?.create_database().await?,
            Engine::Sqlite => format!("sqlite://{}", folder.path().join("mymonit.db").display()),
        };
        let firebase = FirebaseDouble::start().await?;
        Ok(Self { engine, database_url, broker_url, firebase, _folder: folder })
    }

    /// With the given MariaDB database, existing or not, and the given broker.
    pub(crate) async fn with_mysql(database_url: String, broker_url: String) -> anyhow::Result<Self> {
        Ok(Self {
            engine: Engine::MySql,
            database_url,
            broker_url,
            firebase: FirebaseDouble::start().await?,
            _folder: tempfile::tempdir()?,
        })
    }

    /// A command of the binary with the configuration of production mode and the example data.
    pub(crate) fn command(&self, command: &str) -> anyhow::Result<ServiceBuilder> {
        self.command_with(&[command])
    }

    /// As [`Self::command`], with all its arguments.
    pub(crate) fn command_with(&self, arguments: &[&str]) -> anyhow::Result<ServiceBuilder> {
        Ok(ServiceBuilder::bare(arguments, None)?
            .env("DATABASE_URL", &self.database_url)
            .env("RABBIT_URL", &self.broker_url)
            .env("REST_HOST", "127.0.0.1")
            .env("FIREBASE_PROJECT_ID", FirebaseDouble::PROJECT_ID)
            .env("FIREBASE_CERTS_URL", &self.firebase.certs_url())
            .env("LOGSTASH_HOST", "")
            .env("EXAMPLE_DATA", "true"))
    }

    /// The service in production mode, with the example data.
    pub(crate) fn service(&self) -> anyhow::Result<ServiceBuilder> {
        self.command("serve")
    }

    /// The service, started and ready.
    pub(crate) async fn ready_service(&self) -> anyhow::Result<Service> {
        self.service()?.ready().await
    }

    /// A service without the limit of requests per user, since tests are fast.
    pub(crate) async fn unlimited_service(&self) -> anyhow::Result<Service> {
        self.service()?.env("REST_USER_REQUESTS_PER_SECOND", "0").ready().await
    }

    /// A client of the service that carries a token of that username.
    pub(crate) fn client(&self, service: &Service, username: &str) -> Client {
        service.with_authorization(format!("Bearer {}", self.firebase.token_for(username)))
    }

    /// A client of the service at that address, with a token of that username.
    pub(crate) fn client_at(&self, address: &str, username: &str) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
        let authorization = format!("Bearer {}", self.firebase.token_for(username));
        Client::new(http, address.to_owned(), Some(authorization))
    }

    /// A connection to the broker as adapters make it.
    pub(crate) async fn adapter(&self) -> anyhow::Result<Adapter> {
        Adapter::connect(&self.broker_url).await
    }

    /// The number of ready and unacknowledged messages. Not for a private broker.
    pub(crate) async fn queued(&self) -> anyhow::Result<u64> {
        Ok(queue_at(&self.broker_url).await?.queued())
    }

    /// Waits until the queue has this state. Not for a private broker.
    pub(crate) async fn wait_until_queue_holds(&self, expected: QueueState) {
        wait_until("the queue holds what is expected", TIMEOUT, async || {
            match queue_at(&self.broker_url).await {
                Ok(state) if state == expected => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
    }

    /// Waits until every confirmed message is acknowledged, which is after its commit. Not for a
    /// private broker.
    pub(crate) async fn wait_until_all_is_acknowledged(&self) {
        wait_until("all messages are acknowledged", LONG, async || match self.queued().await {
            Ok(0) => Ok(()),
            Ok(left) => Err(format!("{left} messages are left")),
            Err(error) => Err(format!("{error:#}")),
        })
        .await
        .unwrap();
    }

    /// A direct connection to the database. Not for a database on a private server.
    pub(crate) async fn session(&self) -> anyhow::Result<Session> {
        let (_, path) = self.database_url.split_once("://").context("a URL")?;
        match self.engine {
            Engine::MySql => {
                let (_, database) = path.rsplit_once('/').context("a database")?;
                mysql_session(MySqlServer::shared().await?, database)
            }
            Engine::Sqlite => {
                let mut client = Command::new(PYTHON);
                client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sqlite.py")).arg(path);
                Session::open(Engine::Sqlite, client)
            }
        }
    }
}

/// A direct connection to a database.
pub(crate) fn mysql_session(server: &MySqlServer, database: &str) -> anyhow::Result<Session> {
    let mut client = Command::from(server.client()?);
    client.args(["--batch", "--skip-column-names", "--unbuffered", database]);
    Session::open(Engine::MySql, client)
}

/// A command of the binary, before its start.
pub(crate) struct ServiceBuilder {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
    port: ReservedPort,
    metrics_port: ReservedPort,
}

impl ServiceBuilder {
    /// A command of the binary with only the port configured, in that folder or in an empty one.
    pub(crate) fn bare(arguments: &[&str], folder: Option<&Path>) -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let builder = Self {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: Vec::new(),
            folder: folder.map(Path::to_owned),
            port,
            metrics_port: ReservedPort::reserve()?,
        };
        let number = builder.port.get().to_string();
        let metrics_port = builder.metrics_port.get().to_string();
        Ok(builder.env("REST_PORT", &number).env("METRICS_PORT", &metrics_port))
    }

    /// Sets or replaces a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it without waiting.
    pub(crate) async fn start(self) -> anyhow::Result<Service> {
        let mut process = ServiceProcess::builder(BINARY).args(self.arguments);
        for (name, value) in self.environment {
            process = process.env(&name, value);
        }
        if let Some(folder) = self.folder {
            process = process.working_folder(folder);
        }
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Service {
            process: process.start().await?,
            port: self.port,
            metrics_port: self.metrics_port,
            http,
        })
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn ready(self) -> anyhow::Result<Service> {
        let service = self.start().await?;
        service.wait_until_ready().await?;
        Ok(service)
    }

    /// Runs it until it exits by itself.
    pub(crate) async fn run(self) -> anyhow::Result<Finished> {
        self.run_into(Stdio::piped()).await
    }

    /// Runs it with an output whose reader is closed before the start.
    pub(crate) async fn run_unread(self) -> anyhow::Result<Finished> {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        self.run_into(writer.into()).await
    }

    async fn run_into(self, stdout: Stdio) -> anyhow::Result<Finished> {
        let empty_folder = tempfile::tempdir()?;
        let mut command = Command::new(BINARY);
        command.args(self.arguments).env_clear().envs(self.environment);
        command.current_dir(self.folder.as_deref().unwrap_or(empty_folder.path())).kill_on_drop(true);
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn()?;
        let output = timeout(LONG, child.wait_with_output()).await.context("it does not end by itself")??;
        let text = |bytes| anyhow::Ok(String::from_utf8(bytes)?.trim_end_matches('\n').to_owned());
        Ok(Finished {
            status: output.status.code().context("it was killed")?,
            stdout: text(output.stdout)?,
            stderr: text(output.stderr)?,
        })
    }
}

/// Exit status and output of a command.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The service under test.
pub(crate) struct Service {
    pub(crate) process: ServiceProcess,
    port: ReservedPort,
    metrics_port: ReservedPort,
    http: reqwest::Client,
}

impl Service {
    pub(crate) fn port(&self) -> u16 {
        self.port.get()
    }

    /// Scrapes the metrics.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Scrape> {
        Scrape::of(&self.http, self.metrics_port.get()).await
    }

    pub(crate) fn metrics_port(&self) -> u16 {
        self.metrics_port.get()
    }

    /// Waits until it is ready; returns the body of `/health/ready`.
    pub(crate) async fn wait_until_ready(&self) -> anyhow::Result<serde_json::Value> {
        let ready = wait_until("the service is ready", TIMEOUT, async || {
            if !self.process.is_running() {
                return Err("it has ended".to_owned());
            }
            let (status, body) = self.readiness().await.map_err(|error| error.to_string())?;
            if status == StatusCode::OK { Ok(body) } else { Err(format!("{status}: {body}")) }
        });
        ready.await.with_context(|| self.last_lines())
    }

    /// Waits until `/health/ready` reports that part as ready, or not ready.
    pub(crate) async fn wait_until_part(&self, part: &str, is_ready: bool) -> anyhow::Result<()> {
        let reached = wait_until("the part is in that state", TIMEOUT, async || {
            let (_, body) = self.readiness().await.map_err(|error| error.to_string())?;
            if body["parts"][part]["ready"] == is_ready { Ok(()) } else { Err(body.to_string()) }
        });
        reached.await.with_context(|| self.last_lines())
    }

    /// The current response of `/health/ready`.
    pub(crate) async fn readiness(&self) -> anyhow::Result<(StatusCode, serde_json::Value)> {
        let url = format!("{}/health/ready", self.address());
        let response = self.http.get(url).send().await?;
        let status = response.status();
        Ok((status, serde_json::from_str(&response.text().await?)?))
    }

    /// Sends SIGTERM; the service must shut down gracefully and in time.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        let exit = self.process.terminate(STOP_LIMIT).await?;
        if !exit.success() {
            bail!("the service ended with {exit}:\n{}", self.last_lines());
        }
        Ok(())
    }

    /// A client without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.http.clone(), self.address(), None)
    }

    pub(crate) fn with_authorization(&self, authorization: impl Into<String>) -> Client {
        Client::new(self.http.clone(), self.address(), Some(authorization.into()))
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Its last output, for an error.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.process.lines();
        lines.iter().rev().take(20).rev().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// The state of the queue in that virtual host of the shared broker.
async fn queue_at(broker_url: &str) -> anyhow::Result<QueueState> {
    let (_, vhost) = broker_url.rsplit_once('/').context("a virtual host")?;
    RabbitMq::shared().await?.queue(vhost, "measures").await
}
