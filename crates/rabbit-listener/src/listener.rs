use std::sync::Arc;
use std::time::{Duration, Instant};

use mymonit_services::IngestService;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::complaint::Complaint;
use crate::session::{Consuming, Session};
use crate::state::StateBoard;
use crate::trouble::Trouble;
use crate::writer::Writer;
use crate::{ConsumerProbe, ConsumerState, IngestCounters, RabbitConfiguration, RabbitListenerError};

/// The first wait is short, for a broker that closed a single connection; the longest one lets a broker that is back,
/// or that has been mended, be noticed within seconds.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);

/// The AMQP door: consumes the queue of specification §4 into the ingest service, for as long as it is let.
pub struct RabbitListener {
    configuration: RabbitConfiguration,
    ingest: Arc<dyn IngestService>,
    state: Arc<StateBoard>,
    counters: Arc<IngestCounters>,
}

impl RabbitListener {
    /// Prepares a listener; nothing is connected yet.
    pub fn new(configuration: RabbitConfiguration, ingest: Arc<dyn IngestService>) -> Self {
        Self { configuration, ingest, state: Arc::new(StateBoard::new()), counters: Arc::default() }
    }

    /// What the consumer is doing, now and from now on.
    pub fn state(&self) -> watch::Receiver<ConsumerState> {
        self.state.watch()
    }

    /// The part `consumer` of the readiness check.
    pub fn probe(&self) -> ConsumerProbe {
        ConsumerProbe(self.state())
    }

    /// What has come in; goes on counting while the listener runs.
    pub fn counters(&self) -> Arc<IngestCounters> {
        self.counters.clone()
    }

    /// Consumes until `shutdown` is cancelled; then writes and acknowledges the batch in hand and returns, within
    /// [`crate::STOP_LIMIT`].
    ///
    /// # Errors
    /// Only where the configuration can never work. A broker or a database that is away or refuses is waited for.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RabbitListenerError> {
        self.configuration.check().inspect_err(|_| self.state.broker(ConsumerState::Stopped))?;
        let supervisor = Supervisor {
            writer: Arc::new(Writer::new(self.ingest, self.state.clone(), self.counters.clone())),
            configuration: self.configuration,
            state: self.state.clone(),
            counters: self.counters,
            backoff: Backoff::new(FIRST_RETRY, LAST_RETRY),
            complaint: Complaint::default(),
        };
        supervisor.run(&shutdown).await;
        self.state.broker(ConsumerState::Stopped);
        Ok(())
    }
}

/// Makes a new session whenever one has ended.
struct Supervisor {
    configuration: RabbitConfiguration,
    writer: Arc<Writer>,
    state: Arc<StateBoard>,
    counters: Arc<IngestCounters>,
    backoff: Backoff,
    complaint: Complaint,
}

impl Supervisor {
    async fn run(mut self, shutdown: &CancellationToken) {
        loop {
            let Some(opened) = shutdown.run_until_cancelled(Session::open(&self.configuration)).await else {
                return;
            };
            let ended = match opened {
                Ok(session) => self.consume(session, shutdown).await,
                Err(trouble) => Err(trouble),
            };
            let Err(trouble) = ended else { return };
            self.say(&trouble);
            if shutdown.run_until_cancelled(sleep(self.backoff.delay())).await.is_none() {
                return;
            }
        }
    }

    async fn consume(&mut self, session: Session, shutdown: &CancellationToken) -> Result<(), Trouble> {
        let RabbitConfiguration { queue, prefetch, .. } = &self.configuration;
        info!(queue, prefetch, "consuming");
        self.state.broker(ConsumerState::Consuming);
        let began = Instant::now();
        let consuming = Consuming::new(
            session,
            self.writer.clone(),
            self.counters.clone(),
            &self.configuration,
            &self.state,
        );
        let ended = consuming.run(shutdown).await;
        // A session that ends again and again as soon as it begins is no reason to hurry, nor to say it each time.
        if began.elapsed() > LAST_RETRY {
            self.backoff.reset();
            self.complaint.settle();
        }
        ended
    }

    fn say(&mut self, trouble: &Trouble) {
        let refused = trouble.is_refusal();
        self.state.broker(if refused { ConsumerState::Refused } else { ConsumerState::Connecting });
        let why = trouble.to_string();
        if !self.complaint.is_worth_saying(&why, Instant::now()) {
            return;
        }
        if refused {
            error!(why, "not consuming; trying again and again until it is mended");
        } else {
            warn!(why, "not consuming; connecting again");
        }
    }
}
