//! `mymonit serve`: builds the components and runs the listeners side by side.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mymonit_auth::TokenMetrics;
use mymonit_logging::LogstashStatistics;
use mymonit_model::Timestamp;
use mymonit_rabbit_listener::{RabbitConfiguration, RabbitListener, report_throughput};
use mymonit_rest_listener::{HealthState, Limits, Page, RequestMetrics};
use mymonit_services::example_data::{self, ExampleData};
use mymonit_services::{ReadinessProbe, RejectedQuota};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::stop_signal::stop_signal;
use crate::configuration::{AuthConfiguration, Configuration};
use crate::container::{ClientServices, IngestRules, IngestServices, Storage, auth_module};
use crate::descriptors::max_clients;
use crate::metrics::{IngestSources, Metrics, Sources};
use crate::sealing::SealingMetrics;
use crate::tasks::Tasks;
use crate::{maintenance, page, sealing};

/// How long after the start clients wait for the preparation of the database; less than the timeout
/// of `mymonit healthcheck`. A proxy cannot send a rejected POST to another process.
const PREPARATION_WAIT: Duration = Duration::from_secs(4);
/// How long open requests may take during a graceful shutdown.
const FINISH_WITHIN: Duration = Duration::from_secs(8);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If the configuration is wrong, an address cannot be listened on, or a task fails permanently.
/// While database or broker are unreachable, the service runs and is not ready.
pub(super) async fn serve(
    configuration: Configuration,
    logstash: Option<Arc<LogstashStatistics>>,
) -> anyhow::Result<()> {
    warn_of_insecure_modes(&configuration);
    let addresses = (configuration.rest.address.bind().await?, configuration.metrics.bind().await?);
    let service = Service::build(configuration, logstash)?;
    info!(address = %addresses.0.local_addr()?, "{} listens", service.name);
    info!(address = %addresses.1.local_addr()?, "metrics listener listens");
    service.run(addresses, stop_signal()?).await
}

/// The components of the service.
struct Service {
    /// The name of the server on the REST address, for logs.
    name: &'static str,
    router: Router,
    metrics: Metrics,
    ingest: Option<Ingest>,
    storage: Storage,
    examples: Vec<ExampleData>,
    dedup_window: Duration,
    seal_after: Option<Duration>,
    sealing: SealingMetrics,
}

impl Service {
    fn build(
        configuration: Configuration,
        logstash: Option<Arc<LogstashStatistics>>,
    ) -> anyhow::Result<Self> {
        let Configuration { listeners, rest, .. } = configuration;
        let storage = Storage::open(configuration.database)?;
        let max_message_bytes = configuration.rabbit.max_message_bytes;
        let rules = IngestRules {
            quota: Arc::new(RejectedQuota::new(configuration.rejected_max_bytes)),
            require_user_id: configuration.require_user_id,
        };
        let ingest = listeners.rabbit.then(|| Ingest::new(configuration.rabbit, &storage, rules));
        let probes: Arc<[_]> =
            [storage.probe()].into_iter().chain(ingest.as_ref().map(Ingest::probe)).collect();
        let (requests, tokens) = (RequestMetrics::default(), TokenMetrics::default());
        let health = HealthState {
            probes: probes.clone(),
            metrics: requests.clone(),
            trusted_proxies: rest.trusted_proxies,
            limits: Limits::default(),
        };
        let (name, router) = match configuration.auth.zip(configuration.page).filter(|_| listeners.rest) {
            Some((auth, page)) => {
                let page = Page::new(page::sign_in(page, &auth, storage.users())?, &rest.address.host);
                let auth = auth_module(auth, tokens.clone())?;
                let services = ClientServices::build(
                    &storage,
                    auth,
                    max_message_bytes,
                    rest.api_token_max_days,
                    configuration.max_sign_in_age,
                    rest.user_rate,
                );
                let router = mymonit_rest_listener::router(services.with(health, page), rest.cors_origins);
                ("REST listener", router)
            }
            None => ("health listener", mymonit_rest_listener::health_router(health)),
        };
        let sealing = SealingMetrics::default();
        let metrics = Sources {
            sealing: configuration.seal_after.map(|_| sealing.clone()),
            listeners,
            requests,
            tokens,
            ingest: ingest.as_ref().map(Ingest::sources),
            pool: storage.database().clone(),
            logstash,
            probes,
        }
        .metrics();
        let mut examples = Vec::new();
        if configuration.example_data {
            examples.push(example_data::example_data()?);
        }
        if configuration.evaluation {
            examples.push(example_data::oven(Timestamp::now())?);
        }
        let Configuration { dedup_window, seal_after, .. } = configuration;
        Ok(Self { name, router, metrics, ingest, storage, examples, dedup_window, seal_after, sealing })
    }

