//! The proof of specification §4: nothing is lost, and nothing that carries a `message-id` is stored twice, whatever is
//! broken on the way.
//!
//! Each [`Scenario`] starts real processes of the service beside a real RabbitMQ and a real MariaDB, lets a publisher send
//! messages of which it knows every one, breaks something again and again, and in the end compares what is stored with
//! what was sent. `docs/chaos.md` says what each of them proves.

mod check;
mod fuzzed;
mod message;
mod publisher;
mod report;
mod scenarios;
mod service;
mod site;

use std::path::PathBuf;

pub use report::{Report, table};
pub use scenarios::Scenario;

/// How much is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As much as specification §4 has to be proved with; takes more than an hour.
    Long,
    /// The same scenarios in some seconds each, for every run of the tests.
    Short,
}

/// What a scenario is run with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The service's binary.
    pub binary: PathBuf,
    /// How much is broken.
    pub form: Form,
    /// Everything that is left to chance here follows from this number, so that it can be had again.
    pub seed: u64,
}
