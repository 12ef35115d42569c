use std::sync::Arc;
use std::time::Duration;

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

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Few: file descriptors are reserved for clients.
const CONNECTIONS: usize = 32;

/// The registry, and the probes that are read at each scrape.
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
        let help = "Whether a part of the service is ready; the service is ready if all parts are";
        registry.sub_registry_with_prefix("mymonit").register("ready", help, ready.clone());
        Self { registry, probes, ready }
    }

    /// Serves Prometheus until `stop`.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        let router = Router::new().route("/metrics", get(show)).with_state(Arc::new(self));
        // Prometheus scrapes again, so a drain is not needed.
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
