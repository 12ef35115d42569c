//! An adapter that waits for publisher confirms, and republishes unconfirmed messages under the
//! same ids when its connection breaks.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::message::Source;

/// The maximum number of unconfirmed messages.
const UNCONFIRMED: usize = 2_000;
/// The time limit for a response of the broker, after which the connection counts as broken.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time without a confirm after which the publisher gives up. Outages in scenarios are shorter.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(180);
/// More connections than any scenario breaks. Ends a loop over a message that the broker refuses.
const MAX_CONNECTIONS: u32 = 500;
const RETRY: Duration = Duration::from_millis(100);

pub(crate) const EXCHANGE: &str = "mymonit";
pub(crate) const QUEUE: &str = "measures";

/// A connection to the broker that has declared exchange, queue and binding, like an adapter's.
pub(crate) struct BrokerConnection {
    _connection: Connection,
    pub(crate) channel: Channel,
}

impl BrokerConnection {
    /// Connects and declares.
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let open = async {
            let connection = Connection::connect(url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let this = Self { _connection: connection, channel };
            this.declare().await?;
            anyhow::Ok(this)
        };
        timeout(RESPONSE_TIMEOUT, open).await.context("the broker does not answer")?
    }

    /// Declares exchange, queue and binding; fails with 406 if they exist with other properties.
    pub(crate) async fn declare(&self) -> anyhow::Result<()> {
        let table = FieldTable::default;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        self.channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, durable, table()).await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(QUEUE.into(), durable, table()).await?;
        let bind = QueueBindOptions::default();
        self.channel.queue_bind(QUEUE.into(), EXCHANGE.into(), QUEUE.into(), bind, table()).await?;
        Ok(())
    }

    /// The number of ready messages in the queue, without unacknowledged ones.
    pub(crate) async fn waiting(&self) -> anyhow::Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(QUEUE.into(), passive, FieldTable::default());
        Ok(timeout(RESPONSE_TIMEOUT, declared).await.context("the broker does not answer")??.message_count())
    }
}

/// The progress of a publisher.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    /// Numbers below this one have been published at least once.
    pub(crate) begun: u32,
    /// The number of confirmed messages.
    pub(crate) confirmed: u32,
    /// Messages republished because the connection broke before their confirm.
    pub(crate) repeated: u32,
}

