use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery as Message;
use lapin::options::BasicCancelOptions;
use lapin::{Channel, Consumer};
use mymonit_model::Timestamp;
use tokio::task::{JoinHandle, coop};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::batch::{BatchLimits, Filling};
use crate::connection::{Link, connect};
use crate::receive::{Arrival, receive};
use crate::settle::{Written, settle};
use crate::state::StateBoard;
use crate::topology;
use crate::trouble::Trouble;
use crate::writer::Writer;
use crate::{ConsumerState, IngestCounters, RabbitConfiguration, STOP_LIMIT};

/// How long declaring and beginning to consume may take. A dead connection is noticed by the heartbeat before that.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);
/// Batches that are written at the same time. They are settled in order, however many.
const WRITES_IN_FLIGHT: usize = 1;
/// Messages that are taken over from lapin at once.
const AT_ONCE: usize = 256;
/// How long nothing is taken over once all has been. Without it, a busy queue would wake this task for each single
/// message, which costs more than all that is done with the message; a batch lingers for longer anyway.
const REST: Duration = Duration::from_millis(1);

/// One connection with one channel and one consumer. Whatever happens to one of them ends the session, and the
/// next one begins with nothing of it: delivery tags mean nothing outside of their channel.
pub(crate) struct Session {
    link: Link,
    channel: Channel,
    consumer: Consumer,
}

impl Session {
    /// Connects, declares and begins to consume.
    pub(crate) async fn open(configuration: &RabbitConfiguration) -> Result<Self, Trouble> {
        let link = connect(configuration).await?;
        let begin = async {
            let channel = link.connection.create_channel().await.map_err(Trouble::Lost)?;
            topology::declare(&channel, configuration).await?;
            let consumer = topology::consume(&channel, configuration).await?;
            Ok((channel, consumer))
        };
        let (channel, consumer) = timeout(BEGIN_LIMIT, begin)
            .await
            .unwrap_or_else(|_| Err(Trouble::Unreachable("it lets us in and does not answer".to_owned())))?;
        Ok(Self { link, channel, consumer })
    }
}

/// What a session does: arrivals wait in the backlog (which the prefetch bounds), fill a batch, are written, and are
/// acknowledged once they are committed.
pub(crate) struct Consuming {
    session: Session,
    writer: Arc<Writer>,
    counters: Arc<IngestCounters>,
    state: Arc<StateBoard>,
    max_message_bytes: usize,
    last_tag: u64,
    rest_until: Instant,
    backlog: VecDeque<Arrival>,
    filling: Filling,
    writes: FuturesOrdered<JoinHandle<Written>>,
    /// Ends the repetition of writes: what they write could no longer be acknowledged.
    give_up: CancellationToken,
}

impl Consuming {
    pub(crate) fn new(
        session: Session,
        writer: Arc<Writer>,
        counters: Arc<IngestCounters>,
        configuration: &RabbitConfiguration,
        state: &Arc<StateBoard>,
    ) -> Self {
        Self {
            session,
            writer,
            counters,
            state: state.clone(),
            max_message_bytes: configuration.max_message_bytes,
            last_tag: 0,
            rest_until: Instant::now(),
            backlog: VecDeque::new(),
            filling: Filling::new(BatchLimits::of(configuration)),
            writes: FuturesOrdered::new(),
            give_up: CancellationToken::new(),
        }
    }

    /// Consumes until `shutdown` is cancelled, which is no error, or until the session is broken.
    ///
    /// When it returns, no write is under way any more, so that a batch is not written at the same time by this
    /// session and, delivered again, by the next one; except after [`STOP_LIMIT`], when there is no next one.
    pub(crate) async fn run(mut self, shutdown: &CancellationToken) -> Result<(), Trouble> {
        match self.take_in(shutdown).await {
            Ok(()) => {
                if timeout(STOP_LIMIT, self.finish()).await.is_err() {
                    warn!("stopped before everything was written; the broker will deliver the rest again");
                }
                Ok(())
            }
            Err(trouble) => {
                self.state.broker(ConsumerState::Connecting);
                self.abandon(shutdown).await;
                Err(trouble)
            }
        }
    }

    async fn take_in(&mut self, shutdown: &CancellationToken) -> Result<(), Trouble> {
        let mut stopping = std::pin::pin!(shutdown.cancelled());
        loop {
            self.fill().await?;
            while self.hand_over() {
                self.fill().await?;
            }
            let may_write = self.writes.len() < WRITES_IN_FLIGHT;
            let due = self.filling.due();
            tokio::select! {
                biased;
                () = &mut stopping => return Ok(()),
                Some(written) = self.writes.next() => tokio::select! {
                    biased;
                    settled = self.settle(written) => settled?,
                    // The acknowledgement is on its way; whether it arrives is not worth the time that is left.
                    () = &mut stopping => return Ok(()),
                },
                // Also while batch and backlog are full, so that a broken session is noticed however long a write
                // takes. The prefetch is what stops the broker.
                next = next(&mut self.session.consumer, self.rest_until) => self.arrived(next)?,
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if may_write && due.is_some() => {}
            }
        }
    }

