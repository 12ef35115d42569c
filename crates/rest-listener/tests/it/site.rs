//! The REST API over in-memory stores on a socket, with a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use mymonit_logging::TracingAuditLog;
use mymonit_rest_listener::{
    AllowedOrigins, FirebaseProject, HealthState, Limits, Page, RequestMetrics, RestState, SignIn,
    TrustedProxies, health_router, router, serve,
};
use mymonit_services::{
    ApiTokenServiceImpl, ExperimentServiceImpl, FlagServiceImpl, MeasureServiceImpl, MeasureTypeServiceImpl,
    PartState, PublisherServiceImpl, ReadinessProbe, RejectedMessageServiceImpl,
    RejectedMessageServiceImplParameters, SensorServiceImpl, UserServiceImpl, UserServiceImplParameters,
};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use shaku::{HasComponent, module};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::flag_memory::{FakeFlagStore, FakeFlagStoreParameters};
use crate::memory::{
    FakeApiTokenStore, FakeApiTokenStoreParameters, FakeAssociationStore, FakeAssociationStoreParameters,
    FakeExperimentStore, FakeExperimentStoreParameters, FakeMeasureStore, FakeMeasureStoreParameters,
    FakeMeasureTypeStore, FakeMeasureTypeStoreParameters, FakeTokenVerifier, FakeUserStore,
    FakeUserStoreParameters, Memory,
};
use crate::publisher_memory::FakePublisherStore;
use crate::rejected_memory::{FakeRejectedMessageStore, FakeRejectedMessageStoreParameters};
use crate::sensor_memory::{FakeSensorStore, FakeSensorStoreParameters};

/// How long a test waits for an event, also on a stalled host.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Limits that no test reaches unless it sets one.
pub(crate) fn patient() -> Limits {
    let never = TIMEOUT * 10;
    Limits {
        header_read: never,
        keep_alive: never,
        body_read: never,
        request: never,
        write_stall: never,
        ..Limits::default()
    }
}

/// The largest body of a message that is stored.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_000;

module! {
    TestModule {
        components = [
            UserServiceImpl, ApiTokenServiceImpl, ExperimentServiceImpl, MeasureServiceImpl, MeasureTypeServiceImpl,
            PublisherServiceImpl, RejectedMessageServiceImpl, SensorServiceImpl, FlagServiceImpl, TracingAuditLog, FakeUserStore, FakeApiTokenStore, FakePublisherStore, FakeExperimentStore, FakeAssociationStore,
            FakeMeasureTypeStore, FakeMeasureStore, FakeRejectedMessageStore, FakeSensorStore, FakeFlagStore, FakeTokenVerifier
        ],
        providers = []
    }
}

fn state(memory: &Arc<Memory>, probes: &[Arc<SwitchedProbe>], sign_in: SignIn, limits: Limits) -> RestState {
    let module = TestModule::builder()
        .with_component_parameters::<FakeUserStore>(FakeUserStoreParameters { memory: memory.clone() })
        .with_component_parameters::<FakeApiTokenStore>(FakeApiTokenStoreParameters {
            memory: memory.clone(),
        })
        .with_component_parameters::<FakeExperimentStore>(FakeExperimentStoreParameters {
            memory: memory.clone(),
        })
        .with_component_parameters::<FakeAssociationStore>(FakeAssociationStoreParameters {
            memory: memory.clone(),
        })
        .with_component_parameters::<FakeMeasureTypeStore>(FakeMeasureTypeStoreParameters {
            memory: memory.clone(),
        })
        .with_component_parameters::<FakeMeasureStore>(FakeMeasureStoreParameters { memory: memory.clone() })
        .with_component_parameters::<FakeSensorStore>(FakeSensorStoreParameters { memory: memory.clone() })
        .with_component_parameters::<FakeFlagStore>(FakeFlagStoreParameters { memory: memory.clone() })
        .with_component_parameters::<FakeRejectedMessageStore>(FakeRejectedMessageStoreParameters {
            memory: memory.clone(),
        })
        .with_component_parameters::<UserServiceImpl>(UserServiceImplParameters {
            max_sign_in_age: Some(Duration::from_secs(60 * 60)),
            ..UserServiceImplParameters::default()
        })
        .with_component_parameters::<RejectedMessageServiceImpl>(RejectedMessageServiceImplParameters {
            max_message_bytes: MAX_MESSAGE_BYTES,
        })
        .build();
    RestState {
        users: module.resolve(),
        api_tokens: module.resolve(),
        experiments: module.resolve(),
        measures: module.resolve(),
        measure_types: module.resolve(),
        publishers: module.resolve(),
        sensors: module.resolve(),
        flags: module.resolve(),
        rejected_messages: module.resolve(),
        health: health(probes, limits),
        page: Page::new(sign_in, "127.0.0.1"),
    }
}

fn health(probes: &[Arc<SwitchedProbe>], limits: Limits) -> HealthState {
    HealthState {
        probes: probes.iter().map(|probe| probe.clone() as Arc<dyn ReadinessProbe>).collect(),
        metrics: RequestMetrics::default(),
        trusted_proxies: TrustedProxies::default(),
        limits,
    }
}

/// A part whose readiness the test sets.
pub(crate) struct SwitchedProbe {
    part: &'static str,
    pub(crate) is_ready: AtomicBool,
}

#[async_trait]
impl ReadinessProbe for SwitchedProbe {
    fn part(&self) -> &'static str {
        self.part
    }

    async fn state(&self) -> PartState {
        let ready = self.is_ready.load(Ordering::SeqCst);
        PartState { ready, state: if ready { "works" } else { "away" } }
    }
}

