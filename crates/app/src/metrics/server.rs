use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mymonit_rest_listener::Limits;
use mymonit_services::ReadinessProbe;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::configuration::MetricsConfiguration;

/// OpenMetrics, which is what Prometheus's own format became.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many may ask at once: few do, and the descriptors are for clients.
const CONNECTIONS: usize = 32;

/// All that is shown, and the parts that are asked how they are.
pub(crate) struct Metrics {
    registry: Registry,
    probes: Arc<[Arc<dyn ReadinessProbe>]>,
    ready: Family<Part, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

impl Metrics {
    pub(super) fn new(mut registry: Registry, probes: Arc<[Arc<dyn ReadinessProbe>]>) -> Self {
        let ready = Family::default();
        let help = "Whether a part of the service does its work; the service is ready if all do";
        registry.sub_registry_with_prefix("mymonit").register("ready", help, ready.clone());
        Self { registry, probes, ready }
    }

    /// Answers Prometheus until `stop`.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let router = Router::new().route("/metrics", get(show)).with_state(Arc::new(self));
        // Whoever asks may ask again, so that nobody has to be waited for.
        let limits = Limits { connections: CONNECTIONS, drain: Duration::ZERO, ..Limits::default() };
        mymonit_rest_listener::serve(listener, router, limits, stop).await
    }

    async fn text(&self) -> Result<String, std::fmt::Error> {
        for probe in self.probes.iter() {
            let is_ready = probe.state().await.ready;
            self.ready.get_or_create(&Part { part: probe.part() }).set(is_ready.into());
        }
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

async fn show(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text().await {
        Ok(text) => ([(CONTENT_TYPE, MEDIA_TYPE), (CACHE_CONTROL, "no-store")], text).into_response(),
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Listens where Prometheus is to be answered.
pub(crate) async fn bind(configuration: &MetricsConfiguration) -> anyhow::Result<TcpListener> {
    let MetricsConfiguration { host, port } = configuration;
    let listener = TcpListener::bind((host.as_str(), *port))
        .await
        .with_context(|| format!("cannot listen on METRICS_HOST `{host}`, METRICS_PORT {port}"))?;
    info!(address = %listener.local_addr()?, "metrics are shown");
    Ok(listener)
}
