//! Runs the chaos scenarios with the release build and prints the results.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use mymonit_chaos::{Form, Scenario, Setting, table};
use mymonit_test_support::build_release;

#[derive(Debug, Parser)]
#[command(name = "mymonit-chaos", about = "Runs fault scenarios and checks that nothing is lost or doubled")]
struct Arguments {
    /// Runs only these scenarios, in this order (default: all).
    #[arg(value_parser = scenario)]
    scenarios: Vec<Scenario>,
    /// Runs the short form, as the ordinary tests do.
    #[arg(long)]
    short: bool,
    /// The seed of all random choices (default: random).
    #[arg(long)]
    seed: Option<u64>,
    /// The service's binary (default: a new release build).
    #[arg(long)]
    binary: Option<PathBuf>,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    let names = || Scenario::ALL.iter().map(|scenario| scenario.name()).collect::<Vec<_>>().join(", ");
    let found = Scenario::ALL.iter().copied().find(|scenario| scenario.name() == name);
    found.ok_or_else(|| format!("allowed is one of {}", names()))
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let setting = Setting {
        // The service runs in a temporary folder.
        binary: match arguments.binary {
            Some(binary) => binary.canonicalize().with_context(|| binary.display().to_string())?,
            None => build_release("mymonit-app", "mymonit")?,
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

#[expect(clippy::print_stdout, reason = "a command-line program")]
fn say(text: &str) {
    println!("{text}");
}
