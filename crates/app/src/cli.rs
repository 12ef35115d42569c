//! The command line (specification §1).

use clap::{Args, Parser, Subcommand};

use crate::configuration::Listeners;

/// MyMONIT collects the measurements of scientific experiments and gives them to the scientists who may see
/// them. It is configured by environment variables, which the README lists.
#[derive(Debug, Parser)]
#[command(name = "mymonit", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

impl Arguments {
    /// The arguments that the process was started with; wrong ones end it with what is allowed.
    pub(crate) fn of_process() -> Self {
        Self::parse()
    }

    /// What to do; plain `mymonit` serves.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(Serve::default()))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Takes in measures and answers clients until SIGTERM or SIGINT (the default).
    Serve(Serve),
    /// Brings the database schema up to date and exits.
    Migrate,
    /// Evaluation mode only: prints an ID token for a user.
    Token {
        /// The staff identification, such as S001.
        user_id: String,
    },
    /// Prints the OpenAPI document of the REST API, the same text as `api.yaml`.
    Openapi,
    /// Exits with 0 if the running service is ready, for container health checks.
    Healthcheck,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    /// Everything on this machine, with example data and own tokens, and nothing to configure.
    #[arg(long)]
    pub(crate) evaluation: bool,
    /// Runs only these listeners: `rest`, `rabbit`, or both with a comma between them (the default). Counts more than
    /// the variable LISTENERS.
    #[arg(long)]
    pub(crate) listeners: Option<Listeners>,
}
