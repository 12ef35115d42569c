//! Tracing set-up: what the service says, and where it says it.
//!
//! On a terminal lines are coloured and for people; anywhere else each line is a JSON object. What may
//! not be said is not decided here but by the type of the value: see `Faceted` in the model.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The filter is not in tracing's syntax.
    #[error("must be a tracing filter such as `info` or `info,mymonit_storage=debug` ({0})")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was set up before in this process.
    #[error("logging is set up already")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the events that `filter` lets through to standard output.
///
/// # Errors
/// If the filter is not in tracing's syntax, or logging was set up before.
pub fn start(filter: &str) -> Result<(), LoggingError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let is_terminal = std::io::stdout().is_terminal();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(filter)?).with_ansi(is_terminal);
    if is_terminal {
        subscriber.finish().try_init()?;
    } else {
        subscriber.json().flatten_event(true).finish().try_init()?;
    }
    Ok(())
}
