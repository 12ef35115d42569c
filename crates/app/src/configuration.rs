//! The configuration of specification §7, by environment. A struct for each concern; its documentation
//! names the variables. Every variable `NAME` also works as `NAME_FILE`, the path of a file that holds the
//! value. A wrong value is one [`ConfigurationError`], which names the variable.

mod auth;
mod database;
mod environment;
mod listeners;
mod logging;
mod metrics;
mod page;
mod rabbit;
mod rest;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use auth::AuthConfiguration;
pub(crate) use database::{DatabaseConfiguration, DatabaseLocation};
pub(crate) use environment::{ConfigurationError, Environment};
pub(crate) use listeners::Listeners;
pub(crate) use logging::LoggingConfiguration;
pub(crate) use metrics::MetricsConfiguration;
pub(crate) use page::PageConfiguration;
pub(crate) use rabbit::max_message_bytes;
pub(crate) use rest::RestConfiguration;

use mymonit_rabbit_listener::RabbitConfiguration;

use crate::cli;

/// Where evaluation mode keeps its database and its key, beside the place where it is started.
const DATA_FOLDER: &str = "./data";

/// Everything that `mymonit serve` needs to know.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Whether this is evaluation mode: `EVALUATION`, or `--evaluation`.
    pub(crate) evaluation: bool,
    /// Which listeners run.
    pub(crate) listeners: Listeners,
    /// Where the measures are kept.
    pub(crate) database: DatabaseConfiguration,
    /// Where the measures come from.
    pub(crate) rabbit: RabbitConfiguration,
    /// Where clients are answered.
    pub(crate) rest: RestConfiguration,
    /// Where Prometheus is answered.
    pub(crate) metrics: MetricsConfiguration,
    /// Whose tokens are accepted; a process that answers no clients need not know.
    pub(crate) auth: Option<AuthConfiguration>,
    /// How the users of the page get such tokens.
    pub(crate) page: Option<PageConfiguration>,
    /// How long a `message-id` is remembered: `RABBIT_DEDUP_WINDOW_HOURS`.
    pub(crate) dedup_window: Duration,
    /// Whether the example data are added: `EXAMPLE_DATA`, always in evaluation mode.
    pub(crate) example_data: bool,
}

impl Configuration {
    /// Reads everything from the environment and the command line.
    pub(crate) fn read(
        environment: &Environment,
        arguments: &cli::Serve,
    ) -> Result<Self, ConfigurationError> {
        let evaluation = Self::is_evaluation(environment, arguments.evaluation)?;
        let listeners = Listeners::read(environment, arguments.listeners)?;
        // Evaluation mode always looks, since it refuses to run where Firebase is configured.
        let auth = (listeners.rest || evaluation).then(|| AuthConfiguration::read(environment, evaluation));
        let auth = auth.transpose()?;
        let page = auth.as_ref().map(|auth| PageConfiguration::read(environment, auth));
        Ok(Self {
            evaluation,
            listeners,
            database: DatabaseConfiguration::read(environment, evaluation)?,
            rabbit: rabbit::read(environment)?,
            rest: RestConfiguration::read(environment, evaluation)?,
            metrics: MetricsConfiguration::read(environment)?,
            auth,
            page: page.transpose()?,
            dedup_window: dedup_window(environment)?,
            example_data: evaluation || environment.flag("EXAMPLE_DATA")?,
        })
    }

    /// Whether evaluation mode is asked for, by argument or by `EVALUATION`.
    pub(crate) fn is_evaluation(
        environment: &Environment,
        argument: bool,
    ) -> Result<bool, ConfigurationError> {
        Ok(environment.flag("EVALUATION")? || argument)
    }
}

/// The file of the key that signs evaluation mode's tokens.
pub(crate) fn evaluation_key_file() -> PathBuf {
    PathBuf::from(DATA_FOLDER).join("evaluation.key")
}

fn dedup_window(environment: &Environment) -> Result<Duration, ConfigurationError> {
    const HOURS_OF_TEN_YEARS: u64 = 24 * 366 * 10;
    let hours = environment.number("RABBIT_DEDUP_WINDOW_HOURS", 24, 1..=HOURS_OF_TEN_YEARS)?;
    Ok(Duration::from_secs(hours * 60 * 60))
}
