//! The command line (specification §1).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mymonit_model::Timestamp;

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
    /// Prints users, experiments, associations and measure types as one JSON document, or the measures of an
    /// experiment. Changes nothing.
    Export(Export),
    /// Takes in such a document, or measures. What a document does not mention is left as it is; one with a mistake
    /// changes nothing.
    Import(Import),
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

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(subcommand)]
    pub(crate) what: Option<ExportWhat>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportWhat {
    /// Prints all measures of an experiment, oldest first, as `import measures` takes them.
    Measures(ExportMeasures),
}

#[derive(Debug, Args)]
pub(crate) struct ExportMeasures {
    /// The name of the experiment.
    #[arg(long)]
    pub(crate) experiment: String,
    /// One JSON object on a line, or comma-separated values with a header.
    #[arg(long, value_enum, default_value_t = LineFormat::Ndjson)]
    pub(crate) format: LineFormat,
    /// Not before this moment: RFC 3339, or Unix seconds.
    #[arg(long)]
    pub(crate) from: Option<Timestamp>,
    /// Before this moment: RFC 3339, or Unix seconds.
    #[arg(long)]
    pub(crate) to: Option<Timestamp>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) what: Option<ImportWhat>,
    /// The file of the document, or `-` for standard input.
    #[arg(required = true)]
    pub(crate) file: Option<PathBuf>,
    /// Shows what would be changed, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportWhat {
    /// Stores measures, each line as a message from the broker would be: what cannot be stored is kept among the
    /// rejected messages. The same file again is recognised within the deduplication window (24 h unless
    /// RABBIT_DEDUP_WINDOW_HOURS says otherwise); after it, everything would be stored a second time.
    Measures(ImportMeasures),
}

#[derive(Debug, Args)]
pub(crate) struct ImportMeasures {
    /// The file, or `-` for standard input.
    pub(crate) file: PathBuf,
    /// How the file is written; by default CSV if its name ends in `.csv`, and NDJSON otherwise.
    #[arg(long, value_enum)]
    pub(crate) format: Option<LineFormat>,
}

/// How measures are written, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineFormat {
    /// A JSON object on each line, as in a message.
    Ndjson,
    /// Comma-separated values with the columns experiment, measure, value and timestamp.
    Csv,
}
