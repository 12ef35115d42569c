//! Throughput of the adapter from a CSV file to the broker, compared with a bare publisher and with
//! reading alone.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use lapin::message::Delivery;
use mymonit_test_support::{Pid, RabbitMq, ServiceProcess, build_release};
use tokio::time::sleep;

use crate::broker::Broker;
use crate::report::{line, median, to_f64};
use crate::usage::Usage;
use crate::workload::value;

const DESCRIPTION: &str = r#"
experiment = "device-vibrations"
measures_per_message = MEASURES
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

/// The measures per message to try, the last ones by default.
const MEASURES_PER_MESSAGE: [u64; 4] = [1, 10, 100, 1_000];
/// As many messages are enough to measure, however small they are.
const MAX_MESSAGES: u64 = 100_000;
/// Rows that are written to the file at once.
const ROWS_PER_WRITE: u64 = 10_000;
/// Often enough to see the use of the machine shortly before the end.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rows of the CSV file, of one measure each.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// How often everything is measured; the middle figure counts.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// One run of the adapter, or of the bare publisher, and the resources used on both sides.
#[derive(Debug, Clone, Copy)]
struct Run {
    took: Duration,
    publisher_cpu_s: f64,
    broker_cpu_s: f64,
    peak_mib: f64,
}

/// Runs the benchmark and prints its report.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let binary = match &options.binary {
        Some(binary) => fs::canonicalize(binary)?,
        None => build_release("mymonit-adapters", "mymonit-adapter")?,
    };
    let broker = RabbitMq::start().await?;
    for measures in MEASURES_PER_MESSAGE {
        let rows = options.rows.min(measures * MAX_MESSAGES);
        compare(&binary, &broker, measures, rows, options.rounds).await?;
    }
    Ok(())
}

/// Measures the adapter and its limits with messages of that size.
async fn compare(
    binary: &Path,
    broker: &RabbitMq,
    measures: u64,
    rows: u64,
    rounds: u32,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    write_source(folder.path(), measures, rows)?;
    let (mut adapter, mut bare, mut reading, mut shares) = (vec![], vec![], vec![], vec![]);
    let mut messages = 0;
    for round in 0..rounds {
        let state = folder.path().join(format!("state-{round}"));
        let state = state.to_str().context("a path in UTF-8")?;
        let url = broker.create_vhost().await?;
        let queue = Broker::connect(&url).await?;
        let by_adapter = publish(binary, folder.path(), broker, &url, &["--state", state]).await?;

        let published = queue.take_all().await?;
        messages = published.len();
        let by_bare = publish_bare(broker, published).await?;
        shares.push(by_bare.took.as_secs_f64() / by_adapter.took.as_secs_f64());
        adapter.push(by_adapter);
        bare.push(by_bare);
        reading.push(publish(binary, folder.path(), broker, &url, &["--dry-run"]).await?);
    }
    line(&format!("a CSV file of {rows} rows, in {messages} messages of {measures}"));
    line(&format!("  {:<34}{}", "adapter to broker", described(&adapter, rows)));
    line(&format!("  {:<34}{}", "bare publisher, the same messages", described(&bare, rows)));
    line(&format!("  {:<34}{}", "adapter, reading only (--dry-run)", described(&reading, rows)));
    line(&format!("  {:.2} of the bare publisher", median(shares)));
    Ok(())
}

/// The middle figure of each kind.
fn described(runs: &[Run], rows: u64) -> String {
    let middle = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    let per_million = 1e6 / to_f64(rows);
    format!(
        "{:>10.0} measures/s   CPU s per million: {:.2}, broker {:.2}   peak {:.0} MiB",
        to_f64(rows) / middle(|run| run.took.as_secs_f64()),
        middle(|run| run.publisher_cpu_s) * per_million,
        middle(|run| run.broker_cpu_s) * per_million,
        middle(|run| run.peak_mib),
    )
}

/// Publishes the adapter's messages from memory to a separate queue.
async fn publish_bare(broker: &RabbitMq, messages: Vec<Delivery>) -> anyhow::Result<Run> {
    let url = broker.create_vhost().await?;
    let pid = Pid::from_raw(i32::try_from(std::process::id())?).context("a process has a number")?;
    let own = || Usage::of(pid);
    let (own_before, broker_before) = (own()?, Usage::of(broker.pid()?)?);
    let started = Instant::now();
    let queue = Broker::connect(&url).await?;
    queue.publish_again(messages).await?;
    let took = started.elapsed();
    let own = own()?;
    let run = Run {
        took,
        publisher_cpu_s: own.cpu_since(own_before),
        broker_cpu_s: Usage::of(broker.pid()?)?.cpu_since(broker_before),
        peak_mib: own.peak_mib,
    };
    queue.purge().await?;
    Ok(run)
}

/// Writes a CSV file, and its description beside it.
fn write_source(folder: &Path, measures: u64, rows: u64) -> anyhow::Result<()> {
    use std::io::Write as _;
    let description = DESCRIPTION.replace("MEASURES", &measures.to_string());
    fs::write(folder.join("source.toml"), description)?;
    let mut file = fs::File::create(folder.join("values.csv"))?;
    file.write_all(b"time,frequency,note\n")?;
    let mut text = String::new();
    for first in (0..rows).step_by(usize::try_from(ROWS_PER_WRITE)?) {
        text.clear();
        for row in first..rows.min(first + ROWS_PER_WRITE) {
            let (second, millis) = (1_650_000_000 + row / 1_000, row % 1_000);
            writeln!(text, "{second}.{millis:03},{},ok", value(row))?;
        }
        file.write_all(text.as_bytes())?;
    }
    file.sync_all()?;
    Ok(())
}

/// Runs the adapter to its end.
async fn publish(
    binary: &Path,
    folder: &Path,
    broker: &RabbitMq,
    broker_url: &str,
    more: &[&str],
) -> anyhow::Result<Run> {
    let broker_before = Usage::of(broker.pid()?)?;
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
        sleep(POLL_INTERVAL).await;
    }
    let took = started.elapsed();
    let exit = process.wait_for_exit(Duration::from_secs(10)).await?;
    ensure!(exit.success(), "the adapter ended with {exit}: {:?}", process.lines());
    let broker_cpu_s = Usage::of(broker.pid()?)?.cpu_since(broker_before);
    Ok(Run { took, publisher_cpu_s: usage.cpu_s, broker_cpu_s, peak_mib: usage.peak_mib })
}
