//! The AMQP door: takes measures from RabbitMQ into the ingest service and loses none (specification §4).

mod backoff;
mod batch;
mod complaint;
mod configuration;
mod connection;
mod counters;
mod frames;
mod gate;
mod listener;
mod properties;
mod raw_properties;
mod receive;
mod session;
mod settle;
mod state;
mod topology;
mod transport;
mod trouble;
mod uri;
mod writer;

use std::time::Duration;

pub use configuration::{
    DEFAULT_BATCH_SIZE, DEFAULT_EXCHANGE, DEFAULT_LINGER, DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_PREFETCH,
    DEFAULT_QUEUE, DEFAULT_ROUTING_KEY, RabbitConfiguration, RabbitListenerError, RabbitTls,
};
pub use counters::IngestCounters;
pub use listener::RabbitListener;
pub use state::{ConsumerProbe, ConsumerState};
pub use uri::{DEFAULT_HEARTBEAT_SECONDS, InvalidRabbitUrl, compose_uri};

/// How long the listener takes to end at most, from the moment it is asked to: with some room below the 10 s
/// that the whole process has (specification §1).
pub const STOP_LIMIT: Duration = Duration::from_secs(8);