/// A publisher in a background task.
pub(crate) struct Publisher {
    allowed: watch::Sender<u32>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Publisher {
    /// Publishes messages 0 to `allowed` as fast as the broker accepts them.
    pub(crate) fn start(url: &str, source: Arc<dyn Source>, allowed: u32) -> Self {
        let (allowed, allowance) = watch::channel(allowed);
        let (sender, progress) = watch::channel(Progress::default());
        let work = Work {
            url: url.to_owned(),
            source,
            allowance,
            progress: sender,
            again: VecDeque::new(),
            unconfirmed: BTreeSet::new(),
            last_confirm: Instant::now(),
            connections: 0,
        };
        Self { allowed, progress, task: tokio::spawn(work.run()) }
    }

    /// Raises the limit up to which it publishes.
    pub(crate) fn allow(&self, up_to: u32) {
        self.allowed.send_replace(up_to);
    }

    /// The limit up to which it publishes.
    pub(crate) fn allowed(&self) -> u32 {
        *self.allowed.borrow()
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Whether the publisher has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for this many confirms.
    pub(crate) async fn wait_until_confirmed(&mut self, count: u32) -> anyhow::Result<()> {
        let mut progress = self.progress.clone();
        tokio::select! {
            reached = progress.wait_for(|progress| progress.confirmed >= count) => {
                reached.map(drop).context("the publisher has ended")
            }
            ended = &mut self.task => {
                ended??;
                bail!("the publisher has ended before it had published {count}")
            }
        }
    }

    /// Starts no new messages, waits for outstanding confirms, and ends the task.
    pub(crate) async fn finish(self) -> anyhow::Result<Progress> {
        let Self { allowed, progress, task } = self;
        drop(allowed);
        task.await?.context("the publisher failed")?;
        let progress = *progress.borrow();
        ensure!(progress.begun == progress.confirmed, "the publisher has lost count: {progress:?}");
        Ok(progress)
    }
}

struct Work {
    url: String,
    source: Arc<dyn Source>,
    allowance: watch::Receiver<u32>,
    progress: watch::Sender<Progress>,
    /// Unconfirmed messages to republish.
    again: VecDeque<u32>,
    unconfirmed: BTreeSet<u32>,
    last_confirm: Instant,
    connections: u32,
}

impl Work {
    async fn run(mut self) -> anyhow::Result<()> {
        loop {
            let Err(error) = self.publish().await else { return Ok(()) };
            let text = format!("{error:#}");
            ensure!(!text.contains("PRECONDITION"), "the broker answered 406 to a declaration: {text}");
            ensure!(
                self.connections < MAX_CONNECTIONS,
                "connections break repeatedly, the last one by: {text}"
            );
            if self.last_confirm.elapsed() > CONFIRM_TIMEOUT {
                let (progress, unconfirmed) = (*self.progress.borrow(), self.unconfirmed.len());
                return Err(error.context(format!(
                    "nothing was confirmed for {CONFIRM_TIMEOUT:?}; {progress:?}, {unconfirmed} on their way"
                )));
            }
            self.progress.send_modify(|progress| {
                progress.repeated += u32::try_from(self.unconfirmed.len()).unwrap_or(u32::MAX);
            });
            self.again.extend(std::mem::take(&mut self.unconfirmed));
            sleep(RETRY).await;
        }
    }

    /// Publishes on one connection until all is done or the connection breaks.
    async fn publish(&mut self) -> anyhow::Result<()> {
        let connection = BrokerConnection::open(&self.url).await?;
        self.connections += 1;
        connection.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut confirms = FuturesUnordered::new();
        loop {
            while confirms.len() < UNCONFIRMED
                && let Some(number) = self.next()
            {
                let message = self.source.message(number);
                let properties = match message.properties.delivery_mode() {
                    None => message.properties.with_delivery_mode(2),
                    Some(_) => message.properties,
                };
                // Unroutable messages are returned instead of being lost silently.
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                self.unconfirmed.insert(number);
                let sent = connection.channel.basic_publish(
                    EXCHANGE.into(),
                    QUEUE.into(),
                    options,
                    &message.body,
                    properties,
                );
                let confirm = timeout(RESPONSE_TIMEOUT, sent).await.context("the broker takes nothing")??;
                confirms.push(async move { (number, confirm.await) });
            }
            if confirms.is_empty() {
                // Nothing to publish until the allowance grows or its sender is dropped.
                self.last_confirm = Instant::now();
                if self.allowance.changed().await.is_err() {
                    return Ok(());
                }
                self.last_confirm = Instant::now();
                continue;
            }
            let next =
                timeout(RESPONSE_TIMEOUT, confirms.next()).await.context("the broker confirms nothing")?;
            let (number, confirm) = next.context("a confirm")?;
            let confirm = confirm?;
            ensure!(confirm.is_ack(), "the broker refused message {number}");
            ensure!(confirm.take_message().is_none(), "the broker had no queue for message {number}");
            self.unconfirmed.remove(&number);
            self.last_confirm = Instant::now();
            self.progress.send_modify(|progress| progress.confirmed += 1);
        }
    }

    fn next(&mut self) -> Option<u32> {
        if let Some(number) = self.again.pop_front() {
            return Some(number);
        }
        // Once the sender of the allowance is dropped, no more is published.
        if self.allowance.has_changed().is_err() {
            return None;
        }
        let number = self.progress.borrow().begun;
        (number < *self.allowance.borrow()).then(|| {
            self.progress.send_modify(|progress| progress.begun += 1);
            number
        })
    }
}
