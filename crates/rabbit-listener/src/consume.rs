use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::ReadyChunks;
use lapin::message::Delivery as Message;
use lapin::options::BasicCancelOptions;
use lapin::types::ShortString;
use lapin::{Consumer, Result as LapinResult};
use mymonit_broker::BrokerConnection;
use mymonit_model::Timestamp;
use tokio::task::{JoinHandle, coop};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::acknowledge::acknowledge;
use crate::batch::{Arrival, Batch, BatchLimits};
use crate::connect::connect;
use crate::guard::Guard;
use crate::replies::Replier;
use crate::session_error::SessionError;
use crate::state::StateTracker;
use crate::write::Writer;
use crate::{ConsumerState, IngestCounters, RabbitConfiguration, STOP_LIMIT};

/// Messages taken from lapin at once.
const CHUNK: usize = 256;
/// Pause after lapin had no more deliveries. Waking up for each message of a busy queue costs more
/// than processing it.
const PAUSE: Duration = Duration::from_millis(1);

/// One connection with one channel and one consumer. It ends with the first error of any of them;
/// delivery tags are valid only on their channel.
pub(crate) struct Session {
    connection: BrokerConnection,
    guard: Guard,
    consumer: ReadyChunks<Consumer>,
    consumer_tag: ShortString,
    writer: Arc<Writer>,
    replier: Replier,
    counters: Arc<IngestCounters>,
    limits: BatchLimits,
    last_tag: u64,
    paused_until: Instant,
    /// Messages that wait for a batch; the prefetch bounds them.
    backlog: VecDeque<Arrival>,
    batch: Option<Batch>,
    /// The batch under way, returned once it is committed.
    write: Option<JoinHandle<Option<Batch>>>,
    /// Ends the retries of the write.
    give_up: CancellationToken,
}

impl Session {
    /// Connects and starts to consume.
    pub(crate) async fn open(
        configuration: &RabbitConfiguration,
        writer: &Arc<Writer>,
        counters: &Arc<IngestCounters>,
    ) -> Result<Self, SessionError> {
        let (connection, guard, consumer) = connect(configuration).await?;
        Ok(Self {
            connection,
            guard,
            consumer_tag: consumer.tag(),
            consumer: consumer.ready_chunks(CHUNK),
            writer: writer.clone(),
            replier: Replier::start(configuration, counters),
            counters: counters.clone(),
            limits: BatchLimits::of(configuration),
            last_tag: 0,
            paused_until: Instant::now(),
            backlog: VecDeque::new(),
            batch: None,
            write: None,
            give_up: CancellationToken::new(),
        })
    }

    /// Consumes until `shutdown` is cancelled, which is no error, or until the session breaks.
    ///
    /// No write is under way when it returns, or the next session could write the same batch at the
    /// same time. After [`STOP_LIMIT`] one may be, but then there is no next session.
    pub(crate) async fn run(
        mut self,
        state: &StateTracker,
        shutdown: &CancellationToken,
    ) -> Result<(), SessionError> {
        if let Err(error) = self.consume(shutdown).await {
            state.set_broker(ConsumerState::Connecting);
            self.abandon(shutdown).await;
            return Err(error);
        }
        match timeout(STOP_LIMIT, self.drain()).await {
            Ok(Ok(())) => info!("consuming stopped"),
            Ok(Err(error)) => {
                let why = error.to_string();
                warn!(why, "broker lost during the stop; it may deliver the last messages again");
            }
            Err(_) => {
                warn!("stopped before everything was written; the broker delivers the rest again");
                // The current write holds the replier, and the time limit of the stop is over.
                return Ok(());
            }
        }
        self.replier.stop().await;
        Ok(())
    }

    async fn consume(&mut self, shutdown: &CancellationToken) -> Result<(), SessionError> {
        let mut stopping = std::pin::pin!(shutdown.cancelled());
        loop {
            self.fill_batch().await?;
            let is_idle = self.write.is_none();
            let due = self.batch.as_ref().map(|batch| batch.due(&self.limits));
            if is_idle && due.is_some_and(|due| due <= Instant::now()) {
                self.start_write();
                continue;
            }
            tokio::select! {
                biased;
                () = &mut stopping => return Ok(()),
                written = written(&mut self.write) => tokio::select! {
                    biased;
                    acknowledged = acknowledge(written?) => acknowledged?,
                    // The acknowledgement is queued; the time left is for the next batch.
                    () = &mut stopping => return Ok(()),
                },
                // Also while batch and backlog are full: a broken session is noticed during a long
                // write.
                chunk = next_chunk(&mut self.consumer, self.paused_until) => self.receive(chunk)?,
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if is_idle && due.is_some() => {}
            }
        }
    }

