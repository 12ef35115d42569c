use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use mymonit_test_support::{RabbitMq, wait_until};

use crate::harness::TIMEOUT;

/// Confirms that are awaited together.
const IN_FLIGHT: usize = 1_000;

/// An adapter: declares exchange, queue and binding, and publishes with confirms.
pub(crate) struct Adapter {
    pub(crate) channel: Channel,
    _connection: Connection,
}

impl Adapter {
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { channel, _connection: connection })
    }

    /// Connects and declares.
    pub(crate) async fn start(url: &str) -> anyhow::Result<Self> {
        let this = Self::connect(url).await?;
        this.declare().await?;
        Ok(this)
    }

    pub(crate) async fn declare(&self) -> anyhow::Result<()> {
        let none = FieldTable::default;
        let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let queue = QueueDeclareOptions { durable: true, ..Default::default() };
        self.channel.exchange_declare("mymonit".into(), ExchangeKind::Direct, exchange, none()).await?;
        self.channel.queue_declare("measures".into(), queue, none()).await?;
        let binding = QueueBindOptions::default();
        self.channel
            .queue_bind("measures".into(), "mymonit".into(), "measures".into(), binding, none())
            .await?;
        Ok(())
    }

    /// Publishes one persistent measure for each value.
    pub(crate) async fn publish(&self, values: impl IntoIterator<Item = u64>) -> anyhow::Result<()> {
        let mut confirms = Vec::new();
        for value in values {
            let properties = BasicProperties::default().with_delivery_mode(2);
            confirms.push(self.send(measure(value).as_bytes(), properties).await?);
            if confirms.len() == IN_FLIGHT {
                confirmed(&mut confirms).await?;
            }
        }
        confirmed(&mut confirms).await
    }

    pub(crate) async fn publish_body(&self, body: &[u8], properties: BasicProperties) -> anyhow::Result<()> {
        confirmed(&mut vec![self.send(body, properties).await?]).await
    }

    pub(crate) async fn send(
        &self,
        body: &[u8],
        properties: BasicProperties,
    ) -> anyhow::Result<lapin::PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        Ok(self.channel.basic_publish("mymonit".into(), "measures".into(), options, body, properties).await?)
    }

    pub(crate) async fn delete_queue(&self) -> anyhow::Result<()> {
        self.channel.queue_delete("measures".into(), QueueDeleteOptions::default()).await?;
        Ok(())
    }

    /// Messages that are ready for delivery.
    pub(crate) async fn ready(&self) -> anyhow::Result<u32> {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = self.channel.queue_declare("measures".into(), options, FieldTable::default()).await?;
        Ok(queue.message_count())
    }

    /// Waits until that many messages are ready and none is unacknowledged.
    pub(crate) async fn until_ready(&self, messages: u32) -> anyhow::Result<()> {
        let look = async || match self.ready().await {
            Ok(ready) if ready == messages => Ok(()),
            seen => Err(format!("{seen:?}")),
        };
        wait_until(&format!("{messages} messages ready"), TIMEOUT, look).await
    }
}

async fn confirmed(confirms: &mut Vec<lapin::PublisherConfirm>) -> anyhow::Result<()> {
    for confirm in confirms.drain(..) {
        let confirmation = confirm.await?;
        // An unroutable message is returned with its confirmation.
        anyhow::ensure!(matches!(confirmation, Confirmation::Ack(None)), "not taken: {confirmation:?}");
    }
    Ok(())
}

/// A message with one measure of that value.
pub(crate) fn measure(value: u64) -> String {
    format!(
        r#"{{"experiment":"device-vibrations","measure":"hertz","value":{value},"timestamp":1650000000}}"#
    )
}

/// A message with many measures of that value.
pub(crate) fn measures(value: u64, number: usize) -> String {
    format!("[{}]", vec![measure(value); number].join(","))
}

/// Waits until the broker counts that many messages as delivered and not acknowledged, and as
/// ready.
pub(crate) async fn until_counted(
    rabbit: &RabbitMq,
    url: &str,
    unacknowledged: u32,
    ready: u32,
) -> anyhow::Result<()> {
    let vhost = url.splitn(4, '/').nth(3).unwrap_or("/");
    let look = async || match rabbit.queue(vhost, "measures").await {
        Ok(seen) if (seen.unacknowledged, seen.ready) == (unacknowledged.into(), ready.into()) => Ok(()),
        seen => Err(format!("{seen:?}")),
    };
    wait_until(&format!("{unacknowledged} unacknowledged and {ready} ready"), TIMEOUT, look).await
}

/// Waits until the queue has no consumer.
pub(crate) async fn until_no_consumer(rabbit: &RabbitMq, url: &str) -> anyhow::Result<()> {
    let vhost = url.splitn(4, '/').nth(3).unwrap_or("/");
    let look = async || match rabbit.queue(vhost, "measures").await {
        Ok(seen) if seen.consumers == 0 => Ok(()),
        seen => Err(format!("{seen:?}")),
    };
    wait_until("no consumer", TIMEOUT, look).await
}