    async fn run(
        self,
        (rest, metrics): (TcpListener, TcpListener),
        stop_signal: impl Future<Output = &'static str>,
    ) -> anyhow::Result<()> {
        let (stop, prepared) = (CancellationToken::new(), CancellationToken::new());
        let consumer = self.ingest.as_ref().map(|ingest| ingest.listener.state());
        let counters = self.ingest.as_ref().map(|ingest| ingest.listener.counters());
        let mut tasks = Tasks::new(stop.clone());
        tasks.start(self.name, serve_clients(rest, self.router, prepared.clone(), stop.clone()));
        if let Some(ingest) = self.ingest {
            ingest.start(&mut tasks, &stop);
        }
        tasks.start("metrics listener", self.metrics.serve(metrics, stop.clone()));
        if let Some(age) = self.seal_after {
            let sealer = self.storage.sealer();
            tasks.start("sealing", sealing::start(sealer, age, counters, self.sealing, stop.clone()));
        }
        let maintenance =
            maintenance::run(self.storage, self.examples, self.dedup_window, consumer, prepared, stop);
        tasks.start("storage maintenance", maintenance);
        tasks.run_until(stop_signal).await
    }
}

/// The Rabbit listener and its services.
struct Ingest {
    listener: RabbitListener,
    services: IngestServices,
}

impl Ingest {
    fn new(configuration: RabbitConfiguration, storage: &Storage, rules: IngestRules) -> Self {
        let services = IngestServices::build(storage, rules);
        Self { listener: RabbitListener::new(configuration, services.ingest.clone()), services }
    }

    fn probe(&self) -> Arc<dyn ReadinessProbe> {
        Arc::new(self.listener.probe())
    }

    fn sources(&self) -> IngestSources {
        IngestSources {
            counters: self.listener.counters(),
            consumer: self.listener.state(),
            experiments: self.services.activity.clone(),
            quota: self.services.quota.clone(),
        }
    }

    fn start(self, tasks: &mut Tasks, stop: &CancellationToken) {
        let Self { listener, services } = self;
        let (counters, report_until) = (listener.counters(), stop.clone());
        tasks.start("Rabbit listener", listener.run(stop.clone()));
        tasks.start("throughput report", async move {
            report_throughput(&counters, &*services.audit, &report_until).await;
            anyhow::Ok(())
        });
    }
}

fn warn_of_insecure_modes(configuration: &Configuration) {
    if configuration.evaluation {
        warn!("EVALUATION MODE: own tokens, example data, no protection. Not for production.");
        let host = configuration.rest.address.host.as_str();
        if !is_loopback(host) {
            warn!(host, "evaluation mode reachable from other machines; any client can impersonate any user");
        }
    }
    if let Some(AuthConfiguration::Emulator { project_id, host }) = &configuration.auth {
        warn!(
            project_id = project_id.project_id().as_str(),
            host,
            "UNSIGNED tokens of the Firebase Auth emulator accepted; any client can impersonate any user"
        );
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// Accepts clients after the first attempt to prepare the database, successful or not. After
/// `stop`, a response that takes longer than [`FINISH_WITHIN`] is aborted.
async fn serve_clients(
    listener: TcpListener,
    router: Router,
    prepared: CancellationToken,
    stop: CancellationToken,
) -> std::io::Result<()> {
    tokio::select! {
        () = prepared.cancelled() => {}
        () = sleep(PREPARATION_WAIT) => {}
        () = stop.cancelled() => {}
    }
    let overdue = async {
        stop.cancelled().await;
        sleep(FINISH_WITHIN).await;
    };
    let limits = Limits::default();
    let limits = Limits { connections: limits.connections.min(max_clients()), ..limits };
    tokio::select! {
        ended = mymonit_rest_listener::serve(listener, router, limits, stop.clone()) => ended,
        () = overdue => {
            warn!("open requests aborted at shutdown");
            Ok(())
        }
    }
}
