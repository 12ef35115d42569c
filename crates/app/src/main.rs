//! The binary `mymonit`: puts the rooms of the house together and runs them.

mod cli;
mod commands;
mod configuration;
mod container;
mod descriptors;
mod metrics;
mod page;
mod preparation;
mod upkeep;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(cli::Arguments::of_process()).await
}
