//! Runs the chaos scenarios against the release build of the real binary, and prints what they have shown.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use mymonit_chaos::{Form, Scenario, Setting, table};

#[derive(Debug, Parser)]
#[command(name = "mymonit-chaos", about = "Breaks everything around MyMONIT, and counts what is left")]
struct Arguments {
    /// Only these scenarios, in this order; all, unless any is named.
    #[arg(value_parser = scenario)]
    scenarios: Vec<Scenario>,
    /// As little as the ordinary tests break.
    #[arg(long)]
    short: bool,
    /// What everything that is left to chance follows from; a random one, unless it is given.
    #[arg(long)]
    seed: Option<u64>,
    /// This binary instead of the release, which is built otherwise.
    #[arg(long)]
    binary: Option<PathBuf>,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::ALL
        .into_iter()
        .find(|scenario| scenario.name() == name)
        .ok_or_else(|| format!("there are only {}", Scenario::ALL.map(Scenario::name).join(", ")))
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let setting = Setting {
        // The service runs in a folder of its own.
        binary: match arguments.binary {
            Some(binary) => binary.canonicalize().with_context(|| binary.display().to_string())?,
            None => build()?,
        },
        form: if arguments.short { Form::Short } else { Form::Long },
        seed: arguments.seed.unwrap_or_else(rand::random),
    };
    let mut scenarios = arguments.scenarios;
    if scenarios.is_empty() {
        scenarios.extend(Scenario::ALL);
    }
    say(&format!("the seed is {}", setting.seed));
    let mut results = Vec::new();
    for scenario in scenarios {
        let name = scenario.name();
        say(&format!("{name} …"));
        let began = Instant::now();
        let result = scenario.run(&setting).await.map_err(|error| format!("{error:#}"));
        match &result {
            Ok(_) => say(&format!("{name} held, after {:.0} s", began.elapsed().as_secs_f64())),
            Err(why) => say(&format!("{name} FAILED: {why}")),
        }
        results.push((name.to_owned(), result));
    }
    say(&format!("\n{}", table(&results)));
    let all_held = results.iter().all(|(_, result)| result.is_ok());
    Ok(if all_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds `mymonit` as it is released and gives its path.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(["build", "--release", "--locked", "-p", "mymonit-app"]).status()?;
    ensure!(status.success(), "the build of mymonit ended with {status}");
    // This program is built into the same folder, when it is run as a release as well.
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(|folder| folder.parent()).context("the folder of this program")?;
    Ok(target.join("release").join("mymonit"))
}

#[expect(clippy::print_stdout, reason = "what is printed is what this is run for")]
fn say(text: &str) {
    println!("{text}");
}
