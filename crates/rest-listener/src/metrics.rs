//! Metrics of requests.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Seconds, up to the time limit of a request.
const LATENCIES: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The label of unknown paths. Paths are not labels, since clients can invent any number of them.
pub(crate) const NO_ROUTE: &str = "none";

/// Counters of requests; clones share them.
#[derive(Debug, Clone)]
pub struct RequestMetrics {
    answered: Family<Answered, Counter>,
    latency: Family<Taken, Histogram, fn() -> Histogram>,
    // Without labels, so that they exist from the start and the first event is an increase.
    broken: Counter,
    left: Counter,
    open: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Taken {
    method: &'static str,
    route: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCIES)),
            broken: Counter::default(),
            left: Counter::default(),
            open: Gauge::default(),
        }
    }
}

impl RequestMetrics {
    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests answered, by route and status", self.answered.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from the end of a request's headers to the beginning of its answer",
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register(
            "http_answers_broken",
            "Answers that the service began and could not finish",
            self.broken.clone(),
        );
        registry.register(
            "http_clients_left",
            "Requests whose client disconnected before the end of the answer",
            self.left.clone(),
        );
        registry.register("http_requests_open", "Requests that are being answered", self.open.clone());
    }

    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    pub(crate) fn answered(
        &self,
        method: &'static str,
        route: &Arc<str>,
        status: StatusCode,
        after: Duration,
    ) {
        let status = status.as_u16();
        self.answered.get_or_create(&Answered { method, route: route.clone(), status }).inc();
        self.latency.get_or_create(&Taken { method, route: route.clone() }).observe(after.as_secs_f64());
    }

    pub(crate) fn broke(&self) {
        self.broken.inc();
    }

    pub(crate) fn left(&self) {
        self.left.inc();
    }

    pub(crate) fn closed(&self) {
        self.open.dec();
    }
}
