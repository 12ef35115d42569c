use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use mymonit_services::IngestService;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::consume::Session;
use crate::log_throttle::LogThrottle;
use crate::session_error::SessionError;
use crate::state::StateTracker;
use crate::write::Writer;
use crate::{ConsumerProbe, ConsumerState, IngestCounters, RabbitConfiguration, RabbitListenerError};

/// At most 3 s with jitter: a broker is back within seconds of its return.
const RECONNECT: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_millis(1_500))
    .with_jitter()
    .without_max_times();
/// A session that lasted this long resets the backoff.
const STABLE: Duration = Duration::from_secs(3);

/// Consumes the queue into the ingest service until it is stopped.
pub struct RabbitListener {
    configuration: RabbitConfiguration,
    ingest: Arc<dyn IngestService>,
    state: Arc<StateTracker>,
    counters: Arc<IngestCounters>,
}

impl RabbitListener {
    /// Prepares a listener; nothing is connected yet.
    pub fn new(configuration: RabbitConfiguration, ingest: Arc<dyn IngestService>) -> Self {
        Self { configuration, ingest, state: Arc::new(StateTracker::new()), counters: Arc::default() }
    }

    /// The state of the consumer, now and later.
    pub fn state(&self) -> watch::Receiver<ConsumerState> {
        self.state.watch()
    }

    /// The part `consumer` of the readiness check.
    pub fn probe(&self) -> ConsumerProbe {
        ConsumerProbe(self.state())
    }

    /// The counters, which the running listener increments.
    pub fn counters(&self) -> Arc<IngestCounters> {
        self.counters.clone()
    }

    /// Consumes until `shutdown` is cancelled. Then it writes and acknowledges the batch in memory
    /// and returns, within [`crate::STOP_LIMIT`].
    ///
    /// # Errors
    /// Only if the configuration can never work. It retries while broker or database are
    /// unreachable or refuse.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), RabbitListenerError> {
        let Self { configuration, ingest, state, counters } = self;
        configuration.check().inspect_err(|_| state.set_broker(ConsumerState::Stopped))?;
        let writer = Arc::new(Writer::new(ingest, state.clone(), counters.clone()));
        let mut delays = RECONNECT.build();
        let mut throttle = LogThrottle::default();
        loop {
            let opened = Session::open(&configuration, &writer, &counters);
            let Some(opened) = shutdown.run_until_cancelled(opened).await else { break };
            let ended = match opened {
                Ok(session) => {
                    info!(queue = configuration.queue, prefetch = configuration.prefetch, "consuming");
                    state.set_broker(ConsumerState::Consuming);
                    let began = Instant::now();
                    let ended = session.run(&state, &shutdown).await;
                    if began.elapsed() > STABLE {
                        delays = RECONNECT.build();
                        throttle.reset();
                    }
                    ended
                }
                Err(error) => Err(error),
            };
            let Err(error) = ended else { break };
            state.set_broker(state_after(&error));
            log(&error, &mut throttle);
            let delay = delays.next().unwrap_or_default();
            if shutdown.run_until_cancelled(sleep(delay)).await.is_none() {
                break;
            }
        }
        state.set_broker(ConsumerState::Stopped);
        Ok(())
    }
}

const fn state_after(error: &SessionError) -> ConsumerState {
    if error.is_refusal() { ConsumerState::Refused } else { ConsumerState::Connecting }
}

fn log(error: &SessionError, throttle: &mut LogThrottle) {
    let why = error.to_string();
    if !throttle.allows(&why, Instant::now()) {
        return;
    }
    if error.is_refusal() {
        error!(why, "not consuming; retrying until the cause is fixed");
    } else {
        warn!(why, "not consuming; reconnecting");
    }
}
