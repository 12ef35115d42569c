use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mymonit_model::Faceted;
use mymonit_rabbit_listener::{
    ConsumerState, IngestCounters, RabbitConfiguration, RabbitListener, RabbitListenerError, compose_uri,
};
use mymonit_test_support::wait_until;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ingest::ScriptedIngest;

/// The time limit for expected events.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);
/// A linger that does not pass during a test.
pub(crate) const NEVER: Duration = Duration::from_secs(3_600);

/// The defaults for a broker that is at that address.
pub(crate) fn configuration(url: &str) -> RabbitConfiguration {
    let uri = compose_uri(url, "guest", &Faceted::new("guest".to_owned())).unwrap();
    RabbitConfiguration::new(uri)
}

/// A listener under test.
pub(crate) struct Running {
    pub(crate) counters: Arc<IngestCounters>,
    state: watch::Receiver<ConsumerState>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RabbitListenerError>>,
}

impl Running {
    /// Starts a listener, even if the broker is unreachable.
    pub(crate) fn start(configuration: RabbitConfiguration, ingest: &Arc<ScriptedIngest>) -> Self {
        let listener = RabbitListener::new(configuration, ingest.clone());
        let (state, counters) = (listener.state(), listener.counters());
        let stop = CancellationToken::new();
        Self { counters, state, task: tokio::spawn(listener.run(stop.clone())), stop }
    }

    /// Starts a listener and waits until it consumes.
    pub(crate) async fn consuming(
        configuration: RabbitConfiguration,
        ingest: &Arc<ScriptedIngest>,
    ) -> anyhow::Result<Self> {
        let mut this = Self::start(configuration, ingest);
        this.until(ConsumerState::Consuming).await?;
        Ok(this)
    }

    pub(crate) fn state(&self) -> ConsumerState {
        *self.state.borrow()
    }

    pub(crate) async fn until(&mut self, state: ConsumerState) -> anyhow::Result<()> {
        let reached = timeout(TIMEOUT, self.state.wait_for(|seen| *seen == state)).await;
        reached.with_context(|| format!("awaited {state:?}"))??;
        Ok(())
    }

    /// Waits until its state differs.
    pub(crate) async fn until_not(&mut self, state: ConsumerState) -> anyhow::Result<()> {
        let left = timeout(TIMEOUT, self.state.wait_for(|seen| *seen != state)).await;
        left.with_context(|| format!("awaited anything but {state:?}"))??;
        Ok(())
    }

    /// Waits until that many messages have come in.
    pub(crate) async fn received(&self, messages: u64) -> anyhow::Result<()> {
        let look = async || match self.counters.received() {
            received if received >= messages => Ok(()),
            received => Err(received),
        };
        wait_until(&format!("{messages} messages received"), TIMEOUT, look).await
    }

    /// Requests its end, without waiting.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Shuts it down gracefully.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        timeout(TIMEOUT, self.task).await.context("it does not end")???;
        anyhow::ensure!(*self.state.borrow() == ConsumerState::Stopped);
        Ok(())
    }

    /// Aborts it like a crash: nothing more is written, acknowledged or logged.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
