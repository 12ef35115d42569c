//! The binary `mymonit-adapter`: publishes the output of instruments as messages, each record once.
//!
//! `input` decodes the text of a stream; a parser of `format` finds the records; `mapping` makes
//! measures of each; `assemble` makes messages and groups of messages.
//!
//! A group is written to the `state` folder, published, and confirmed (`pipeline`, `publish`). The
//! group holds the ids of its messages and the position in the source, so that a kill loses
//! nothing.
//!
//! After a kill, records of no group are read again. Groups are republished with the same ids,
//! which the service deduplicates.

mod assemble;
mod broker;
mod cli;
mod commands;
mod format;
mod input;
mod mapping;
mod message;
mod missing;
mod number;
mod output;
mod pipeline;
mod publish;
mod read;
mod record;
mod source;
mod state;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(cli::Arguments::of_process())
}
