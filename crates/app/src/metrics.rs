//! What Prometheus is told (specification §10). Each part of the program counts for itself and shows its counters in
//! the registry here; what is not counted but is so at one moment is asked for when Prometheus asks.

mod experiments;
mod moment;
mod process;
mod server;

use std::sync::Arc;

use mymonit_logging::LogstashStatistics;
use mymonit_rabbit_listener::{ConsumerState, IngestCounters};
use mymonit_rest_listener::RequestMetrics;
use mymonit_services::ReadinessProbe;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::container::PoolWatch;

pub(crate) use experiments::{ExperimentActivity, WatchingIngestObserver, WatchingIngestObserverParameters};
pub(crate) use server::{Metrics, bind};

/// Everything that is shown.
pub(crate) struct Sources {
    pub(crate) requests: RequestMetrics,
    pub(crate) ingest: Arc<IngestCounters>,
    pub(crate) experiments: Arc<ExperimentActivity>,
    pub(crate) consumer: watch::Receiver<ConsumerState>,
    pub(crate) pool: PoolWatch,
    pub(crate) logstash: Option<Arc<LogstashStatistics>>,
    pub(crate) probes: Arc<[Arc<dyn ReadinessProbe>]>,
}

impl Sources {
    /// Puts all of it into a registry.
    pub(crate) fn metrics(self) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        let own = registry.sub_registry_with_prefix("mymonit");
        own.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        self.requests.register(own);
        self.ingest.register(own);
        own.register_collector(Box::new(self.experiments));
        let moment = moment::Moment { consumer: self.consumer, pool: self.pool, logstash: self.logstash };
        own.register_collector(Box::new(moment));
        Metrics::new(registry, self.probes)
    }
}
