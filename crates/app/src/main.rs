//! The binary `mymonit`: reads the configuration, builds the components and runs them.

// The types of nested asynchronous functions are deep.
#![recursion_limit = "256"]

mod cli;
mod commands;
mod configuration;
mod container;
mod descriptors;
mod experiment_activity;
mod maintenance;
mod metrics;
mod page;
mod preparation;
mod sealing;
mod tasks;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let command = cli::Arguments::parse().command();
    let environment = configuration::Environment::of_process();
    commands::run(command, &environment).await
}
