use lapin::options::{
    BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer, ExchangeKind};

use crate::RabbitConfiguration;
use crate::trouble::Trouble;

const EXCHANGE_ADVICE: &str = "it has to be declared direct and durable, without arguments: delete what is there, or \
                               name another one in RABBIT_EXCHANGE, and allow the user to configure it";
const QUEUE_ADVICE: &str = "it has to be declared durable, not exclusive, not auto-deleted and without arguments (what \
                            else it should be is set by a policy): empty and delete what is there, or name another \
                            one in RABBIT_QUEUE, and allow the user to configure it";
const BINDING_ADVICE: &str = "allow the user to write to the queue and to read from the exchange";
const CONSUME_ADVICE: &str =
    "allow the user to read from the queue, and let no other consumer have it exclusively";

/// Declares exchange, queue and binding exactly as specification §4 says, so as to agree with every publisher that
/// has declared them already; the least difference would be refused (406).
pub(crate) async fn declare(channel: &Channel, configuration: &RabbitConfiguration) -> Result<(), Trouble> {
    let RabbitConfiguration { exchange, routing_key, queue, .. } = configuration;
    let options = ExchangeDeclareOptions {
        passive: false,     // made if it is not there: adapters may come later than we
        durable: true,      // still there after a restart of the broker, and with it the binding
        auto_delete: false, // still there when the last queue has been unbound
        internal: false,    // adapters publish to it
        nowait: false,      // a refusal is to be seen here and not at some later step
    };
    channel
        .exchange_declare(name(exchange), ExchangeKind::Direct, options, FieldTable::default())
        .await
        .map_err(Trouble::in_step(format!("the exchange `{exchange}`"), EXCHANGE_ADVICE))?;

    let options = QueueDeclareOptions {
        passive: false, // made if it is not there: what is published before our first start would be lost
        durable: true,  // it and its persistent messages outlive a restart of the broker
        exclusive: false, // several processes consume it, and it outlives each of them
        auto_delete: false, // it keeps its messages while nobody consumes
        nowait: false,
    };
    channel
        .queue_declare(name(queue), options, FieldTable::default())
        .await
        .map_err(Trouble::in_step(format!("the queue `{queue}`"), QUEUE_ADVICE))?;

    channel
        .queue_bind(
            name(queue),
            name(exchange),
            name(routing_key),
            QueueBindOptions { nowait: false },
            FieldTable::default(),
        )
        .await
        .map_err(Trouble::in_step(format!("to bind `{queue}` to `{exchange}`"), BINDING_ADVICE))
}

/// Begins to consume.
pub(crate) async fn consume(
    channel: &Channel,
    configuration: &RabbitConfiguration,
) -> Result<Consumer, Trouble> {
    // Counted per consumer and not per channel: `global` is refused by quorum queues. It has to be set before the
    // consumer begins, for which alone it counts.
    let options = BasicQosOptions { global: false };
    channel
        .basic_qos(configuration.prefetch, options)
        .await
        .map_err(Trouble::in_step("the prefetch", CONSUME_ADVICE))?;

    let options = BasicConsumeOptions {
        no_local: false,  // RabbitMQ does not know it
        no_ack: false,    // a message stays the broker's until we say that it is committed
        exclusive: false, // other processes share the queue
        nowait: false,    // we are consuming when the broker says so, not before
    };
    // An empty tag lets the broker choose one that is new.
    channel
        .basic_consume(name(&configuration.queue), ShortString::default(), options, FieldTable::default())
        .await
        .map_err(Trouble::in_step(format!("to consume `{}`", configuration.queue), CONSUME_ADVICE))
}

/// [`RabbitConfiguration::check`] has made sure that it is not too long, which would be a panic.
fn name(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}
