//! The command line.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::source::flags::SourceFlags;

const EXAMPLES: &str = "\
Examples:
  A number in each line, measured now:
    tail -f values.txt | mymonit-adapter run --experiment device-vibrations --measure hertz
  The same, without losing a line to a restart or a rotation:
    mymonit-adapter run --experiment device-vibrations --measure hertz --follow values.txt
  Two columns of a CSV file:
    mymonit-adapter run --experiment device-vibrations --measure hertz \\
      --format csv --timestamp time --value frequency run-17.csv
  Anything else, described in a file (see docs/adapters.md):
    mymonit-adapter check --source station.toml
    mymonit-adapter run --source station.toml

The broker is named by the environment, as for the service: RABBIT_URL (localhost), RABBIT_USER,
RABBIT_PASSWORD (guest), RABBIT_EXCHANGE, RABBIT_ROUTING, RABBIT_CA_FILE, RABBIT_CLIENT_IDENTITY_FILE.
Each of them also works as NAME_FILE, with the path of a file that holds the value.

Exit codes:
  0  all records were read, and every message is with the broker
  1  something failed: a file, a folder, the disk
  2  the options, the description or the environment are wrong
  3  done, but some records could not be read; they are in the file of unparsable records
  4  the broker refuses, or was unreachable for longer than --give-up-after; all is kept for the next run.
     Or the service has rejected messages
  5  stopped before everything was read and confirmed; the next run continues from there";

/// Publishes to MyMONIT what instruments write: text, CSV, JSON or XML, from files, standard input,
/// growing files, and folders; each record exactly once, also after kills.
#[derive(Debug, Parser)]
#[command(name = "mymonit-adapter", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// The arguments of this process. Invalid ones end it with the usage.
    pub(crate) fn of_process() -> Self {
        Self::parse()
    }

    /// Prints what a shell needs to complete the command line.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn print_completions(shell: Shell) -> io::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Self::command(), "mymonit-adapter", &mut script);
        // clap_complete 4.6.11 uses two names for a command with a hyphen in its script for bash,
        // so that only the names of the subcommands would be completed.
        let script = String::from_utf8_lossy(&script).replace("mymonit__subcmd__adapter", "mymonit__adapter");
        let mut out = io::stdout().lock();
        out.write_all(script.as_bytes())?;
        out.flush()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads a source and publishes its measures.
    #[command(after_help = EXAMPLES, override_usage = usage("run"))]
    Run(Run),
    /// Shows the measures of the first records, and what does not parse.
    #[command(after_help = EXAMPLES, override_usage = usage("check"))]
    Check(Check),
    /// Reads a file, and prints a first description of it.
    Init(Init),
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The two ways to name the source.
fn usage(command: &str) -> String {
    format!(
        "mymonit-adapter {command} --source <FILE.toml> [OPTIONS] [FILE]...\n       \
         mymonit-adapter {command} --experiment <EXPERIMENT> --measure <MEASURE> [OPTIONS] [FILE]..."
    )
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// The folder for the state; else one named after the source in $STATE_DIRECTORY (systemd),
    /// $XDG_STATE_HOME/mymonit-adapter or ~/.local/state/mymonit-adapter.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
    /// The file for records that cannot be read; else unparsable.ndjson in the state folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) unparsable: Option<PathBuf>,
    /// Reads everything and publishes nothing; changes nothing either.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ends with code 4 when the broker has been unreachable for that long; else waits for it.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) give_up_after: Option<Duration>,
    /// Prints only problems.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    /// How many records of each file to show.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) first: u64,
    /// Asks the service at this address whether the experiments and measure types exist.
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<String>,
    /// An API token for --service; else MYMONIT_TOKEN, which is not in the list of processes.
    #[arg(long, requires = "service")]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file to read.
    pub(crate) file: PathBuf,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