    /// Takes over what lapin has, and says what it says.
    fn arrived(&mut self, first: Option<lapin::Result<Message>>) -> Result<(), Trouble> {
        let (at, instant) = (Timestamp::now(), Instant::now());
        let mut next = Some(first);
        let mut left = AT_ONCE;
        while let Some(item) = next {
            let mut message = item.ok_or(Trouble::Cancelled)?.map_err(Trouble::Lost)?;
            self.check_tag(message.delivery_tag)?;
            // lapin lets a body grow by doubling; it may wait here for long.
            message.data.shrink_to_fit();
            self.counters.count_received();
            self.backlog.push_back(Arrival { message, at, instant });
            left -= 1;
            next = if left == 0 { return Ok(()) } else { self.session.consumer.next().now_or_never() };
        }
        self.rest_until = Instant::now() + REST;
        Ok(())
    }

    /// The broker numbers the deliveries of a channel 1, 2, 3. An acknowledgement stands for all numbers up to its own,
    /// so it would lose a message that had been left out on the way.
    fn check_tag(&mut self, tag: u64) -> Result<(), Trouble> {
        self.last_tag += 1;
        if tag == self.last_tag { Ok(()) } else { Err(Trouble::Gap) }
    }

    /// Fills the batch out of the backlog.
    async fn fill(&mut self) -> Result<(), Trouble> {
        while !self.filling.is_full()
            && let Some(Arrival { message, at, instant }) = self.backlog.pop_front()
        {
            let acker = message.acker.clone();
            let (delivery, bytes) = receive(message, at, &self.session.link.noted, self.max_message_bytes)
                .await
                .map_err(|_| Trouble::Panicked)?;
            self.filling.push(delivery, bytes, acker, instant);
            // Lets others have the thread now and then.
            coop::consume_budget().await;
        }
        Ok(())
    }

    /// Begins to write the batch, if it is time to and nothing else is being written; tells whether it did.
    fn hand_over(&mut self) -> bool {
        let is_time = self.filling.is_full() || self.filling.due().is_some_and(|due| due <= Instant::now());
        is_time && self.writes.len() < WRITES_IN_FLIGHT && self.write()
    }

    fn write(&mut self) -> bool {
        let Some(batch) = self.filling.take() else { return false };
        let (writer, give_up) = (self.writer.clone(), self.give_up.clone());
        // A task of its own runs to its end, whatever becomes of the session.
        self.writes.push_back(tokio::spawn(async move { writer.write(batch, give_up).await }));
        true
    }

    async fn settle(&self, written: Result<Written, tokio::task::JoinError>) -> Result<(), Trouble> {
        settle(written.map_err(|_| Trouble::Panicked)?, &self.session.link.gate).await
    }

    /// Stops in good order: what is in the batch is written and acknowledged; what waits in the backlog goes back to
    /// the broker untouched.
    async fn finish(&mut self) {
        // One try is enough: a batch that cannot be written now will be delivered again.
        self.give_up.cancel();
        // What still comes is dropped on arrival; the broker has it.
        self.session.link.gate.close();
        let (channel, tag) = (self.session.channel.clone(), self.session.consumer.tag());
        let cancel = channel.basic_cancel(tag, BasicCancelOptions { nowait: false });
        let (cancelled, written) = tokio::join!(cancel, self.write_rest());
        if cancelled.is_ok() && written.is_ok() {
            // Closing the channel is answered, and so tells that the acknowledgements before it have arrived.
            let closed = channel.close(200, "OK".into()).await;
            let closed = closed.and(self.session.link.connection.close(200, "OK".into()).await);
            if closed.is_ok() {
                info!("consuming stopped");
                return;
            }
        }
        warn!(
            "the broker went away while consuming was being stopped; it may deliver the last messages again"
        );
    }

    async fn write_rest(&mut self) -> Result<(), Trouble> {
        loop {
            while let Some(written) = self.writes.next().await {
                self.settle(written).await?;
            }
            if !self.write() {
                return Ok(());
            }
        }
    }

    /// Waits until no write is under way. Nothing of this session can be acknowledged any more.
    async fn abandon(&mut self, shutdown: &CancellationToken) {
        self.give_up.cancel();
        let rest = async { while self.writes.next().await.is_some() {} };
        let limit = async {
            shutdown.cancelled().await;
            tokio::time::sleep(STOP_LIMIT).await;
        };
        tokio::select! {
            () = rest => {}
            () = limit => {}
        }
    }
}

/// What comes next from the broker, not before that moment.
async fn next(consumer: &mut Consumer, not_before: Instant) -> Option<lapin::Result<Message>> {
    if not_before > Instant::now() {
        sleep_until(not_before.into()).await;
    }
    consumer.next().await
}
