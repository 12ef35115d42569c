use anyhow::ensure;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm, Queue,
};
use serde_json::json;

/// The number of messages published before their confirms are awaited.
const UNCONFIRMED: usize = 2_000;

/// An adapter: publishes persistent messages and waits for the broker's confirms.
pub(crate) struct Adapter {
    _connection: Connection,
    pub(crate) channel: Channel,
}

impl Adapter {
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { _connection: connection, channel })
    }

    /// Declares exchange, queue and binding, as an adapter that starts before the service.
    pub(crate) async fn declare(&self) -> anyhow::Result<()> {
        let table = FieldTable::default;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        self.channel.exchange_declare("mymonit".into(), ExchangeKind::Direct, durable, table()).await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare("measures".into(), durable, table()).await?;
        let bind = QueueBindOptions::default();
        self.channel
            .queue_bind("measures".into(), "mymonit".into(), "measures".into(), bind, table())
            .await?;
        Ok(())
    }

    /// The queue, with the numbers of ready messages and of consumers.
    pub(crate) async fn queue(&self) -> anyhow::Result<Queue> {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        Ok(self.channel.queue_declare("measures".into(), passive, FieldTable::default()).await?)
    }

    /// Publishes one message and waits for its confirm.
    pub(crate) async fn publish(&self, body: &[u8], message_id: Option<&str>) -> anyhow::Result<()> {
        self.publish_all([(body.to_vec(), message_id.map(str::to_owned))]).await
    }

    /// Publishes many messages, with or without an id, and waits for all confirms.
    pub(crate) async fn publish_all(
        &self,
        messages: impl IntoIterator<Item = (Vec<u8>, Option<String>)>,
    ) -> anyhow::Result<()> {
        let with_properties = messages.into_iter().map(|(body, message_id)| {
            let properties = BasicProperties::default();
            let properties = match message_id {
                Some(id) => properties.with_message_id(ShortString::from(id)),
                None => properties,
            };
            (body, properties)
        });
        self.publish_with(with_properties).await
    }

    /// Publishes messages with properties of any kind, made persistent, and waits for all confirms.
    pub(crate) async fn publish_with(
        &self,
        messages: impl IntoIterator<Item = (Vec<u8>, BasicProperties)>,
    ) -> anyhow::Result<()> {
        let mut confirms = Vec::new();
        for (body, properties) in messages {
            let properties = properties.with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let confirm = self
                .channel
                .basic_publish("mymonit".into(), "measures".into(), options, &body, properties)
                .await?;
            confirms.push(confirm);
            if confirms.len() == UNCONFIRMED {
                confirmed(&mut confirms).await?;
            }
        }
        confirmed(&mut confirms).await
    }
}

/// Waits until the broker has confirmed each message.
async fn confirmed(confirms: &mut Vec<PublisherConfirm>) -> anyhow::Result<()> {
    for confirm in confirms.drain(..) {
        let confirmation = confirm.await?;
        ensure!(
            confirmation.is_ack() && confirmation.take_message().is_none(),
            "the broker took no responsibility"
        );
    }
    Ok(())
}

/// A message of one measure.
pub(crate) fn message(experiment: &str, measure: &str, value: f64, timestamp: i64) -> Vec<u8> {
    json!({"experiment": experiment, "measure": measure, "value": value, "timestamp": timestamp})
        .to_string()
        .into_bytes()
}
