//! Private servers and other support for tests that want the real thing.
//!
//! [`MySqlServer`] and [`RabbitMq`] start a server of the test's own, with its own data folder and port, on
//! the loopback address only; [`ServiceProcess`] runs a built binary under test; [`Proxy`] stands between
//! a client and a server and breaks the network on demand; [`wait_until`] awaits a fact for which there
//! is no event.
//!
//! Whatever is started here ends with the test process, even where that process is killed: each
//! program runs under a small shell that sees the test process go, ends the program and removes its
//! folder.

mod logstash;
mod mysql;
mod nginx;
mod output;
mod ports;
mod program;
mod prometheus;
mod proxy;
pub mod python_system;
mod rabbitmq;
mod servers;
mod service_process;
mod supervised;
pub mod tokens;
mod wait;

pub use logstash::{Appetite, LogstashDouble};
pub use mysql::{Make, MySqlServer, numbers};
pub use nginx::Nginx;
pub use output::{Line, Stream};
pub use ports::ReservedPort;
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use rabbitmq::{QueueState, RabbitMq, RabbitMqBuilder};
pub use rustix::process::Pid;
pub use service_process::{ServiceProcess, ServiceProcessBuilder};
pub use supervised::Exit;
pub use wait::wait_until;
