//! The commands of the command line.

mod blocks;
mod export;
mod healthcheck;
mod import;
mod import_legacy;
mod migrate;
mod output;
mod serve;
mod stop_signal;
mod token;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mymonit_logging::{Console, Logging, LoggingConfiguration, LoggingError, LogstashStatistics};

use crate::cli::Command;
use crate::configuration::{
    Configuration, ConfigurationError, DatabaseConfiguration, Environment, RestConfiguration, logging,
};
use crate::container::Storage;
use output::{NotTaken, OutputClosed, print, print_error};

/// The exit status for a wrong configuration, as for wrong arguments.
const WRONG_CONFIGURATION: u8 = 2;

/// The exit status for input that was refused.
const INPUT_REFUSED: u8 = 3;

/// How long the last lines may take to Logstash: a part of the 10 s of a graceful shutdown.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Runs the command; prints its error on standard error in one line.
pub(crate) async fn run(command: Command, environment: &Environment) -> ExitCode {
    match execute(command, environment).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<OutputClosed>() => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("mymonit: {error:#}"));
            ExitCode::from(match &error {
                error if error.is::<ConfigurationError>() => WRONG_CONFIGURATION,
                error if error.is::<NotTaken>() => INPUT_REFUSED,
                _ => 1,
            })
        }
    }
}

async fn execute(command: Command, environment: &Environment) -> anyhow::Result<()> {
    let evaluation = || environment.flag("EVALUATION");
    match command {
        Command::Serve(arguments) => {
            let evaluation = evaluation()? || arguments.evaluation;
            with_logging(Console::Output, logging::read(environment, evaluation)?, async |logstash| {
                let configuration = Configuration::read(environment, evaluation, arguments.listeners)?;
                serve::serve(configuration, logstash).await
            })
            .await
        }
        Command::Migrate => {
            with_logging(Console::Output, logging::read(environment, evaluation()?)?, async |_| {
                migrate::migrate(&Storage::open(DatabaseConfiguration::read(environment, evaluation()?)?)?)
                    .await
            })
            .await
        }
        Command::Export => {
            with_logging(Console::Error, logging::read(environment, evaluation()?)?, async |_| {
                export::export(&attached_storage(environment, evaluation()?).await?).await
            })
            .await
        }
        Command::Import { file, dry_run } => {
            with_logging(Console::Error, logging::read(environment, evaluation()?)?, async |_| {
                import::import(&attached_storage(environment, evaluation()?).await?, &file, dry_run).await
            })
            .await
        }
        Command::ImportLegacy { from } => {
            with_logging(Console::Output, logging::read(environment, evaluation()?)?, async |_| {
                let database = DatabaseConfiguration::read(environment, evaluation()?)?;
                import_legacy::import_legacy(&Storage::open(database)?, &from).await
            })
            .await
        }
        Command::Seal { older_than } => {
            with_logging(Console::Output, logging::read(environment, evaluation()?)?, async |_| {
                Box::pin(blocks::seal(&attached_storage(environment, evaluation()?).await?, older_than)).await
            })
            .await
        }
        Command::Unseal => {
            with_logging(Console::Output, logging::read(environment, evaluation()?)?, async |_| {
                Box::pin(blocks::unseal(&attached_storage(environment, evaluation()?).await?)).await
            })
            .await
        }
        Command::Verify => {
            with_logging(Console::Output, logging::read(environment, evaluation()?)?, async |_| {
                Box::pin(blocks::verify(&attached_storage(environment, evaluation()?).await?)).await
            })
            .await
        }
        Command::Token { user_id } => {
            with_logging(Console::Error, logging::read(environment, true)?, async |_| {
                token::token(environment, &user_id).await
            })
            .await
        }
        Command::Openapi => print(mymonit_rest_listener::openapi_yaml()),
        Command::Healthcheck => {
            let url = RestConfiguration::read(environment, evaluation()?)?.local_url("/health/ready");
            healthcheck::healthcheck(&url).await
        }
    }
}

/// Runs a command with logging, and waits for its last lines to reach Logstash.
async fn with_logging(
    console: Console,
    configuration: LoggingConfiguration,
    command: impl AsyncFnOnce(Option<Arc<LogstashStatistics>>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let filter = configuration.filter.clone();
    let logging = Logging::start(console, configuration).map_err(|error| match error {
        LoggingError::Filter(_) => ConfigurationError::wrong("LOG_LEVEL", filter, error).into(),
        other => anyhow::Error::from(other),
    })?;
    let ended = command(logging.logstash()).await;
    logging.finish(LAST_LINES);
    ended
}

/// The configured database, whose schema must be up to date.
async fn attached_storage(environment: &Environment, evaluation: bool) -> anyhow::Result<Storage> {
    let storage = Storage::open(DatabaseConfiguration::read(environment, evaluation)?)?;
    storage.database().attach().await?;
    Ok(storage)
}
