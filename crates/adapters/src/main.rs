//! The binary `mymonit-adapter`: turns what instruments write into messages, each record once.
//!
//! `input` decodes the text of a stream; a parser of `format` finds the records; `mapping` makes
//! measures of each; `assemble` makes messages and groups of messages.
//!
//! A group is written to the `state` folder, published, and confirmed (`pipeline`, `publish`). It
//! holds the ids of its messages and how far the source was read, so that a kill loses nothing:
//!
//! After a kill, a record that no group holds is read again; a group is sent again with the same
//! ids, which the service recognises.

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
