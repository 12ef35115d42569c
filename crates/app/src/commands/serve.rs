//! `mymonit serve`: builds everything, runs the listeners side by side, and ends them together.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum::Router;
use mymonit_logging::LogstashStatistics;
use mymonit_rabbit_listener::{RabbitConfiguration, RabbitListener, tell_throughput};
use mymonit_rest_listener::{HealthState, Limits, Page, RequestMetrics};
use mymonit_services::ReadinessProbe;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::stop_signal::stop_signal;
use crate::cli;
use crate::configuration::{AuthConfiguration, Configuration, Environment, RestConfiguration};
use crate::container::{ClientServices, IngestServices, Storage, auth_module};
use crate::descriptors::room_for_clients;
use crate::{metrics, page, upkeep};

/// For how long after the start clients wait to be let in while the database is being prepared: not quite as long as `mymonit
/// healthcheck` waits for an answer. A proxy sends requests to whatever listens, and those that change something it may not send
/// to another process when this one is not ready to answer them.
const LET_IN_WITHIN: Duration = Duration::from_secs(4);
/// How long everything may take to end once it has been asked to: less than the 10 s of specification §1, so that the
/// log can still be sent.
const STOP_WITHIN: Duration = Duration::from_secs(9);
/// How long open requests may take of that.
const FINISH_WITHIN: Duration = Duration::from_secs(8);
/// What the parts get on top once all that has passed: to a process that stood still for a while the limits of its parts are over
/// at the same moment as its own, and then the parts still have to be let end.
const LAST_CHANCE: Duration = Duration::from_millis(400);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If the configuration is wrong, the address cannot be listened on, or a part fails for good. A database or a
/// broker that is away is no error: the service lives, says that it is not ready, and becomes ready by itself.
pub(crate) async fn serve(
    environment: &Environment,
    arguments: &cli::Serve,
    logstash: Option<Arc<LogstashStatistics>>,
) -> anyhow::Result<()> {
    let configuration = Configuration::read(environment, arguments)?;
    announce(&configuration);
    let Configuration { listeners, rest, .. } = configuration;
    let storage = Storage::open(configuration.database)?;
    let max_message_bytes = configuration.rabbit.max_message_bytes;
    let intake = listeners.rabbit.then(|| Intake::new(configuration.rabbit, &storage));
    let probes: Arc<[_]> = [storage.probe()].into_iter().chain(intake.as_ref().map(Intake::probe)).collect();
    let requests = RequestMetrics::default();
    let health = HealthState {
        probes: probes.clone(),
        metrics: requests.clone(),
        trusted_proxies: rest.trusted_proxies.clone(),
    };
    let (door, router) = match configuration.auth.zip(configuration.page).filter(|_| listeners.rest) {
        Some((auth, page)) => {
            let page = Page::new(page::sign_in(page, &auth, storage.users())?, &rest.host);
            let services = ClientServices::build(&storage, auth_module(auth)?, max_message_bytes);
            (
                "REST listener",
                mymonit_rest_listener::router(services.with(health, page), rest.cors_origins.clone()),
            )
        }
        // Whoever looks after the process asks here whether it is well.
        None => ("health listener", mymonit_rest_listener::health_router(health)),
    };
    let listener = bind(door, &rest).await?;
    let metrics_listener = metrics::bind(&configuration.metrics).await?;
    let metrics = metrics::Sources {
        listeners,
        requests,
        intake: intake.as_ref().map(Intake::source),
        pool: storage.pool(),
        logstash,
        probes,
    }
    .metrics();
    let consumer = intake.as_ref().map(|intake| intake.listener.state());

    let (stop, tried) = (CancellationToken::new(), CancellationToken::new());
    let mut parts = Parts::new(stop.clone());
    parts.start(door, answer(listener, router, tried.clone(), stop.clone()));
    if let Some(intake) = intake {
        intake.start(&mut parts, &stop);
    }
    parts.start("metrics", metrics.serve(metrics_listener, stop.clone()));
    parts.start(
        "storage upkeep",
        upkeep::run(storage, configuration.example_data, configuration.dedup_window, consumer, tried, stop),
    );
    parts.run_until(stop_signal()?).await
}

/// The Rabbit listener and what it needs.
struct Intake {
    listener: RabbitListener,
    services: IngestServices,
}

impl Intake {
    fn new(configuration: RabbitConfiguration, storage: &Storage) -> Self {
        let services = IngestServices::build(storage);
        Self { listener: RabbitListener::new(configuration, services.ingest.clone()), services }
    }