/// The caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A001, administrator.
    Admin,
    /// S001, a scientist associated with experiment 1.
    Peter,
    /// S002, a scientist associated with experiment 2.
    Katie,
    /// A valid token of an unknown user.
    Stranger,
    /// A token that does not verify.
    Forger,
    /// A token that cannot be verified at the moment.
    Unjudged,
    /// A001 with a sign-in that is not recent.
    AdminOfLong,
    /// S001, likewise.
    PeterOfLong,
    /// No token.
    Nobody,
}

impl Who {
    pub(crate) fn token(self) -> Option<&'static str> {
        match self {
            Self::Admin => Some("token-of-5MS0kr1nE5Qm7ZNzAyHNCVfapcf2"),
            Self::Peter => Some("token-of-uJayGH994iVa2TY5auSNYZoUpwk1"),
            Self::Katie => Some("token-of-hirbBCceXlWUGdpNHUpaNtworjm2"),
            Self::Stranger => Some("token-of-stranger"),
            Self::Forger => Some("forged"),
            Self::Unjudged => Some("token-of-nobody-because-the-keys-are-away"),
            Self::AdminOfLong => Some("old-token-of-5MS0kr1nE5Qm7ZNzAyHNCVfapcf2"),
            Self::PeterOfLong => Some("old-token-of-uJayGH994iVa2TY5auSNYZoUpwk1"),
            Self::Nobody => None,
        }
    }
}

/// A running service.
pub(crate) struct Site {
    pub(crate) memory: Arc<Memory>,
    pub(crate) database: Arc<SwitchedProbe>,
    pub(crate) consumer: Arc<SwitchedProbe>,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<std::io::Result<()>>,
    pub(crate) client: Client,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.to_str().unwrap()
    }

    /// Checks status and code of a problem document; returns its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert!(!self.text.contains("canary"), "a cause was sent: {self:?}");
        let shape = self.json();
        let fields: Vec<_> = shape.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["code", "detail", "status", "title"], "{self:?}");
        assert_eq!((&shape["status"], &shape["code"]), (&status.into(), &code.into()), "{self:?}");
        assert_eq!(shape["title"], self.status.canonical_reason().unwrap());
        assert_eq!(self.headers.get("www-authenticate").is_some(), status == 401, "{self:?}");
        assert_eq!(self.headers.get("retry-after").is_some(), matches!(status, 429 | 503), "{self:?}");
        shape["detail"].as_str().unwrap().to_owned()
    }

    /// Checks that this is a 400 whose detail names the field; returns the detail.
    #[track_caller]
    pub(crate) fn names(&self, field: &str) -> String {
        let detail = self.problem(400, "invalid_argument");
        assert!(detail.contains(&format!("`{field}`")), "{field} is not named: {detail}");
        detail
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(patient()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        Self::start_for(limits, AllowedOrigins::default()).await
    }

    pub(crate) async fn start_for(limits: Limits, origins: AllowedOrigins) -> Self {
        let project = FirebaseProject::new("monit", Some("public-key"), None).unwrap();
        Self::start_with_page(limits, origins, SignIn::Firebase(project)).await
    }

    pub(crate) async fn start_with_page(limits: Limits, origins: AllowedOrigins, sign_in: SignIn) -> Self {
        Self::start_on(limits, |memory, probes| router(state(memory, probes, sign_in, limits), origins)).await
    }

    /// As in a process without REST listener.
    pub(crate) async fn start_with_health_alone() -> Self {
        Self::start_on(patient(), |_, probes| health_router(health(probes, patient()))).await
    }

    async fn start_on(
        limits: Limits,
        router: impl FnOnce(&Arc<Memory>, &[Arc<SwitchedProbe>]) -> Router,
    ) -> Self {
        let memory = Memory::with_example_data();
        let probe = |part| Arc::new(SwitchedProbe { part, is_ready: AtomicBool::new(true) });
        let (database, consumer) = (probe("database"), probe("consumer"));
        let router = router(&memory, &[database.clone(), consumer.clone()]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        let client = client();
        Self { memory, database, consumer, address, shutdown, server, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn request(&self, method: Method, path: &str, who: Who) -> RequestBuilder {
        let request = self.client.request(method, self.url(path));
        match who.token() {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str, who: Who) -> Answer {
        finish(self.request(Method::GET, path, who)).await
    }

    pub(crate) async fn delete(&self, path: &str, who: Who) -> Answer {
        finish(self.request(Method::DELETE, path, who)).await
    }

    /// POST without a body.
    pub(crate) async fn post_nothing(&self, path: &str, who: Who) -> Answer {
        finish(self.request(Method::POST, path, who)).await
    }

    pub(crate) async fn post(&self, path: &str, who: Who, body: &Value) -> Answer {
        self.send(Method::POST, path, who, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, who: Who, body: &Value) -> Answer {
        self.send(Method::PUT, path, who, body.to_string()).await
    }

    /// Sends any body as JSON.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        who: Who,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        finish(self.request(method, path, who).header(CONTENT_TYPE, "application/json").body(body)).await
    }

    pub(crate) fn set_unreachable(&self, is_away: bool) {
        self.memory.is_away.store(is_away, Ordering::SeqCst);
    }
}

/// The address in a `Link: <…>; rel="next"` header.
pub(crate) fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}

pub(crate) async fn finish(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
