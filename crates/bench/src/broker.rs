//! The broker's side of a benchmark: filling the queue, and draining it as fast as the broker can.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

const EXCHANGE: &str = "mymonit";
const QUEUE: &str = "measures";
/// How many confirms may be outstanding.
const IN_FLIGHT: usize = 2_000;
/// What the service uses by default, so that the limit is taken under the same conditions.
const PREFETCH: u16 = 3_000;
const ACK_EVERY: u64 = 500;

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

    /// Publishes persistent messages and waits until the broker has taken all of them.
    pub(crate) async fn fill(
        &self,
        bodies: impl Iterator<Item = Vec<u8>>,
        with_message_ids: bool,
    ) -> anyhow::Result<()> {
        let mut confirms = futures::stream::FuturesUnordered::new();
        for (number, body) in bodies.enumerate() {
            let mut properties = BasicProperties::default().with_delivery_mode(2);
            if with_message_ids {
                properties =
                    properties.with_message_id(ShortString::from(format!("bench-message-{number:020}")));
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

    /// How many messages wait in the queue; those that a consumer holds are not counted.
    pub(crate) async fn waiting(&self) -> anyhow::Result<u32> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        Ok(self.channel.queue_declare(QUEUE.into(), passive, FieldTable::default()).await?.message_count())
    }

    /// Takes `count` messages out of the queue and drops them: the greatest speed that a consumer can have.
    pub(crate) async fn drain(&self, count: u64) -> anyhow::Result<Duration> {
        self.channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let start = Instant::now();
        let options = BasicConsumeOptions::default();
        let mut consumer =
            self.channel.basic_consume(QUEUE.into(), "drain".into(), options, FieldTable::default()).await?;
        for number in 1..=count {
            let delivery = consumer.next().await.context("the consumer ended")??;
            if number % ACK_EVERY == 0 || number == count {
                delivery.acker.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        let took = start.elapsed();
        self.channel.basic_cancel("drain".into(), Default::default()).await?;
        Ok(took)
    }
}
