use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mymonit_services::message::{Rejection, RejectionReason};
use mymonit_services::ports::{IngestOutcome, StorageError};
use mymonit_services::{Delivery, IngestService, with_sources};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error, info, info_span, warn};

use crate::IngestCounters;
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::complaint::Complaint;
use crate::settle::Written;
use crate::state::StateBoard;

/// The first wait is short, for a deadlock; the longest one lets a database that is back be noticed within a second.
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// A write that takes this long is none to be proud of, and none to be ready with.
const STALLED: Duration = Duration::from_secs(10);

/// Writes batches, for as long as it takes.
pub(crate) struct Writer {
    ingest: Arc<dyn IngestService>,
    state: Arc<StateBoard>,
    counters: Arc<IngestCounters>,
    complaint: Mutex<Complaint>,
    poison: Mutex<Complaint>,
}

impl Writer {
    pub(crate) fn new(
        ingest: Arc<dyn IngestService>,
        state: Arc<StateBoard>,
        counters: Arc<IngestCounters>,
    ) -> Self {
        Self { ingest, state, counters, complaint: Mutex::default(), poison: Mutex::default() }
    }

    /// Writes a batch. While the database cannot take it, it is tried again, until `give_up` is cancelled.
    ///
    /// Let this run to its end: a database call that is dropped half-way can leave its connection out of step.
    pub(crate) async fn write(&self, mut batch: Batch, give_up: CancellationToken) -> Written {
        let span = info_span!("batch", messages = batch.deliveries.len(), bytes = batch.bytes);
        async {
            let began = Instant::now();
            let outcomes = self.write_in_parts(&mut batch.deliveries, &give_up).await;
            let duration_ms = began.elapsed().as_secs_f64() * 1000.0;
            let Some(outcomes) = outcomes else {
                debug!(outcome = "failure", duration_ms, "the writing of a batch was given up");
                return Written::GivenUp;
            };
            self.counters.count_committed(&batch.deliveries, &outcomes, began);
            debug!(outcome = "success", duration_ms, "a batch was written");
            Written::Committed { outcomes, bytes: batch.bytes, last: batch.last }
        }
        .instrument(span)
        .await
    }

    /// Where the database refuses the data, halves the batch until the message that it refuses stands alone, and
    /// rejects that one. Parts are written in order.
    async fn write_in_parts(
        &self,
        deliveries: &mut [Delivery],
        give_up: &CancellationToken,
    ) -> Option<Vec<IngestOutcome>> {
        let mut outcomes = Vec::with_capacity(deliveries.len());
        let whole = 0..deliveries.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            match self.write_patiently(&deliveries[part.clone()], give_up).await? {
                Ok(written) => outcomes.extend(written),
                Err(Refused) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err(Refused) => {
                    deliveries[part.start].decoded = Err(Rejection::refused_by_database());
                    self.complain_of_poison();
                    parts.push(part);
                }
            }
        }
        Some(outcomes)
    }

    async fn write_patiently(
        &self,
        deliveries: &[Delivery],
        give_up: &CancellationToken,
    ) -> Option<Result<Vec<IngestOutcome>, Refused>> {
        let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
        loop {
            let why = match self.store(deliveries).await {
                Ok(outcomes) => {
                    self.working();
                    return Some(Ok(outcomes));
                }
                // A message that is refused even as a rejected one has nowhere left to go; it is kept by waiting.
                Err(StorageError::Data(_)) if is_one_rejected_message(deliveries) => {
                    "it refuses to keep a rejected message".to_owned()
                }
                Err(StorageError::Data(_)) => return Some(Err(Refused)),
                Err(StorageError::Unavailable(cause) | StorageError::Internal(cause)) => {
                    with_sources(cause.as_ref())
                }
                Err(error @ StorageError::Conflict(_)) => error.to_string(),
            };
            self.counters.count_failure();
            self.away(&why);
            if give_up.is_cancelled() {
                return None;
            }
            tokio::select! {
                () = give_up.cancelled() => return None,
                () = sleep(backoff.delay()) => {}
            }
        }
    }

    /// Never lets go of a write, but says when one takes long: "consuming" would no longer be true.
    async fn store(&self, deliveries: &[Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        let mut write = pin!(self.ingest.store(deliveries));
        if let Ok(written) = timeout(STALLED, &mut write).await {
            return written;
        }
        self.away("a write has been under way for ten seconds");
        write.await
    }

    fn away(&self, why: &str) {
        self.state.database(true);
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if complaint.is_worth_saying(why, Instant::now()) {
            warn!(why, "messages cannot be stored for now; the batch in hand is tried again and again");
        }
    }

    fn working(&self) {
        self.state.database(false);
        if self.complaint.lock().unwrap_or_else(PoisonError::into_inner).settle() {
            info!("messages can be stored again");
        }
    }

    fn complain_of_poison(&self) {
        let mut poison = self.poison.lock().unwrap_or_else(PoisonError::into_inner);
        if poison.is_worth_saying("", Instant::now()) {
            // Nothing of the cause: a database that refuses a value is likely to repeat it.
            error!(
                reason = RejectionReason::InvalidValue.code(),
                "the database refused a message that should have been fine; it is kept among the rejected ones"
            );
        }
    }
}

/// The database refuses the data of this part for good.
struct Refused;

fn is_one_rejected_message(deliveries: &[Delivery]) -> bool {
    matches!(deliveries, [Delivery { decoded: Err(_), .. }])
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use lapin::message::Delivery as Message;
    use mymonit_model::Timestamp;
    use mymonit_services::message::decode;
    use tokio::sync::Notify;

    use super::*;
    use crate::ConsumerState;

    /// A database that does not answer until it is told to.
    #[derive(Default)]
    struct Hanging(Notify);

    #[async_trait]
    impl IngestService for Hanging {
        async fn store(&self, deliveries: &[Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
            self.0.notified().await;
            Ok(vec![IngestOutcome::Stored; deliveries.len()])
        }
    }

    fn batch() -> Batch {
        let delivery = Delivery {
            message_id: None,
            received_at: Timestamp::now(),
            decoded: decode(b"", usize::MAX),
            body: bytes::Bytes::new(),
            properties: serde_json::Value::Null,
        };
        let last = Message::mock(1, "".into(), "".into(), false, Vec::new()).acker;
        Batch { deliveries: vec![delivery], bytes: 0, last }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_hangs_is_not_called_consuming_and_not_let_go_of() {
        let (ingest, board) = (Arc::new(Hanging::default()), Arc::new(StateBoard::new()));
        board.broker(ConsumerState::Consuming);
        let mut state = board.watch();
        let writer = Writer::new(ingest.clone(), board, Arc::default());
        let writing = tokio::spawn(async move { writer.write(batch(), CancellationToken::new()).await });
        // The clock runs by itself as soon as everything waits.
        state.wait_for(|state| *state == ConsumerState::WaitingForDatabase).await.unwrap();
        ingest.0.notify_one();
        assert!(matches!(writing.await.unwrap(), Written::Committed { .. }));
        assert_eq!(*state.borrow(), ConsumerState::Consuming);
    }
}
