//! The broker's side of a benchmark: filling the queue, and draining it as fast as the broker can.

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
/// What the service uses by default, so that the limit is taken under the same conditions.
const PREFETCH: u16 = 3_000;
const ACK_EVERY: u64 = 500;
/// How long the drain rests once it has taken all that is there: being woken for each message costs more than
/// anything else that it does.
const REST: Duration = Duration::from_millis(1);

/// Often enough for a figure of seconds, and seldom enough to take nothing from what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long nothing may be consumed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A channel to the virtual host, with the topology of specification §4 declared.
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

    /// Publishes persistent messages and waits until the broker has taken all of them. Their ids are random, since no
    /// order in them helps the database then.
    pub(crate) async fn fill(
        &self,
        bodies: impl Iterator<Item = Vec<u8>>,
        with_message_ids: bool,
    ) -> anyhow::Result<()> {
        let mut confirms = futures::stream::FuturesUnordered::new();
        for body in bodies {
            let mut properties = BasicProperties::default().with_delivery_mode(2);
            if with_message_ids {
                properties = properties.with_message_id(ShortString::from(Uuid::new_v4().to_string()));
            }
            let options = BasicPublishOptions::default();
            let confirm =
                self.channel.basic_publish(EXCHANGE.into(), QUEUE.into(), options, &body, properties).await?;
            confirms.push(confirm);
            if confirms.len() >= IN_FLIGHT {
                ensure!(confirms.next().await.context("a confirm")??.is_ack(), "a message was not taken");
            }
        }
        while let Some(confirm) = confirms.next().await {
            ensure!(confirm?.is_ack(), "a message was not taken");
        }
        Ok(())
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

    /// Publishes messages again, with all that they say, and waits until a queue has each of them.
    pub(crate) async fn publish_again(&self, messages: Vec<Delivery>) -> anyhow::Result<()> {
        let mut confirms = futures::stream::FuturesUnordered::new();
        for message in messages {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let (exchange, queue) = (EXCHANGE.into(), QUEUE.into());
            let publish =
                self.channel.basic_publish(exchange, queue, options, &message.data, message.properties);
            confirms.push(publish.await?);
            if confirms.len() >= IN_FLIGHT {
                taken(confirms.next().await.context("a confirm")??)?;
            }
        }
        while let Some(confirm) = confirms.next().await {
            taken(confirm?)?;
        }
        Ok(())
    }

    /// Forgets what is in the queue.
    pub(crate) async fn purge(&self) -> anyhow::Result<()> {
        self.channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await?;
        Ok(())
    }

    /// Waits until no message waits in the queue. What a consumer holds is not counted, so the end is near then, and
    /// that is all that this is for: asking costs little, unlike asking the database.
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
            ensure!(since.elapsed() < PATIENCE, "nothing was consumed for {PATIENCE:?}: {waiting} wait");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Takes `count` messages out of the queue and drops them: the greatest speed that a consumer can have. The time
    /// runs from the wish to consume to the last acknowledgement.
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

/// Makes sure that a queue has the message.
fn taken(confirmation: Confirmation) -> anyhow::Result<()> {
    ensure!(matches!(confirmation, Confirmation::Ack(None)), "a message was not taken");
    Ok(())
}
