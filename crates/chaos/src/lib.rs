//! Chaos scenarios: under any fault, nothing is lost, and nothing with a `message-id` is stored
//! twice.
//!
//! Each [`Scenario`] runs real processes of the service with a real RabbitMQ and a real MariaDB. It
//! publishes known messages, injects faults, and compares the stored with the published data.
//! `docs/chaos.md` lists them.

mod check;
mod fuzzed;
mod message;
mod publisher;
mod report;
mod scenarios;
mod service;
mod setting;
mod site;

pub use report::{Report, table};
pub use scenarios::Scenario;
pub use setting::{Form, Setting};
