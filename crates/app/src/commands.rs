//! What each command of the command line does.

mod healthcheck;
mod migrate;
mod openapi;
mod serve;
mod token;

use std::process::ExitCode;

use crate::cli::{Arguments, Command};
use crate::configuration::{ConfigurationError, Environment, log_level};

/// The exit status for a configuration that cannot be used, as for wrong arguments.
const WRONG_CONFIGURATION: u8 = 2;

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
            start_logging(environment)?;
            serve::serve(environment, arguments.evaluation).await
        }
        Command::Migrate => {
            start_logging(environment)?;
            migrate::migrate(environment).await
        }
        Command::Token { user_id } => token::token(environment, &user_id).await,
        Command::Openapi => openapi::openapi(),
        Command::Healthcheck => healthcheck::healthcheck(environment).await,
    }
}

fn start_logging(environment: &Environment) -> Result<(), ConfigurationError> {
    let filter = log_level(environment)?;
    mymonit_logging::start(&filter).map_err(|error| ConfigurationError::wrong("LOG_LEVEL", &filter, error))
}

/// Writes a line to standard error, for who started the command; there may be no log yet.
#[expect(clippy::print_stderr, reason = "this is where commands speak to who started them")]
fn say(line: &str) {
    eprintln!("{line}");
}
