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
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::configuration::Listeners;
use crate::container::PoolWatch;

pub(crate) use experiments::{ExperimentActivity, WatchingIngestObserver, WatchingIngestObserverParameters};
pub(crate) use server::{Metrics, bind};

/// Everything that is shown.
pub(crate) struct Sources {
    pub(crate) listeners: Listeners,
    pub(crate) requests: RequestMetrics,
    pub(crate) intake: Option<Intake>,
    pub(crate) pool: PoolWatch,
    pub(crate) logstash: Option<Arc<LogstashStatistics>>,
    pub(crate) probes: Arc<[Arc<dyn ReadinessProbe>]>,
}

/// What is shown where the Rabbit listener runs.
pub(crate) struct Intake {
    pub(crate) counters: Arc<IngestCounters>,
    pub(crate) consumer: watch::Receiver<ConsumerState>,
    pub(crate) experiments: Arc<ExperimentActivity>,
}

impl Sources {
    /// Puts all of it into a registry.
    pub(crate) fn metrics(self) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        let own = registry.sub_registry_with_prefix("mymonit");
        own.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        register_listeners(self.listeners, own);
        self.requests.register(own);
        let consumer = self.intake.map(|Intake { counters, consumer, experiments }| {
            counters.register(own);
            own.register_collector(Box::new(experiments));
            consumer
        });
        let moment = moment::Moment { consumer, pool: self.pool, logstash: self.logstash };
        own.register_collector(Box::new(moment));
        Metrics::new(registry, self.probes)
    }
}

/// Shows which listeners run, so that somebody can be told when none of a kind does.
fn register_listeners(Listeners { rest, rabbit }: Listeners, own: &mut Registry) {
    let family = Family::<[(&str, &str); 1], Gauge>::default();
    for (listener, runs) in [("rest", rest), ("rabbit", rabbit)] {
        if runs {
            family.get_or_create(&[("listener", listener)]).set(1);
        }
    }
    own.register("listener", "1 for each listener that this process runs", family);
}
