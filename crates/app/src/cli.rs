//! The command line.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use mymonit_model::Faceted;

use crate::configuration::Listeners;

/// MyMONIT collects the measurements of scientific experiments and serves them to the scientists of
/// each experiment. It is configured by environment variables, listed in docs/reference.md.
#[derive(Debug, Parser)]
#[command(name = "mymonit", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

impl Arguments {
    /// The command; plain `mymonit` serves.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(Serve::default()))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stores measures from the broker and serves the REST API until SIGTERM or SIGINT (the
    /// default).
    Serve(Serve),
    /// Brings the database schema up to date and exits.
    Migrate,
    /// Prints users, experiments, associations and measure types as one JSON document. Changes
    /// nothing.
    Export,
    /// Imports such a document. What it does not mention stays; a document with a mistake changes
    /// nothing.
    Import {
        /// The file of the document, or `-` for standard input.
        file: PathBuf,
        /// Prints the changes without making them.
        #[arg(long)]
        dry_run: bool,
    },
    /// Copies a database of the Python system of 2022 into the configured one, which must be empty.
    /// The old one is only read. Interrupted, it is started again on an emptied target.
    ImportLegacy {
        /// The old database: `mysql://user:password@host:port/database`.
        #[arg(long, value_name = "URL", value_parser = secret)]
        from: Faceted<String>,
    },
    /// Moves measures that are at least that old into compressed blocks.
    Seal {
        /// A number with a unit: `s`, `m`, `h` or `d`; `0s` is all up to now.
        #[arg(long, value_name = "AGE", default_value = "24h", value_parser = age)]
        older_than: Duration,
    },
    /// Turns all blocks back into rows. A running service seals them again unless SEAL_AFTER_HOURS
    /// is 0.
    Unseal,
    /// Reads all blocks, and fails if any is damaged.
    Verify,
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

fn age(text: &str) -> Result<Duration, String> {
    let parsed = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| is_plain)?;
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    parsed()
        .ok_or_else(|| "must be a whole number with a unit (`s`, `m`, `h` or `d`), such as `24h`".to_owned())
}

fn secret(text: &str) -> Result<Faceted<String>, Infallible> {
    Ok(text.to_owned().into())
}

#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    /// Runs on this machine alone, with example data and its own tokens, without any configuration.
    #[arg(long)]
    pub(crate) evaluation: bool,
    /// Runs only these listeners: `rest`, `rabbit`, or both separated by a comma (the default).
    /// Overrides LISTENERS.
    #[arg(long)]
    pub(crate) listeners: Option<Listeners>,
}
