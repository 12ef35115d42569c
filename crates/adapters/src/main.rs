//! The binary `mymonit-adapter`: turns what instruments write into messages (specification §4), each record once.
//!
//! How a record walks: an `input` gives the text of a stream, whatever its encoding; a parser of `format` finds the
//! records in it; the `mapping` makes measures of each; `assemble` puts measures into messages and messages into
//! groups; a group is made safe in the `state` folder, published, confirmed, and done with (`pipeline`, `publish`).
//!
//! Why each record arrives once: a message is on the disk before it is sent, with the id under which it is sent and
//! with how far its source has been read. So a kill at any moment leaves either a record that no message holds, which
//! is read again, or a message that is sent again as it was, under its id, which the service recognises.

mod assemble;
mod broker;
mod cli;
mod commands;
mod format;
mod input;
mod mapping;
mod message;
mod number;
mod pipeline;
mod publish;
mod read;
mod record;
mod say;
mod source;
mod state;
mod time;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(cli::Arguments::of_process())
}