    fn probe(&self) -> Arc<dyn ReadinessProbe> {
        Arc::new(self.listener.probe())
    }

    fn source(&self) -> metrics::Intake {
        metrics::Intake {
            counters: self.listener.counters(),
            consumer: self.listener.state(),
            experiments: self.services.activity.clone(),
        }
    }

    fn start(self, parts: &mut Parts, stop: &CancellationToken) {
        let Self { listener, services } = self;
        let (counters, told_until) = (listener.counters(), stop.clone());
        parts.start("Rabbit listener", listener.run(stop.clone()));
        parts.start("throughput report", async move {
            tell_throughput(&counters, &*services.audit, &told_until).await;
            anyhow::Ok(())
        });
    }
}

fn announce(configuration: &Configuration) {
    if configuration.evaluation {
        warn!("EVALUATION MODE: own tokens, example data, no protection. Not for production.");
        let host = configuration.rest.host.as_str();
        if !is_this_machine(host) {
            warn!(
                host,
                "REST_HOST opens the evaluation mode to others: anybody who reaches it can be anybody"
            );
        }
    }
    if let Some(AuthConfiguration::Emulator { project_id, host }) = &configuration.auth {
        warn!(
            project_id = project_id.project_id().as_str(),
            host, "the Firebase Auth emulator's UNSIGNED tokens are accepted: anybody can be anybody"
        );
    }
}

/// Whether what listens there is reached from this machine only.
fn is_this_machine(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

async fn bind(door: &str, configuration: &RestConfiguration) -> anyhow::Result<TcpListener> {
    let RestConfiguration { host, port, .. } = configuration;
    let listener = TcpListener::bind((host.as_str(), *port))
        .await
        .with_context(|| format!("cannot listen on REST_HOST `{host}`, REST_PORT {port}"))?;
    info!(address = %listener.local_addr()?, "{door} listens");
    Ok(listener)
}

/// Lets clients in once it has been `tried` to prepare the database, whatever came of it; until then they wait outside. Answers
/// them until `stop`, and then for as long as open requests may take to end. An answer that takes longer is broken off, which its
/// client sees; a download of hours must not keep the service from stopping.
async fn answer(
    listener: TcpListener,
    router: Router,
    tried: CancellationToken,
    stop: CancellationToken,
) -> std::io::Result<()> {
    tokio::select! {
        () = tried.cancelled() => {}
        () = sleep(LET_IN_WITHIN) => {}
        () = stop.cancelled() => {}
    }
    let overdue = async {
        stop.cancelled().await;
        sleep(FINISH_WITHIN).await;
    };
    let limits = Limits::default();
    let limits = Limits { connections: limits.connections.min(room_for_clients()), ..limits };
    tokio::select! {
        ended = mymonit_rest_listener::serve(listener, router, limits, stop.clone()) => ended,
        () = overdue => {
            warn!("requests that were still open were broken off");
            Ok(())
        }
    }
}

/// The parts of the running service. They end together: one that fails takes the others along in good order.
struct Parts {
    running: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Parts {
    fn new(stop: CancellationToken) -> Self {
        Self { running: JoinSet::new(), stop }
    }

    fn start<E>(&mut self, name: &'static str, part: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: Into<anyhow::Error> + 'static,
    {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            let ended = part.await.map_err(|error| error.into().context(format!("the {name} failed")));
            // A part that ends before it is asked to has failed, whatever it says.
            if ended.is_ok() && !stop.is_cancelled() {
                Err(anyhow!("the {name} ended by itself"))
            } else {
                ended
            }
        });
    }

    async fn run_until(mut self, stop_signal: impl Future<Output = &'static str>) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            name = stop_signal => {
                info!(signal = name, "stopping");
                Ok(())
            }
            Some(ended) = self.running.join_next() => flatten(ended),
        };
        self.stop.cancel();
        let mut joined = pin!(self.join());
        let mut rest = timeout(STOP_WITHIN, &mut joined).await;
        if rest.is_err() {
            rest = timeout(LAST_CHANCE, joined).await;
        }
        let rest = rest.unwrap_or_else(|_| {
            Err(anyhow!("not everything ended within {} s of being asked to", STOP_WITHIN.as_secs()))
        });
        let outcome = outcome.and(rest);
        match &outcome {
            Ok(()) => info!("stopped"),
            Err(error) => error!("stopped: {error:#}"),
        }
        outcome
    }

    async fn join(&mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.running.join_next().await {
            outcome = outcome.and(flatten(ended));
        }
        outcome
    }
}

fn flatten(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<()> {
    ended.map_err(anyhow::Error::from)?
}
