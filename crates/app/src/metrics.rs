//! The metrics that Prometheus scrapes. Counters are registered here; gauges are read on scrape.

mod encoding;
mod experiments;
mod gauges;
mod process;
mod server;

use std::sync::Arc;

use mymonit_auth::TokenMetrics;
use mymonit_logging::LogstashStatistics;
use mymonit_rabbit_listener::{ConsumerState, IngestCounters};
use mymonit_rest_listener::RequestMetrics;
use mymonit_services::{ReadinessProbe, RejectedQuota};
use mymonit_storage::Database;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::configuration::Listeners;
use crate::experiment_activity::ExperimentActivity;
use crate::sealing::SealingMetrics;

pub(crate) use server::Metrics;

/// The sources of all metrics.
pub(crate) struct Sources {
    /// If this process seals.
    pub(crate) sealing: Option<SealingMetrics>,
    pub(crate) listeners: Listeners,
    pub(crate) requests: RequestMetrics,
    pub(crate) tokens: TokenMetrics,
    pub(crate) ingest: Option<IngestSources>,
    pub(crate) pool: Database,
    pub(crate) logstash: Option<Arc<LogstashStatistics>>,
    pub(crate) probes: Arc<[Arc<dyn ReadinessProbe>]>,
}

/// The metrics of the Rabbit listener.
pub(crate) struct IngestSources {
    pub(crate) counters: Arc<IngestCounters>,
    pub(crate) consumer: watch::Receiver<ConsumerState>,
    pub(crate) experiments: Arc<ExperimentActivity>,
    pub(crate) quota: Arc<RejectedQuota>,
}

impl Sources {
    /// Registers all of it.
    pub(crate) fn metrics(self) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        let own = registry.sub_registry_with_prefix("mymonit");
        own.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        register_listeners(self.listeners, own);
        self.requests.register(own);
        self.tokens.register(own);
        if let Some(sealing) = self.sealing {
            sealing.register(own);
        }
        let consumer = self.ingest.map(|IngestSources { counters, consumer, experiments, quota }| {
            counters.register(own);
            own.register_collector(Box::new(experiments::ExperimentCollector(experiments)));
            (consumer, quota)
        });
        let gauges = gauges::GaugeCollector { consumer, pool: self.pool, logstash: self.logstash };
        own.register_collector(Box::new(gauges));
        Metrics::new(registry, self.probes)
    }
}

/// Registers which listeners run, for an alert if a kind is missing.
fn register_listeners(Listeners { rest, rabbit }: Listeners, own: &mut Registry) {
    let family = Family::<[(&str, &str); 1], Gauge>::default();
    for (listener, runs) in [("rest", rest), ("rabbit", rabbit)] {
        if runs {
            family.get_or_create(&[("listener", listener)]).set(1);
        }
    }
    own.register("listener", "1 for each listener that this process runs", family);
}
