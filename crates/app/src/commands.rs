//! What each command of the command line does.

mod export;
mod healthcheck;
mod import;
mod measure_lines;
mod migrate;
mod openapi;
mod serve;
mod stop_signal;
mod token;

use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use token::VALID_FOR as TOKEN_VALID_FOR;

use mymonit_logging::{Logging, LoggingError};
use thiserror::Error;

use crate::cli::{Arguments, Command};
use crate::configuration::{
    Configuration, ConfigurationError, DatabaseConfiguration, Environment, LoggingConfiguration,
};
use crate::container::Storage;

/// The exit status for a configuration that cannot be used, as for wrong arguments.
const WRONG_CONFIGURATION: u8 = 2;

/// The exit status for input that was read and not taken, or not all of it.
const NOT_TAKEN: u8 = 3;

/// Input was read, and it or some of it was not taken: what is wrong with it, for who gave it.
#[derive(Debug, Error)]
#[error("{0}")]
struct NotTaken(String);

/// Whoever reads what a command prints has seen enough (`| head`), which is no failure.
#[derive(Debug, Error)]
#[error("nobody reads standard output any more")]
struct SeenEnough;

/// What it means that a command could not print what it was asked for.
fn cannot_print(error: io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => SeenEnough.into(),
        _ => anyhow::Error::from(error).context("cannot print the result"),
    }
}

/// Prints what a command was asked for.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(cannot_print)
}

/// How long the last lines may take to Logstash: a part of the 10 s that the service has to stop.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Runs the command, and says on standard error, in one line, why it could not be done.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    match execute(arguments.command(), &Environment::of_process()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<SeenEnough>() => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("mymonit: {error:#}"));
            ExitCode::from(match &error {
                error if error.is::<ConfigurationError>() => WRONG_CONFIGURATION,
                error if error.is::<NotTaken>() => NOT_TAKEN,
                _ => 1,
            })
        }
    }
}

async fn execute(command: Command, environment: &Environment) -> anyhow::Result<()> {
    match command {
        Command::Serve(arguments) => {
            let logging = start_logging(environment, arguments.evaluation)?;
            let ended = serve::serve(environment, &arguments, logging.logstash()).await;
            logging.finish(LAST_LINES);
            ended
        }
        Command::Migrate => {
            let logging = start_logging(environment, false)?;
            let ended = migrate::migrate(environment).await;
            logging.finish(LAST_LINES);
            ended
        }
        Command::Export(arguments) => {
            let logging = start_logging_beside_output(environment)?;
            let ended = export::export(environment, arguments).await;
            logging.finish(LAST_LINES);
            ended
        }
        Command::Import(arguments) => {
            let logging = start_logging_beside_output(environment)?;
            let ended = import::import(environment, arguments).await;
            logging.finish(LAST_LINES);
            ended
        }
        Command::Token { user_id } => token::token(environment, &user_id).await,
        Command::Openapi => openapi::openapi(),
        Command::Healthcheck => healthcheck::healthcheck(environment).await,
    }
}

fn start_logging(environment: &Environment, evaluation: bool) -> anyhow::Result<Logging> {
    let LoggingConfiguration { filter, logstash } = logging_configuration(environment, evaluation)?;
    Logging::start(&filter, logstash).map_err(|error| logging_error(&filter, error))
}

/// For commands whose standard output is their result.
fn start_logging_beside_output(environment: &Environment) -> anyhow::Result<Logging> {
    let LoggingConfiguration { filter, logstash } = logging_configuration(environment, false)?;
    Logging::start_beside_output(&filter, logstash).map_err(|error| logging_error(&filter, error))
}

fn logging_configuration(
    environment: &Environment,
    evaluation: bool,
) -> anyhow::Result<LoggingConfiguration> {
    let evaluation = Configuration::is_evaluation(environment, evaluation)?;
    Ok(LoggingConfiguration::read(environment, evaluation)?)
}

fn logging_error(filter: &str, error: LoggingError) -> anyhow::Error {
    match error {
        LoggingError::Filter(_) => ConfigurationError::wrong("LOG_LEVEL", filter, error).into(),
        other => other.into(),
    }
}

/// The storage that the environment names, to be used as it is.
async fn attached_storage(environment: &Environment) -> anyhow::Result<Storage> {
    let evaluation = Configuration::is_evaluation(environment, false)?;
    let storage = Storage::open(DatabaseConfiguration::read(environment, evaluation)?)?;
    storage.attach().await?;
    Ok(storage)
}

/// Writes a line to standard error, for who started the command; there may be no log yet, and nobody who reads.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
