//! Logging: to the console as text or JSON lines, and to Logstash as JSON lines with ECS names.
//!
//! Secrets are masked by their type (`Faceted` in the model). Libraries log warnings at most.
//! Text is escaped, so that no value can end its line.

mod audit;
mod ecs;
mod entry;
mod filter;
mod logstash;
mod output;
mod text;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use filter::SafeFilter;
use logstash::Sending;
use output::Output;

pub use audit::{AUDIT, TracingAuditLog};
pub use logstash::{LogstashAddress, LogstashStatistics};
pub use mymonit_tls::TlsFiles;
pub use output::Console;

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

/// How lines look on the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON lines elsewhere.
    #[default]
    Auto,
    /// Text, coloured on a terminal.
    Text,
    /// JSON lines with ECS names.
    Json,
}

/// What is logged, how, and where to.
#[derive(Debug)]
pub struct LoggingConfiguration {
    /// A filter in tracing's syntax.
    pub filter: String,
    /// How lines look on the console.
    pub format: LogFormat,
    /// Where Logstash is, if lines go there too.
    pub logstash: Option<LogstashAddress>,
}

/// Logging that has been set up.
pub struct Logging {
    logstash: Option<Sending>,
}

impl Logging {
    /// Sets up logging for the whole process. Logstash may be unreachable.
    ///
    /// # Errors
    /// If the filter is not in tracing's syntax, or logging was set up before.
    pub fn start(console: Console, configuration: LoggingConfiguration) -> Result<Self, LoggingError> {
        let LoggingConfiguration { filter, format, logstash } = configuration;
        let filter = SafeFilter::parse(&filter)?;
        let logstash = logstash.map(Sending::start).transpose().map_err(LoggingError::Thread)?;
        let is_terminal = match console {
            Console::Output => std::io::stdout().is_terminal(),
            Console::Error => std::io::stderr().is_terminal(),
        };
        let output = Output {
            console,
            is_text: format == LogFormat::Text || format == LogFormat::Auto && is_terminal,
            is_coloured: is_terminal,
            logstash: logstash.as_ref().map(|sending| sending.buffer.clone()),
        };
        // Without a bridge for the `log` crate: only libraries use it.
        tracing::subscriber::set_global_default(Registry::default().with(output.with_filter(filter)))?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(Self { logstash })
    }

    /// The statistics of the lines for Logstash, if it is configured.
    pub fn logstash(&self) -> Option<Arc<LogstashStatistics>> {
        self.logstash.as_ref().map(|sending| sending.buffer.statistics.clone())
    }

    /// Waits, at most that long, until all lines are sent to Logstash, and logs how many were not.
    pub fn finish(self, within: Duration) {
        let Some(sending) = &self.logstash else { return };
        let dropped = sending.finish(within);
        if dropped > 0 {
            tracing::warn!(dropped, "Logstash lines dropped at the end");
        }
    }
}

/// Logs where a panic was. Its message is logged by the code that joins the task.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "task panicked; this is a defect of the program");
}
