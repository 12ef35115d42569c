//! The AMQP consumer: takes measures from RabbitMQ into the ingest service and loses none.
//!
//! A message passes these files: `guard` (bytes from the socket), `consume` (one session: backlog,
//! batch, write, acknowledgement), `batch` (decoding), `write` (retry and bisect), `acknowledge`.
//! `replies` sends publishers what was rejected, independently of this.
//! `listener` opens a new session after each that ended; `connect` and `topology` are how one
//! begins.
//!
//! A message is acknowledged after its transaction has committed, on the channel that delivered it,
//! in the order of delivery. Until then the broker keeps it.

mod acknowledge;
mod batch;
mod configuration;
mod connect;
mod consume;
mod guard;
mod listener;
mod log_throttle;
mod metrics;
mod properties;
mod replies;
mod reply_queue;
mod session_error;
mod state;
mod throughput;
mod topology;
mod write;

use std::time::Duration;

pub use configuration::{
    DEFAULT_BATCH_SIZE, DEFAULT_LINGER, DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_PREFETCH, DEFAULT_QUEUE,
    RabbitConfiguration, RabbitListenerError,
};
pub use listener::RabbitListener;
pub use metrics::IngestCounters;
pub use mymonit_broker::{
    DEFAULT_EXCHANGE, DEFAULT_HEARTBEAT_SECONDS, DEFAULT_ROUTING_KEY, InvalidRabbitUrl, TlsFiles, compose_uri,
};
pub use state::{ConsumerProbe, ConsumerState};
pub use throughput::report_throughput;

/// How long the listener takes to stop, at most. The process has 10 s.
pub const STOP_LIMIT: Duration = Duration::from_secs(8);
