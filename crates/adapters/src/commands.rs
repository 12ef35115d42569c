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

/// Why a command ends with a code that is not 0, and what is said.
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn new(code: u8, text: impl fmt::Display) -> Self {
        Self { code, text: text.to_string() }
    }

    /// What it means that a result cannot be printed: whoever reads it may have seen enough (`| head`), which is no failure
    /// and nothing to speak of.
    fn of_printing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::new(FAILED, format_args!("cannot print the result: {error}")),
        }
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
        Command::Run(run) => run::run(run),
        Command::Check(check) => check::run(&check),
        Command::Completions { shell } => {
            Arguments::print_completions(shell).map(|()| 0).map_err(|error| Failure::of_printing(&error))
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if failure.code != 0 {
                tell(failure.text.trim_end());
            }
            ExitCode::from(failure.code)
        }
    }
}
