use lapin::options::{
    BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer, ExchangeKind};

use crate::RabbitConfiguration;
use crate::session_error::SessionError;

const EXCHANGE_ADVICE: &str = "it has to be declared direct and durable, without arguments: delete the existing one, or \
                               name another one in RABBIT_EXCHANGE, and allow the user to configure it";
const QUEUE_ADVICE: &str = "it has to be declared durable, not exclusive, not auto-deleted and without arguments (a \
                            policy sets everything else): empty and delete the existing one, or name another one in \
                            RABBIT_QUEUE, and allow the user to configure it";
const BINDING_ADVICE: &str = "allow the user to write to the queue and to read from the exchange";
const CONSUME_ADVICE: &str =
    "allow the user to read from the queue, and let no other consumer have it exclusively";

/// Declares exchange, queue and binding as publishers do. RabbitMQ refuses any difference (406).
pub(crate) async fn declare(
    channel: &Channel,
    configuration: &RabbitConfiguration,
) -> Result<(), SessionError> {
    let RabbitConfiguration { exchange, routing_key, queue, .. } = configuration;
    let options = ExchangeDeclareOptions {
        passive: false,     // created if missing: publishers may come later
        durable: true,      // survives a restart of the broker, as does the binding
        auto_delete: false, // survives the last queue
        internal: false,    // adapters publish to it
        nowait: false,      // a refusal is an error of this call
    };
    channel
        .exchange_declare(name(exchange), ExchangeKind::Direct, options, FieldTable::default())
        .await
        .map_err(SessionError::in_step(format!("the exchange `{exchange}`"), EXCHANGE_ADVICE))?;

    let options = QueueDeclareOptions {
        passive: false,     // created if missing: earlier messages would be lost
        durable: true,      // survives a restart of the broker with its persistent messages
        exclusive: false,   // several processes consume it, and it survives each of them
        auto_delete: false, // keeps its messages without consumers
        nowait: false,
    };
    channel
        .queue_declare(name(queue), options, FieldTable::default())
        .await
        .map_err(SessionError::in_step(format!("the queue `{queue}`"), QUEUE_ADVICE))?;

    let options = QueueBindOptions { nowait: false };
    channel
        .queue_bind(name(queue), name(exchange), name(routing_key), options, FieldTable::default())
        .await
        .map_err(SessionError::in_step(format!("to bind `{queue}` to `{exchange}`"), BINDING_ADVICE))
}

/// Starts to consume.
pub(crate) async fn consume(
    channel: &Channel,
    configuration: &RabbitConfiguration,
) -> Result<Consumer, SessionError> {
    // For each consumer: quorum queues refuse `global`. It counts for consumers that start after
    // it.
    let options = BasicQosOptions { global: false };
    channel
        .basic_qos(configuration.prefetch, options)
        .await
        .map_err(SessionError::in_step("the prefetch", CONSUME_ADVICE))?;

    let options = BasicConsumeOptions {
        no_local: false,  // not supported by RabbitMQ
        no_ack: false,    // the broker keeps a message until its acknowledgement
        exclusive: false, // other processes consume the queue, too
        nowait: false,    // the reply says that consuming has begun
    };
    // The broker replaces an empty tag by a new one.
    channel
        .basic_consume(name(&configuration.queue), ShortString::default(), options, FieldTable::default())
        .await
        .map_err(SessionError::in_step(format!("to consume `{}`", configuration.queue), CONSUME_ADVICE))
}

/// [`RabbitConfiguration::check`] has refused longer names, on which lapin would panic.
fn name(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}
