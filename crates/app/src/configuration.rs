//! The configuration from environment variables, a struct for each concern. `NAME_FILE` names a
//! file with the value of `NAME`. A [`ConfigurationError`] names the variable.

mod address;
mod auth;
mod database;
mod environment;
mod listeners;
pub(crate) mod logging;
mod page;
mod rabbit;
mod rest;

use std::time::Duration;

use mymonit_rabbit_listener::RabbitConfiguration;

pub(crate) use address::ListenAddress;
pub(crate) use auth::AuthConfiguration;
pub(crate) use database::{DatabaseConfiguration, DatabaseLocation};
pub(crate) use environment::{ConfigurationError, Environment};
pub(crate) use listeners::Listeners;
pub(crate) use page::PageConfiguration;
pub(crate) use rest::RestConfiguration;

/// The configuration of `mymonit serve`.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// `EVALUATION`, or `--evaluation`.
    pub(crate) evaluation: bool,
    /// Which listeners run.
    pub(crate) listeners: Listeners,
    /// The database.
    pub(crate) database: DatabaseConfiguration,
    /// The broker.
    pub(crate) rabbit: RabbitConfiguration,
    /// The REST listener.
    pub(crate) rest: RestConfiguration,
    /// `METRICS_HOST`, `METRICS_PORT`.
    pub(crate) metrics: ListenAddress,
    /// Which tokens are accepted; not needed without the REST listener.
    pub(crate) auth: Option<AuthConfiguration>,
    /// The maximum age of a sign-in for irreversible changes: `ADMIN_AUTH_MAX_MINUTES`.
    pub(crate) max_sign_in_age: Option<Duration>,
    /// How the users of the page sign in.
    pub(crate) page: Option<PageConfiguration>,
    /// How long a `message-id` is kept: `RABBIT_DEDUP_WINDOW_HOURS`.
    pub(crate) dedup_window: Duration,
    /// The age at which measures are sealed; `None` turns sealing off: `SEAL_AFTER_HOURS`.
    pub(crate) seal_after: Option<Duration>,
    /// Whether messages without `user-id` are rejected: `RABBIT_REQUIRE_USER_ID`.
    pub(crate) require_user_id: bool,
    /// The limit of all rejected messages together: `REJECTED_MAX_BYTES`.
    pub(crate) rejected_max_bytes: u64,
    /// Whether the example data are added: `EXAMPLE_DATA`, always in evaluation mode.
    pub(crate) example_data: bool,
}

impl Configuration {
    /// Reads the environment; `listeners` of the command line override those of the environment.
    pub(crate) fn read(
        environment: &Environment,
        evaluation: bool,
        listeners: Option<Listeners>,
    ) -> Result<Self, ConfigurationError> {
        const TEN_GIB: u64 = 10 << 30;
        const MINUTES_OF_A_YEAR: u64 = 60 * 24 * 366;
        const HOURS_OF_TEN_YEARS: u64 = 24 * 366 * 10;
        let listeners = Listeners::read(environment, listeners)?;
        // Evaluation mode and Firebase exclude each other, also without the REST listener.
        let auth = (listeners.rest || evaluation).then(|| AuthConfiguration::read(environment, evaluation));
        let auth = auth.transpose()?;
        let page = auth.as_ref().map(|auth| PageConfiguration::read(environment, auth));
        let sign_in_minutes = environment.number("ADMIN_AUTH_MAX_MINUTES", 0, 0..=MINUTES_OF_A_YEAR)?;
        let dedup_hours = environment.number("RABBIT_DEDUP_WINDOW_HOURS", 24, 1..=HOURS_OF_TEN_YEARS)?;
        let seal_hours = environment.number("SEAL_AFTER_HOURS", 0, 0..=HOURS_OF_TEN_YEARS)?;
        Ok(Self {
            evaluation,
            listeners,
            database: DatabaseConfiguration::read(environment, evaluation)?,
            rabbit: rabbit::read(environment)?,
            rest: RestConfiguration::read(environment, evaluation)?,
            metrics: ListenAddress::read(environment, "METRICS", "127.0.0.1", 9464)?,
            auth,
            max_sign_in_age: (sign_in_minutes > 0).then(|| Duration::from_secs(sign_in_minutes * 60)),
            page: page.transpose()?,
            dedup_window: Duration::from_secs(dedup_hours * 60 * 60),
            seal_after: (seal_hours > 0).then(|| Duration::from_secs(seal_hours * 60 * 60)),
            require_user_id: environment.flag("RABBIT_REQUIRE_USER_ID")?,
            rejected_max_bytes: environment.number(
                "REJECTED_MAX_BYTES",
                TEN_GIB,
                1..=i64::MAX.unsigned_abs(),
            )?,
            example_data: evaluation || environment.flag("EXAMPLE_DATA")?,
        })
    }
}
