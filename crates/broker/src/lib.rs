//! Connections to RabbitMQ, for the service and the adapter: the address, TLS, signing in and
//! opening a channel.

mod connection;
mod stream;
mod tls;
mod uri;

pub use mymonit_tls::{TlsFiles, UnusableTls};

pub use connection::{ACCESS_ADVICE, BrokerConnection, ConnectError, connect};
pub use stream::Stream;
pub use uri::{DEFAULT_HEARTBEAT_SECONDS, InvalidRabbitUrl, amqp_uri, compose_uri};

/// The exchange that adapters publish to (`RABBIT_EXCHANGE`).
pub const DEFAULT_EXCHANGE: &str = "mymonit";
/// The key that binds the queue to the exchange (`RABBIT_ROUTING`).
pub const DEFAULT_ROUTING_KEY: &str = "measures";
