//! What the service says, and where it says it: on standard output, readable and coloured on a terminal and as JSON
//! lines anywhere else, and to Logstash, with the same JSON lines in the names of ECS.
//!
//! What may not be said is decided by the type of a value (`Faceted` in the model) and, for the libraries below, by the
//! filter, which lets them warn and no more. No text can end its line, whatever is in it.

mod audit;
mod ecs;
mod entry;
mod filter;
mod logstash;
mod output;
mod terminal;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use filter::SafeFilter;
use logstash::Sending;
use output::{Console, Output};

pub use audit::TracingAuditLog;
pub use logstash::{LogstashAddress, LogstashStatistics};

/// The target of audit events.
pub const AUDIT: &str = "mymonit::audit";

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The filter is not in tracing's syntax.
    #[error("must be a tracing filter such as `info` or `info,mymonit_storage=debug` ({0})")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was set up before in this process.
    #[error("logging is set up already")]
    AlreadySet(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// The system has no thread left.
    #[error("the thread that sends to Logstash cannot be started")]
    Thread(#[source] std::io::Error),
}

/// Logging that has been set up.
pub struct Logging {
    logstash: Option<Sending>,
}

impl Logging {
    /// Says from now on what `filter` lets through, to standard output and, if there is an address, to Logstash.
    /// Logstash may be away.
    ///
    /// # Errors
    /// If the filter is not in tracing's syntax, or logging was set up before.
    pub fn start(filter: &str, logstash: Option<LogstashAddress>) -> Result<Self, LoggingError> {
        Self::start_on(Console::Output, filter, logstash)
    }

    /// As [`Self::start`], but to standard error, for a command whose standard output is its result.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn start_beside_output(
        filter: &str,
        logstash: Option<LogstashAddress>,
    ) -> Result<Self, LoggingError> {
        Self::start_on(Console::Error, filter, logstash)
    }

    fn start_on(
        console: Console,
        filter: &str,
        logstash: Option<LogstashAddress>,
    ) -> Result<Self, LoggingError> {
        let filter = SafeFilter::parse(filter)?;
        let logstash = logstash.map(Sending::start).transpose().map_err(LoggingError::Thread)?;
        let output = Output {
            console,
            is_terminal: match console {
                Console::Output => std::io::stdout().is_terminal(),
                Console::Error => std::io::stderr().is_terminal(),
            },
            logstash: logstash.as_ref().map(|sending| sending.buffer.clone()),
        };
        // Without a bridge for what libraries say through the `log` crate: all of it is theirs.
        tracing::subscriber::set_global_default(Registry::default().with(output.with_filter(filter)))?;
        std::panic::set_hook(Box::new(say_panic));
        Ok(Self { logstash })
    }

    /// What became of the lines for Logstash, if it is configured.
    pub fn logstash(&self) -> Option<Arc<LogstashStatistics>> {
        self.logstash.as_ref().map(|sending| sending.buffer.statistics.clone())
    }

    /// Waits, no longer than that, until Logstash has what was said, and says how much it does not have.
    pub fn finish(self, within: Duration) {
        let Some(sending) = &self.logstash else { return };
        let dropped = sending.finish(within);
        if dropped > 0 {
            tracing::warn!(dropped, "lines for Logstash were dropped; it did not take them before the end");
        }
    }
}

/// Says where a panic was. What it said is said by whoever notices its end, once, and escaped as anything else is.
fn say_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "a task panicked, which is a defect of this program");
}
