//! The way to the broker, which whoever publishes and whoever consumes go alike: its address (`uri`), TLS (`tls`), and
//! signing in over a stream that has been opened (`connection`). What is said on a connection is the caller's affair.

mod connection;
mod tls;
mod uri;

pub use connection::{Lifeline, properties, sign_in};
pub use tls::{RabbitTls, UnusableTls, connector};
pub use uri::{DEFAULT_HEARTBEAT_SECONDS, InvalidRabbitUrl, amqp_uri, compose_uri};

/// The exchange that adapters publish to, unless configured otherwise (`RABBIT_EXCHANGE`).
pub const DEFAULT_EXCHANGE: &str = "mymonit";
/// The key that binds the queue to the exchange, unless configured otherwise (`RABBIT_ROUTING`).
pub const DEFAULT_ROUTING_KEY: &str = "measures";
