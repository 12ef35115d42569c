//! What the tests start: the service under test with a database, a virtual host and a signer of tokens of its
//! own, and clients that use it as people and adapters do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{
    MariaDb, RabbitMq, ReservedPort, ServiceProcess, ServiceProcessBuilder, wait_until,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub const BINARY: &str = env!("CARGO_BIN_EXE_mymonit");
/// Long enough for anything that should happen soon, on a machine that does other things as well.
pub const SOON: Duration = Duration::from_secs(30);

/// The usernames of the example data (specification §12).
pub const ADMIN: &str = "5MS0kr1nE5Qm7ZNzAyHNCVfapcf2";
pub const SCIENTIST: &str = "uJayGH994iVa2TY5auSNYZoUpwk1";
pub const OTHER_SCIENTIST: &str = "hirbBCceXlWUGdpNHUpaNtworjm2";

/// The engines that everything has to hold on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    MariaDb,
    Sqlite,
}

/// The surroundings of one test.
pub struct House {
    pub database_url: String,
    pub broker_url: String,
    pub firebase: FirebaseDouble,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn new(engine: Engine) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let database_url = match engine {
            Engine::MariaDb => MariaDb::shared().await?.create_database().await?,
            Engine::Sqlite => format!("sqlite://{}", folder.path().join("mymonit.db").display()),
        };
        let broker_url = RabbitMq::shared().await?.create_vhost().await?;
        Ok(Self { database_url, broker_url, firebase: FirebaseDouble::start().await?, _folder: folder })
    }

    /// The service in production mode, with the example data.
    pub fn service(&self) -> anyhow::Result<ServiceBuilder> {
        let port = ReservedPort::reserve()?;
        let process = ServiceProcess::builder(BINARY)
            .arg("serve")
            .env("DATABASE_URL", &self.database_url)
            .env("RABBIT_URL", &self.broker_url)
            .env("REST_HOST", "127.0.0.1")
            .env("REST_PORT", port.get().to_string())
            .env("FIREBASE_PROJECT_ID", FirebaseDouble::PROJECT_ID)
            .env("FIREBASE_CERTS_URL", self.firebase.certs_url())
            .env("LOGSTASH_HOST", "")
            .env("EXAMPLE_DATA", "true");
        Ok(ServiceBuilder { process, port })
    }

    /// The service, started and ready.
    pub async fn ready_service(&self) -> anyhow::Result<Service> {
        self.service()?.ready().await
    }

    /// A client of the service that carries a token of that username.
    pub fn client<'a>(&self, service: &'a Service, username: &str) -> Client<'a> {
        Client { service, authorization: Some(format!("Bearer {}", self.firebase.token_for(username))) }
    }

    /// A connection to the broker as adapters make it.
    pub async fn publisher(&self) -> anyhow::Result<Publisher> {
        Publisher::connect(&self.broker_url).await
    }
}

pub struct ServiceBuilder {
    process: ServiceProcessBuilder,
    port: ReservedPort,
}

impl ServiceBuilder {
    pub fn env(self, name: &str, value: &str) -> Self {
        Self { process: self.process.env(name, value), ..self }
    }

    /// Starts it and waits for nothing.
    pub async fn start(self) -> anyhow::Result<Service> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Service { process: self.process.start().await?, port: self.port, http })
    }

    /// Starts it and waits until it is ready.
    pub async fn ready(self) -> anyhow::Result<Service> {
        let service = self.start().await?;
        service.wait_until_ready().await?;
        Ok(service)
    }
}

/// The service under test.
pub struct Service {
    pub process: ServiceProcess,
    port: ReservedPort,
    http: reqwest::Client,
}

impl Service {
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port.get())
    }

    pub async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let ready = wait_until("the service is ready", SOON, async || {
            if !self.process.is_running() {
                return Err("it has ended".to_owned());
            }
            let response =
                self.http.get(self.url("/health/ready")).send().await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = response.text().await.unwrap_or_default();
            if status == StatusCode::OK { Ok(()) } else { Err(format!("{status}: {body}")) }
        });
        let last_lines = || {
            let lines = self.process.lines();
            lines.iter().rev().take(20).rev().map(|line| line.text.clone()).collect::<Vec<_>>().join("\n")
        };
        ready.await.with_context(last_lines)
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client<'_> {
        Client { service: self, authorization: None }
    }

    pub fn with_authorization(&self, authorization: impl Into<String>) -> Client<'_> {
        Client { service: self, authorization: Some(authorization.into()) }
    }
}

/// An answer, taken in whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The stable code of a problem document.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Somebody with `curl`.
pub struct Client<'a> {
    service: &'a Service,
    authorization: Option<String>,
}

impl Client<'_> {
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let mut request = self.service.http.request(method, self.service.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? };
        Ok(Answer { status, headers, body })
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, Some(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        self.send(Method::PUT, path, Some(&body)).await
    }

    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// The measures of an experiment, newest first.
    pub async fn measures(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.get(path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
        answer.body.as_array().cloned().context("an array of measures")
    }
}

/// An adapter: publishes persistent messages and waits for the broker's confirms.
pub struct Publisher {
    _connection: Connection,
    channel: Channel,
    confirmed: AtomicU64,
}

impl Publisher {
    async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { _connection: connection, channel, confirmed: AtomicU64::new(0) })
    }

    /// Publishes one message to the exchange of specification §4 and waits for its confirm.
    pub async fn publish(&self, body: &[u8], message_id: Option<&str>) -> anyhow::Result<()> {
        self.publish_all([(body.to_vec(), message_id.map(str::to_owned))]).await
    }

    /// Publishes many messages and then waits for all confirms.
    pub async fn publish_all(
        &self,
        messages: impl IntoIterator<Item = (Vec<u8>, Option<String>)>,
    ) -> anyhow::Result<()> {
        let mut confirms = Vec::new();
        for (body, message_id) in messages {
            let mut properties = BasicProperties::default().with_delivery_mode(2);
            if let Some(id) = message_id {
                properties = properties.with_message_id(ShortString::from(id));
            }
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let confirm = self
                .channel
                .basic_publish("mymonit".into(), "measures".into(), options, &body, properties)
                .await?;
            confirms.push(confirm);
        }
        for confirm in confirms {
            let confirmation = confirm.await?;
            ensure!(
                confirmation.is_ack() && confirmation.take_message().is_none(),
                "the broker took no responsibility"
            );
            self.confirmed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A message of one measure.
pub fn message(experiment: &str, measure: &str, value: f64, timestamp: i64) -> Vec<u8> {
    json!({"experiment": experiment, "measure": measure, "value": value, "timestamp": timestamp})
        .to_string()
        .into_bytes()
}
