use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use mymonit_services::message::{Rejection, RejectionReason};
use mymonit_services::ports::{IngestOutcome, StorageError};
use mymonit_services::{Delivery, IngestService, with_sources};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, info_span, warn};

use crate::IngestCounters;
use crate::batch::Batch;
use crate::log_throttle::LogThrottle;
use crate::state::StateTracker;

/// At most 1 s with jitter: a database is used again within a second of its return.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_millis(500))
    .with_jitter()
    .without_max_times();
/// Between two checks whether rejected messages were discarded.
const PAUSE: Duration = Duration::from_secs(1);
/// Slower writes make the consumer not ready.
const SLOW: Duration = Duration::from_secs(10);

/// Writes batches: retries while the database is unavailable, and bisects a batch whose data the
/// database refuses.
pub(crate) struct Writer {
    ingest: Arc<dyn IngestService>,
    state: Arc<StateTracker>,
    counters: Arc<IngestCounters>,
    unavailable_log: Mutex<LogThrottle>,
    refused_log: Mutex<LogThrottle>,
}

impl Writer {
    pub(crate) fn new(
        ingest: Arc<dyn IngestService>,
        state: Arc<StateTracker>,
        counters: Arc<IngestCounters>,
    ) -> Self {
        Self { ingest, state, counters, unavailable_log: Mutex::default(), refused_log: Mutex::default() }
    }

    /// Returns the batch with the outcome of each message once it is committed; `None` if it failed
    /// after `give_up` was cancelled.
    ///
    /// Must not be dropped before it ends: the database call would continue.
    pub(crate) async fn write(
        &self,
        mut batch: Batch,
        give_up: CancellationToken,
    ) -> Option<(Batch, Vec<IngestOutcome>)> {
        let span = info_span!("batch", messages = batch.deliveries.len(), bytes = batch.bytes());
        async {
            let began = Instant::now();
            let outcomes = self.bisect(&mut batch.deliveries, &give_up).await;
            let duration_ms = began.elapsed().as_secs_f64() * 1000.0;
            let Some(outcomes) = outcomes else {
                debug!(outcome = "failure", duration_ms, "batch given up");
                return None;
            };
            self.counters.count_committed(&batch.deliveries, &outcomes, began);
            debug!(outcome = "success", duration_ms, "batch written");
            Some((batch, outcomes))
        }
        .instrument(span)
        .await
    }

    /// Halves a batch whose data the database refuses until the refused message is alone, and
    /// rejects that one. The parts are written in order.
    async fn bisect(
        &self,
        deliveries: &mut [Delivery],
        give_up: &CancellationToken,
    ) -> Option<Vec<IngestOutcome>> {
        let mut outcomes = Vec::with_capacity(deliveries.len());
        let whole = 0..deliveries.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            match self.retry(&mut deliveries[part.clone()], give_up).await? {
                Ok(committed) => outcomes.extend(committed),
                Err(RefusedData) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err(RefusedData) => {
                    deliveries[part.start].decoded = Err(Rejection::refused_by_database());
                    self.log_refused();
                    parts.push(part);
                }
            }
        }
        Some(outcomes)
    }

    async fn retry(
        &self,
        deliveries: &mut [Delivery],
        give_up: &CancellationToken,
    ) -> Option<Result<Vec<IngestOutcome>, RefusedData>> {
        let mut delays = RETRY.build();
        loop {
            let why = match self.ingest(deliveries).await {
                Ok(outcomes) => {
                    self.set_available();
                    return Some(Ok(outcomes));
                }
                // Neither its measures nor the message itself can be stored: only retrying keeps
                // it.
                Err(StorageError::Data(_)) if is_one_rejected_message(deliveries) => {
                    "the database refuses to store a rejected message".to_owned()
                }
                Err(StorageError::Data(_)) => return Some(Err(RefusedData)),
                Err(error @ StorageError::RejectedFull) => {
                    self.set_rejected_full(&error.to_string());
                    give_up.run_until_cancelled(sleep(PAUSE)).await?;
                    continue;
                }
                Err(StorageError::Unavailable(cause) | StorageError::Internal(cause)) => {
                    with_sources(cause.as_ref())
                }
                Err(error @ (StorageError::Conflict(_) | StorageError::TooManySensors(_))) => {
                    error.to_string()
                }
            };
            self.counters.count_failure();
            self.set_unavailable(&why);
            let delay = delays.next().unwrap_or_default();
            give_up.run_until_cancelled(sleep(delay)).await?;
        }
    }

    async fn ingest(&self, deliveries: &mut [Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        let mut ingest = pin!(self.ingest.ingest(deliveries));
        if let Ok(outcomes) = timeout(SLOW, &mut ingest).await {
            return outcomes;
        }
        self.set_unavailable("a write takes longer than 10 s");
        ingest.await
    }

    fn set_unavailable(&self, why: &str) {
        self.state.set_database_available(false);
        if lock(&self.unavailable_log).allows(why, Instant::now()) {
            warn!(why, "storing failed; retrying the batch");
        }
    }

    fn set_rejected_full(&self, why: &str) {
        self.state.set_rejected_full(true);
        if lock(&self.unavailable_log).allows(why, Instant::now()) {
            warn!(why, "consumption paused; discard or replay rejected messages");
        }
    }

    fn set_available(&self) {
        self.state.set_database_available(true);
        self.state.set_rejected_full(false);
        if lock(&self.unavailable_log).reset() {
            info!("storing again");
        }
    }

    fn log_refused(&self) {
        if lock(&self.refused_log).allows("", Instant::now()) {
            // Without the cause: databases repeat the values that they refuse.
            error!(
                reason = RejectionReason::InvalidValue.code(),
                "the database refused a valid message; it is kept as rejected"
            );
        }
    }
}

/// The database will never accept the data.
struct RefusedData;

fn is_one_rejected_message(deliveries: &[Delivery]) -> bool {
    matches!(deliveries, [Delivery { decoded: Err(_), .. }])
}

fn lock(throttle: &Mutex<LogThrottle>) -> MutexGuard<'_, LogThrottle> {
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::sync::Notify;

    use super::*;
    use crate::ConsumerState;
    use crate::batch::tests::batch;

    /// A database that answers when it is notified.
    #[derive(Default)]
    struct Hanging(Notify);

    #[async_trait]
    impl IngestService for Hanging {
        async fn ingest(&self, deliveries: &mut [Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
            self.0.notified().await;
            Ok(vec![IngestOutcome::Stored; deliveries.len()])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_write_makes_the_consumer_not_ready_and_is_not_cancelled() {
        let (ingest, tracker) = (Arc::new(Hanging::default()), Arc::new(StateTracker::new()));
        tracker.set_broker(ConsumerState::Consuming);
        let mut state = tracker.watch();
        let writer = Writer::new(ingest.clone(), tracker, Arc::default());
        let batch = batch("").await;
        let writing = tokio::spawn(async move { writer.write(batch, CancellationToken::new()).await });
        // The paused clock advances while everything waits.
        state.wait_for(|state| *state == ConsumerState::WaitingForDatabase).await.unwrap();
        ingest.0.notify_one();
        assert!(writing.await.unwrap().is_some());
        assert_eq!(*state.borrow(), ConsumerState::Consuming);
    }
}
