//! What each command of the command line does.

mod healthcheck;
mod migrate;
mod openapi;
mod serve;
mod token;

use std::process::ExitCode;

pub(crate) use token::VALID_FOR as TOKEN_VALID_FOR;

use crate::cli::{Arguments, Command};
use std::time::Duration;

use mymonit_logging::{Logging, LoggingError};

use crate::configuration::{Configuration, ConfigurationError, Environment, LoggingConfiguration};

/// The exit status for a configuration that cannot be used, as for wrong arguments.
const WRONG_CONFIGURATION: u8 = 2;

/// How long the last lines may take to Logstash: a part of the 10 s that the service has to stop.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Runs the command, and says on standard error, in one line, why it could not be done.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    match execute(arguments.command(), &Environment::of_process()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("mymonit: {error:#}"));
            let is_configuration = error.downcast_ref::<ConfigurationError>().is_some();
            ExitCode::from(if is_configuration { WRONG_CONFIGURATION } else { 1 })
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
        Command::Token { user_id } => token::token(environment, &user_id).await,
        Command::Openapi => openapi::openapi(),
        Command::Healthcheck => healthcheck::healthcheck(environment).await,
    }
}

fn start_logging(environment: &Environment, evaluation: bool) -> anyhow::Result<Logging> {
    let evaluation = Configuration::is_evaluation(environment, evaluation)?;
    let LoggingConfiguration { filter, logstash } = LoggingConfiguration::read(environment, evaluation)?;
    Logging::start(&filter, logstash).map_err(|error| match error {
        LoggingError::Filter(_) => ConfigurationError::wrong("LOG_LEVEL", &filter, error).into(),
        other => other.into(),
    })
}

/// Writes a line to standard error, for who started the command; there may be no log yet.
#[expect(clippy::print_stderr, reason = "this is where commands speak to who started them")]
fn say(line: &str) {
    eprintln!("{line}");
}