    fn receive(&mut self, chunk: Option<Vec<LapinResult<Message>>>) -> Result<(), SessionError> {
        let (received_at, arrived) = (Timestamp::now(), Instant::now());
        let chunk = chunk.ok_or(SessionError::Cancelled)?;
        if chunk.len() < CHUNK {
            self.paused_until = arrived + PAUSE;
        }
        for message in chunk {
            let message = message.map_err(SessionError::Lost)?;
            // The broker numbers the deliveries of a channel 1, 2, 3. An acknowledgement covers all
            // numbers up to its own, so it would lose a message that was left out.
            self.last_tag += 1;
            let guarded = self.guard.deliveries.try_recv().ok();
            let guarded = guarded.filter(|_| message.delivery_tag == self.last_tag);
            let guarded = guarded.ok_or(SessionError::Gap)?;
            self.counters.count_received();
            self.backlog.push_back(Arrival::new(message, guarded, received_at, arrived));
        }
        Ok(())
    }

    async fn fill_batch(&mut self) -> Result<(), SessionError> {
        while self.batch.as_ref().is_none_or(|batch| !batch.is_full(&self.limits))
            && let Some(arrival) = self.backlog.pop_front()
        {
            let decoded =
                arrival.decode(self.limits.message_bytes).await.map_err(|_| SessionError::Panicked)?;
            match &mut self.batch {
                Some(batch) => batch.push(decoded),
                None => self.batch = Some(Batch::of(decoded)),
            }
            // A long backlog yields the thread.
            coop::consume_budget().await;
        }
        Ok(())
    }

    fn start_write(&mut self) {
        if let Some(batch) = self.batch.take() {
            let (writer, give_up) = (self.writer.clone(), self.give_up.clone());
            let replies = self.replier.replies().clone();
            // A task runs to its end even if the session is dropped.
            self.write = Some(tokio::spawn(async move {
                let (batch, outcomes) = writer.write(batch, give_up).await?;
                replies.send(&batch.deliveries, &outcomes);
                Some(batch)
            }));
        }
    }

    /// Writes and acknowledges the batches that have begun. The broker delivers the backlog again.
    async fn drain(&mut self) -> Result<(), SessionError> {
        // One attempt is enough: a batch that cannot be written now will be delivered again.
        self.give_up.cancel();
        // From here on the guard discards deliveries.
        self.guard.memory.close();
        let channel = self.connection.channel.clone();
        let cancel = channel.basic_cancel(self.consumer_tag.clone(), BasicCancelOptions { nowait: false });
        let (cancelled, written) = tokio::join!(cancel, self.write_rest());
        written?;
        cancelled.map_err(SessionError::Lost)?;
        // The reply to the close confirms that earlier acknowledgements have arrived.
        channel.close(200, "OK".into()).await.map_err(SessionError::Lost)?;
        self.connection.connection.close(200, "OK".into()).await.map_err(SessionError::Lost)
    }

    /// Ends with the first batch that is not written: the acknowledgement of a later one would
    /// cover it.
    async fn write_rest(&mut self) -> Result<(), SessionError> {
        loop {
            if self.write.is_some() {
                acknowledge(written(&mut self.write).await?).await?;
            }
            if self.batch.is_none() {
                return Ok(());
            }
            self.start_write();
        }
    }

    /// Waits for the current write. It can no longer be acknowledged.
    async fn abandon(&mut self, shutdown: &CancellationToken) {
        self.give_up.cancel();
        if self.write.is_none() {
            return;
        }
        let limit = async {
            shutdown.cancelled().await;
            sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            _ = written(&mut self.write) => {}
            () = limit => {}
        }
    }
}

/// Waits for the current write; never completes if there is none.
async fn written(write: &mut Option<JoinHandle<Option<Batch>>>) -> Result<Batch, SessionError> {
    let Some(task) = write else { return pending().await };
    let batch = task.await;
    *write = None;
    batch.map_err(|_| SessionError::Panicked)?.ok_or(SessionError::NotWritten)
}

async fn next_chunk(
    consumer: &mut ReadyChunks<Consumer>,
    not_before: Instant,
) -> Option<Vec<LapinResult<Message>>> {
    if not_before > Instant::now() {
        sleep_until(not_before.into()).await;
    }
    consumer.next().await
}
