//! The commands and their exit codes.

mod check;
mod init;
mod run;
mod service;

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::cli::{Arguments, Command};
use crate::output::print_line;

/// An input or output error: a file, a folder, the disk.
const FAILED: u8 = 1;
/// The options, the description or the environment are wrong. clap uses the same code.
const WRONG: u8 = 2;
/// Some records could not be read.
const UNPARSABLE: u8 = 3;
/// The broker refuses, or has been unreachable for too long.
const NO_BROKER: u8 = 4;
/// Stopped before everything was read and confirmed.
const STOPPED: u8 = 5;

/// Why a command ends early.
enum Ending {
    /// An error, with its exit code and message.
    Failure(Failure),
    /// The reader of the output has closed it (`| head`), which is not a failure.
    SeenEnough,
}

impl Ending {
    /// The ending for an error while printing a result.
    fn of_printing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::SeenEnough,
            _ => Failure::new(FAILED, format_args!("cannot print the result: {error}")).into(),
        }
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        Failure::from(error).into()
    }
}

/// Why a command fails: its exit code, which is not 0, and its message.
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn new(code: u8, text: impl fmt::Display) -> Self {
        Self { code, text: text.to_string() }
    }

    /// An error before the command has done anything.
    fn wrong(text: impl fmt::Display) -> Self {
        Self::new(WRONG, text)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(FAILED, error)
    }
}

/// Runs a command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Run(run) => run::run(run).map_err(Ending::from),
        Command::Check(check) => check::run(&check),
        Command::Init(init) => init::run(&init),
        Command::Completions { shell } => {
            Arguments::print_completions(shell).map(|()| 0).map_err(|error| Ending::of_printing(&error))
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Ending::SeenEnough) => ExitCode::SUCCESS,
        Err(Ending::Failure(failure)) => {
            print_line(failure.text.trim_end());
            ExitCode::from(failure.code)
        }
    }
}
