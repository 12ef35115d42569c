//! What each command does, and the exit codes.

mod check;
mod run;

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::cli::{Arguments, Command};
use crate::say::tell;

/// Something failed: a file, a folder, the disk.
const FAILED: u8 = 1;
/// The options, the description or the environment are wrong. (So says clap, too.)
const WRONG: u8 = 2;
/// Some records could not be read.
const UNPARSABLE: u8 = 3;
/// The broker refuses, or has been away for too long.
const NO_BROKER: u8 = 4;
/// Stopped before everything was read and confirmed.
const STOPPED: u8 = 5;

/// Why a command ends before it has done all that it was asked for.
enum Ending {
    /// Something is wrong: a code that is not 0, and what is said.
    Failure(Failure),
    /// Whoever reads what it prints has seen enough (`| head`), which is no failure and nothing to speak of.
    SeenEnough,
}

impl Ending {
    /// What it means that a result cannot be printed.
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

/// Why a command fails: the code that it ends with, which is not 0, and what is said.
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn new(code: u8, text: impl fmt::Display) -> Self {
        Self { code, text: text.to_string() }
    }

    /// What is wrong before anything is done.
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
        Command::Completions { shell } => {
            Arguments::print_completions(shell).map(|()| 0).map_err(|error| Ending::of_printing(&error))
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Ending::SeenEnough) => ExitCode::SUCCESS,
        Err(Ending::Failure(failure)) => {
            tell(failure.text.trim_end());
            ExitCode::from(failure.code)
        }
    }
}
