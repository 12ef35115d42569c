//! The AMQP door: takes measures from RabbitMQ into the ingest service and loses none (specification §4).
//!
//! How a message walks: the `transport` reads frames from the socket, holds back what would not fit into memory
//! (`gate`) and mends what lapin could not read (`frames`, `raw_properties`); the `session` takes deliveries
//! from lapin into a backlog, `receive`s them into a `batch`, has the `writer` write it for as long as that
//! takes, and `settle`s it with one acknowledgement. The `listener` makes a new session when one has ended, and
//! each declares the `topology` again.
//!
//! What follows from that: a message is acknowledged after its transaction has committed, on the channel that
//! delivered it, in the order of delivery; whatever breaks before that leaves it with the broker.

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
mod throughput;
mod topology;
mod transport;
mod trouble;
mod writer;

use std::time::Duration;

pub use configuration::{
    DEFAULT_BATCH_SIZE, DEFAULT_LINGER, DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_PREFETCH, DEFAULT_QUEUE,
    RabbitConfiguration, RabbitListenerError,
};
pub use counters::IngestCounters;
pub use listener::RabbitListener;
/// The way to the broker, for whoever configures the listener.
pub use mymonit_broker::{
    DEFAULT_EXCHANGE, DEFAULT_HEARTBEAT_SECONDS, DEFAULT_ROUTING_KEY, InvalidRabbitUrl, RabbitTls,
    compose_uri,
};
pub use state::{ConsumerProbe, ConsumerState};
pub use throughput::tell_throughput;

/// How long the listener takes to end at most, from the moment it is asked to: with some room below the 10 s
/// that the whole process has (specification §1).
pub const STOP_LIMIT: Duration = Duration::from_secs(8);
