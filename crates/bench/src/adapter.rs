//! How fast the adapter brings a CSV file to the broker, beside a bare publisher of the same messages, and beside
//! what it reads without publishing.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use mymonit_test_support::{RabbitMq, ServiceProcess};
use tokio::time::sleep;

use crate::broker::Broker;
use crate::report::{line, median, per_second, to_f64};
use crate::usage::Usage;

const DESCRIPTION: &str = r#"
experiment = "device-vibrations"
[input]
files = ["values.csv"]
[format]
kind = "csv"
[timestamp]
field = "time"
[[measures]]
measure = "hertz"
value = "frequency"
"#;

/// Rows that are written to the file at once.
const PORTION: u64 = 10_000;
/// Often enough to see the use of the machine shortly before the end.
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rows of the CSV file, of one measure each.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// How often everything is measured; the middle figure counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// One run of the adapter.
struct Run {
    took: Duration,
    usage: Usage,
}

/// Runs the benchmark and prints its report.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let binary = match &options.binary {
        Some(binary) => fs::canonicalize(binary)?,
        None => build()?,
    };
    let folder = tempfile::tempdir()?;
    write_source(folder.path(), options.rows)?;
    let broker = RabbitMq::start().await?;
    let (mut adapter, mut bare, mut reading, mut peak, mut cpu) = (vec![], vec![], vec![], vec![], vec![]);
    let mut messages = 0;
    for round in 0..options.rounds {
        let state = folder.path().join(format!("state-{round}"));
        let url = broker.create_vhost().await?;
        let queue = Broker::connect(&url).await?;
        let state = state.to_str().context("a path in UTF-8")?;
        let run = start(&binary, folder.path(), &url, &["--state", state]).await?;
        adapter.push(per_second(options.rows, run.took));
        peak.push(run.usage.peak_mib);
        cpu.push(run.usage.cpu_s * 1e6 / to_f64(options.rows));

        let bodies = queue.take_all().await?;
        messages = bodies.len();
        let other = Broker::connect(&broker.create_vhost().await?).await?;
        let started = Instant::now();
        other.fill(bodies.into_iter(), true).await?;
        bare.push(per_second(options.rows, started.elapsed()));

        reading
            .push(per_second(options.rows, start(&binary, folder.path(), &url, &["--dry-run"]).await?.took));
    }
    let (adapter, bare, reading) = (median(adapter), median(bare), median(reading));
    line(&format!("a CSV file of {} rows, in {messages} messages", options.rows));
    line(&format!(
        "adapter to broker                 {adapter:>10.0} measures/s   {:.2} of the bare publisher   peak {:.0} MiB   CPU s per million: {:.1}",
        adapter / bare,
        median(peak),
        median(cpu),
    ));
    line(&format!("bare publisher, the same messages {bare:>10.0} measures/s"));
    line(&format!("adapter, reading only (--dry-run) {reading:>10.0} measures/s"));
    Ok(())
}

fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built =
        Command::new(cargo).args(["build", "--release", "--locked", "-p", "mymonit-adapters"]).status()?;
    ensure!(built.success(), "the build of mymonit-adapter ended with {built}");
    // The benchmarks are built into the same folder.
    let own = std::env::current_exe()?;
    Ok(own.parent().context("the folder of this program")?.join("mymonit-adapter"))
}

/// Writes a CSV file, and its description beside it.
fn write_source(folder: &Path, rows: u64) -> anyhow::Result<()> {
    use std::io::Write as _;
    fs::write(folder.join("source.toml"), DESCRIPTION)?;
    let mut file = fs::File::create(folder.join("values.csv"))?;
    file.write_all(b"time,frequency,note\n")?;
    let mut text = String::new();
    for first in (0..rows).step_by(usize::try_from(PORTION)?) {
        text.clear();
        for row in first..rows.min(first + PORTION) {
            let (second, millis) = (1_650_000_000 + row / 1_000, row % 1_000);
            writeln!(text, "{second}.{millis:03},{},ok", crate::ingest::value(row))?;
        }
        file.write_all(text.as_bytes())?;
    }
    file.sync_all()?;
    Ok(())
}

/// Runs the adapter to its end.
async fn start(binary: &Path, folder: &Path, broker_url: &str, more: &[&str]) -> anyhow::Result<Run> {
    let started = Instant::now();
    let process = ServiceProcess::builder(binary)
        .args(["run", "--source", "source.toml"])
        .args(more)
        .env("RABBIT_URL", broker_url)
        .working_folder(folder)
        .start()
        .await?;
    let mut usage = Usage::of(process.pid()?)?;
    while let Ok(pid) = process.pid() {
        // It may have ended since.
        usage = Usage::of(pid).unwrap_or(usage);
        sleep(LOOK_EVERY).await;
    }
    let took = started.elapsed();
    let exit = process.wait_for_exit(Duration::from_secs(10)).await?;
    ensure!(exit.success(), "the adapter ended with {exit}: {:?}", process.lines());
    Ok(Run { took, usage })
}
