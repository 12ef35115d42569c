//! Private servers and other support for tests.
//!
//! [`MySqlServer`] and [`RabbitMq`] start a server with its own data folder and loopback port;
//! [`ServiceProcess`] runs a built binary, [`Proxy`] injects network faults, and
//! [`wait_until`] polls a condition.
//!
//! A supervising shell ends each program and removes its folder, even if the test is killed.

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

pub use logstash::{LogstashDouble, ReadMode};
pub use mysql::{Make, MySqlServer, numbers};
pub use nginx::Nginx;
pub use output::{Line, Stream};
pub use ports::ReservedPort;
pub use program::build_release;
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use rabbitmq::{QueueState, RabbitMq, RabbitMqBuilder};
pub use rustix::process::Pid;
pub use service_process::{ServiceProcess, ServiceProcessBuilder};
pub use supervised::Exit;
pub use wait::wait_until;
