use std::io::{ErrorKind, Write, stderr, stdout};

use thiserror::Error;

/// An input with mistakes, which the message names.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct NotTaken(pub(super) String);

/// The reader of standard output has closed it (`| head`), which is not a failure.
#[derive(Debug, Error)]
#[error("standard output is closed")]
pub(super) struct OutputClosed;

/// Prints the result of a command.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut output = stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => anyhow::Error::from(error).context("cannot print the result"),
    })
}

/// Prints a line to standard error; logging may not be set up yet.
pub(super) fn print_error(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}
