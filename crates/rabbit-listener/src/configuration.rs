use std::time::Duration;

use lapin::types::ShortString;
use mymonit_broker::{DEFAULT_EXCHANGE, DEFAULT_ROUTING_KEY, TlsFiles, amqp_uri};
use mymonit_model::Faceted;
use thiserror::Error;

/// The queue (`RABBIT_QUEUE`).
pub const DEFAULT_QUEUE: &str = "measures";
/// Unacknowledged messages (`RABBIT_PREFETCH`).
pub const DEFAULT_PREFETCH: u16 = 3_000;
/// Messages in one transaction (`RABBIT_BATCH_SIZE`).
pub const DEFAULT_BATCH_SIZE: u16 = 1_000;
/// How long a message waits for a full batch (`RABBIT_BATCH_LINGER_MS`).
pub const DEFAULT_LINGER: Duration = Duration::from_millis(10);
/// Bytes of a body (`RABBIT_MAX_MESSAGE_BYTES`): 4 MiB.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 4 << 20;

/// The variables `RABBIT_*`.
#[derive(Debug, Clone)]
pub struct RabbitConfiguration {
    /// Address and account, from [`mymonit_broker::compose_uri`].
    pub uri: Faceted<String>,
    /// Certificates for `amqps`.
    pub tls: TlsFiles,
    /// The exchange, declared direct and durable.
    pub exchange: String,
    /// The key that binds the queue to the exchange.
    pub routing_key: String,
    /// The queue, declared durable and without arguments.
    pub queue: String,
    /// Unacknowledged messages, at least 1: it bounds the memory. Two or three batches keep the
    /// database busy.
    pub prefetch: u16,
    /// A batch is written when it has this many messages, at least 1, …
    pub batch_size: u16,
    /// … or when its first message has waited this long.
    pub linger: Duration,
    /// A body with more bytes is rejected as `too_large`.
    pub max_message_bytes: usize,
}

impl RabbitConfiguration {
    /// The defaults, for the broker at that address.
    pub fn new(uri: Faceted<String>) -> Self {
        Self {
            uri,
            tls: TlsFiles::default(),
            exchange: DEFAULT_EXCHANGE.to_owned(),
            routing_key: DEFAULT_ROUTING_KEY.to_owned(),
            queue: DEFAULT_QUEUE.to_owned(),
            prefetch: DEFAULT_PREFETCH,
            batch_size: DEFAULT_BATCH_SIZE,
            linger: DEFAULT_LINGER,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
        }
    }

    /// Refuses what no broker would accept, so that the start fails at once.
    pub(crate) fn check(&self) -> Result<(), RabbitListenerError> {
        amqp_uri(self.uri.reveal())
            .map_err(|_| RabbitListenerError("RABBIT_URL cannot be read".to_owned()))?;
        let names = [
            ("RABBIT_EXCHANGE", &self.exchange),
            ("RABBIT_ROUTING", &self.routing_key),
            ("RABBIT_QUEUE", &self.queue),
        ];
        for (variable, name) in names {
            // An empty name is the default exchange or a queue that the broker names.
            if name.is_empty() || ShortString::try_new(name.as_str()).is_err() {
                return Err(RabbitListenerError(format!("{variable} must have 1 to 255 bytes")));
            }
        }
        // A prefetch of 0 would be no limit.
        for (variable, number) in [("RABBIT_PREFETCH", self.prefetch), ("RABBIT_BATCH_SIZE", self.batch_size)]
        {
            if number == 0 {
                return Err(RabbitListenerError(format!("{variable} must be at least 1")));
            }
        }
        Ok(())
    }
}

/// The configuration can never work. The text names the variable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RabbitListenerError(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> RabbitConfiguration {
        RabbitConfiguration::new(Faceted::new("amqp://canary:canary@rabbit".to_owned()))
    }

    #[test]
    fn the_defaults_are_valid_and_show_no_secret() {
        assert_eq!(configuration().check(), Ok(()));
        assert!(!format!("{:?}", configuration()).contains("canary"));
    }

    #[test]
    fn invalid_values_are_refused_by_name() {
        type Break = fn(&mut RabbitConfiguration);
        let broken: [(&str, Break); 5] = [
            ("RABBIT_EXCHANGE", |it| it.exchange.clear()),
            ("RABBIT_ROUTING", |it| it.routing_key = "k".repeat(256)),
            ("RABBIT_QUEUE", |it| it.queue.clear()),
            ("RABBIT_PREFETCH", |it| it.prefetch = 0),
            ("RABBIT_BATCH_SIZE", |it| it.batch_size = 0),
        ];
        for (variable, change) in broken {
            let mut configuration = configuration();
            change(&mut configuration);
            let refusal = configuration.check().unwrap_err().to_string();
            assert!(refusal.starts_with(variable), "{refusal}");
        }
    }
}
