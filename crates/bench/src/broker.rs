//! Fills the queue for a benchmark, and drains it as fast as the broker can.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions,
    BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueuePurgeOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::time::sleep;
use uuid::Uuid;

const EXCHANGE: &str = "mymonit";
const QUEUE: &str = "measures";
/// How many confirms may be outstanding.
const IN_FLIGHT: usize = 2_000;
/// The service's default, so that the limit is measured under the same conditions.
const PREFETCH: u16 = 3_000;
const ACK_EVERY: u64 = 500;
/// Pause of the drain after it has taken all messages: a wake-up for each message costs more than
/// its other work.
const REST: Duration = Duration::from_millis(1);

/// Often enough for results in seconds, rarely enough not to affect them.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The limit for a time without consumed messages.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A channel to the virtual host with the declared topology.
pub(crate) struct Broker {
    _connection: Connection,
    channel: Channel,
}

impl Broker {
    /// Connects and declares exchange, queue and binding.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, durable, FieldTable::default())
            .await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(QUEUE.into(), EXCHANGE.into(), QUEUE.into(), bind, FieldTable::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { _connection: connection, channel })
    }

    /// Publishes persistent messages, with random ids if wanted, and waits for their confirms.
    pub(crate) async fn fill(
        &self,
        bodies: impl Iterator<Item = Vec<u8>>,
        with_message_ids: bool,
    ) -> anyhow::Result<()> {
        self.publish(bodies.map(|body| {
            let properties = BasicProperties::default().with_delivery_mode(2);
            let id = with_message_ids.then(|| ShortString::from(Uuid::new_v4().to_string()));
            (body, id.map_or(properties.clone(), |id| properties.with_message_id(id)))
        }))
        .await
    }

    /// Takes all messages out of the queue.
    pub(crate) async fn take_all(&self) -> anyhow::Result<Vec<Delivery>> {
        let mut messages = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(QUEUE.into(), options).await? {
            messages.push(message.delivery);
        }
        Ok(messages)
    }

    /// Publishes messages again with their properties, and waits for their confirms.
    pub(crate) async fn publish_again(&self, messages: Vec<Delivery>) -> anyhow::Result<()> {
        self.publish(messages.into_iter().map(|message| (message.data, message.properties))).await
    }

    async fn publish(
        &self,
        messages: impl Iterator<Item = (Vec<u8>, BasicProperties)>,
    ) -> anyhow::Result<()> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut confirms = futures::stream::FuturesUnordered::new();
        for (body, properties) in messages {
            let (exchange, queue) = (EXCHANGE.into(), QUEUE.into());
            confirms.push(self.channel.basic_publish(exchange, queue, options, &body, properties).await?);
            if confirms.len() >= IN_FLIGHT {
                ensure_queued(confirms.next().await.context("a confirm")??)?;
            }
        }
        while let Some(confirm) = confirms.next().await {
            ensure_queued(confirm?)?;
        }
        Ok(())
    }

    /// Empties the queue.
    pub(crate) async fn purge(&self) -> anyhow::Result<()> {
        self.channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// Waits until the queue is empty. Messages that a consumer holds are not counted, so this only
    /// shows that the end is near; it costs less than a query of the database.
    pub(crate) async fn wait_until_empty(&self) -> anyhow::Result<()> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let (mut last, mut since) = (u32::MAX, Instant::now());
        loop {
            let queue = self.channel.queue_declare(QUEUE.into(), passive, FieldTable::default()).await?;
            let waiting = queue.message_count();
            if waiting == 0 {
                return Ok(());
            }
            if waiting < last {
                (last, since) = (waiting, Instant::now());
            }
            ensure!(since.elapsed() < TIMEOUT, "nothing was consumed for {TIMEOUT:?}: {waiting} wait");
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Takes `count` messages out of the queue and drops them: the maximum throughput of a
    /// consumer. The time runs from `basic.consume` to the last acknowledgement.
    pub(crate) async fn drain(&self, count: u64) -> anyhow::Result<Duration> {
        self.channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let start = Instant::now();
        let options = BasicConsumeOptions::default();
        let mut consumer =
            self.channel.basic_consume(QUEUE.into(), "drain".into(), options, FieldTable::default()).await?;
        let (mut taken, mut acknowledged) = (0, 0);
        while taken < count {
            let mut next = Some(consumer.next().await);
            let mut last = None;
            while let Some(item) = next {
                last = Some(item.context("the consumer ended")??);
                taken += 1;
                next = if taken < acknowledged + ACK_EVERY { consumer.next().now_or_never() } else { None };
            }
            if let Some(last) = last
                && (taken >= acknowledged + ACK_EVERY || taken == count)
            {
                last.acker.ack(BasicAckOptions { multiple: true }).await?;
                acknowledged = taken;
            } else {
                sleep(REST).await;
            }
        }
        let took = start.elapsed();
        self.channel.basic_cancel("drain".into(), BasicCancelOptions::default()).await?;
        Ok(took)
    }
}

/// Fails unless a queue has the message.
fn ensure_queued(confirmation: Confirmation) -> anyhow::Result<()> {
    ensure!(matches!(confirmation, Confirmation::Ack(None)), "a message was not queued");
    Ok(())
}
