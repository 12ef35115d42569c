//! How fast messages come out of the queue and into the database, beside the two limits of that: a consumer that
//! only acknowledges, and the database's own client that only inserts.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use mymonit_test_support::{MariaDb, RabbitMq};
use tokio::time::sleep;

use crate::broker::Broker;
use crate::report::{line, per_second, to_f64};
use crate::service::{self, Service};
use crate::usage::Usage;
use crate::{broker, database};

/// How often the queue's length is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MEASURES_PER_ARRAY: u64 = 100;
const LONE_MESSAGES: u64 = 200;
/// A database server as in production: each commit reaches the disk. (Servers for tests save themselves that.)
const DURABLE: [&str; 3] =
    ["--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=O_DIRECT", "--innodb-buffer-pool-size=1G"];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Messages of one measure each; a hundredth of ten times as many arrays of 100 measures.
    #[arg(long, default_value_t = 200_000)]
    messages: u64,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// The value of a benchmark's nth measure: any number whose decimal form has many digits.
pub(crate) fn value(number: u64) -> f64 {
    to_f64(number) * 1.000_1 + 0.123_456_789
}

fn measure(number: u64) -> String {
    let (second, nanos) = (1_650_000_000 + number / 1_000, (number % 1_000) * 1_000_000);
    let value = value(number);
    format!(
        r#"{{"experiment":"device-vibrations","measure":"hertz","value":{value},"timestamp":{second}.{nanos:09}}}"#
    )
}

fn singles(count: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| measure(number).into_bytes())
}

fn arrays(count: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|array| {
        let first = array * MEASURES_PER_ARRAY;
        let measures: Vec<_> = (first..first + MEASURES_PER_ARRAY).map(measure).collect();
        format!("[{}]", measures.join(",")).into_bytes()
    })
}

/// What the service does in one run.
struct Run {
    messages: u64,
    measures: u64,
    took: Duration,
    service: Usage,
    database_cpu_s: f64,
    broker_cpu_s: f64,
}

impl Run {
    fn report(&self, name: &str, limit_name: &str, rate: f64, limit: f64) {
        let per_million = 1e6 / to_f64(self.measures);
        line(&format!(
            "{name:<44} {:>9.0} messages/s {:>9.0} measures/s   {:.2} of {limit_name}   peak {:.0} MiB   CPU s per million: service {:.1}, database {:.1}, broker {:.1}",
            per_second(self.messages, self.took),
            per_second(self.measures, self.took),
            rate / limit,
            self.service.peak_mib,
            self.service.cpu_s * per_million,
            self.database_cpu_s * per_million,
            self.broker_cpu_s * per_million,
        ));
    }

    fn messages_per_second(&self) -> f64 {
        per_second(self.messages, self.took)
    }

    fn measures_per_second(&self) -> f64 {
        per_second(self.measures, self.took)
    }
}

/// The servers of the benchmark.
struct Servers {
    database: MariaDb,
    broker: RabbitMq,
}

impl Servers {
    /// Lets the service drain a full queue into an empty database.
    async fn run(
        &self,
        binary: &Path,
        bodies: impl Iterator<Item = Vec<u8>>,
        (messages, measures): (u64, u64),
        with_message_ids: bool,
    ) -> anyhow::Result<Run> {
        let database_url = self.database.create_database().await?;
        let database = database_url.rsplit('/').next().unwrap_or_default().to_owned();
        let broker_url = self.broker.create_vhost().await?;
        make_schema(binary, &database_url, &broker_url).await?;
        let queue = Broker::connect(&broker_url).await?;
        queue.fill(bodies, with_message_ids).await?;
        let (database_pid, broker_pid) = (self.database.pid()?, self.broker.pid()?);
        let (database_before, broker_before) = (Usage::of(database_pid)?, Usage::of(broker_pid)?);

        let service = Service::start(binary, &database_url, &broker_url).await?;
        let full = queue.waiting().await?;
        let start = loop {
            if queue.waiting().await? < full {
                break Instant::now();
            }
            // Whoever is not running has no process id.
            service.pid()?;
            sleep(Duration::from_millis(1)).await;
        };
        while queue.waiting().await? > 0 {
            sleep(LOOK_EVERY).await;
        }
        // The example data has ten measures.
        database::wait_for_rows(&self.database, &database, measures + 10).await?;
        let took = start.elapsed();
        let usage = Usage::of(service.pid()?)?;
        let run = Run {
            messages,
            measures,
            took,
            service: usage,
            database_cpu_s: Usage::of(database_pid)?.cpu_since(database_before),
            broker_cpu_s: Usage::of(broker_pid)?.cpu_since(broker_before),
        };
        service.stop().await?;
        self.database.execute(&format!("DROP DATABASE {database}")).await?;
        Ok(run)
    }

    /// The greatest speed at which anybody can take these messages out of the queue.
    async fn drain(&self, bodies: impl Iterator<Item = Vec<u8>>, count: u64) -> anyhow::Result<f64> {
        let queue = broker::Broker::connect(&self.broker.create_vhost().await?).await?;
        queue.fill(bodies, false).await?;
        Ok(per_second(count, queue.drain(count).await?))
    }

    /// The greatest speed at which the database's own client inserts these rows, in the same table.
    async fn insert(&self, binary: &Path, rows: u64) -> anyhow::Result<f64> {
        let database_url = self.database.create_database().await?;
        let database = database_url.rsplit('/').next().unwrap_or_default().to_owned();
        let broker_url = self.broker.create_vhost().await?;
        make_schema(binary, &database_url, &broker_url).await?;
        let took = database::insert_by_client(&self.database, &database, rows).await?;
        self.database.execute(&format!("DROP DATABASE {database}")).await?;
        Ok(per_second(rows, took))
    }
}

/// Has the service make its tables, so that this is no part of what is measured.
async fn make_schema(binary: &Path, database_url: &str, broker_url: &str) -> anyhow::Result<()> {
    let service = Service::start(binary, database_url, broker_url).await?;
    service.wait_until_ready().await?;
    service.stop().await
}

/// How long a lone message takes from its publishing until it can be read over REST, on an idle system.
async fn lone(servers: &Servers, binary: &Path, database_url: &str) -> anyhow::Result<Vec<Duration>> {
    let broker_url = servers.broker.create_vhost().await?;
    let service = Service::start(binary, database_url, &broker_url).await?;
    service.wait_until_ready().await?;
    let token = service.token(binary, database_url)?;
    let queue = Broker::connect(&broker_url).await?;
    let mut times = Vec::new();
    for number in 0..LONE_MESSAGES {
        let start = Instant::now();
        // Each newer than the one before, and so the first one of the answer.
        queue.fill(std::iter::once(measure(number * 1_000).into_bytes()), false).await?;
        while service.newest(&token).await?[0]["value"] != value(number * 1_000) {
            // Asking is all there is to wait for.
        }
        times.push(start.elapsed());
    }
    service.stop().await?;
    times.sort_unstable();
    Ok(times)
}

fn report_lone(name: &str, times: &[Duration]) {
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1_000.0;
    let (p50, p99, worst) = (at(50), at(99), at(100));
    line(&format!("{name:<44} p50 {p50:.1} ms   p99 {p99:.1} ms   worst {worst:.1} ms"));
}

/// Takes all figures and prints them.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let singles_count = options.messages;
    let arrays_count = options.messages * 10 / MEASURES_PER_ARRAY;
    let rows = arrays_count * MEASURES_PER_ARRAY;
    // The service runs in a folder of its own, so a relative path would lead nowhere.
    let binary = options.binary.clone().map_or_else(service::build, Ok)?.canonicalize()?;
    let servers =
        Servers { database: MariaDb::start_with(&DURABLE).await?, broker: RabbitMq::start().await? };

    let drain = servers.drain(singles(singles_count), singles_count).await?;
    line(&format!("{:<44} {drain:>9.0} messages/s", "drain only, one measure per message"));
    for (name, ids) in
        [("service, one measure per message", false), ("service, one per message, message-id", true)]
    {
        let run = servers.run(&binary, singles(singles_count), (singles_count, singles_count), ids).await?;
        run.report(name, "drain only", run.messages_per_second(), drain);
    }
    let insert = servers.insert(&binary, rows).await?;
    line(&format!("{:<44} {insert:>9.0} rows/s", "insert limit, mariadb client"));
    for (name, ids) in
        [("service, 100 measures per message", false), ("service, 100 per message, message-id", true)]
    {
        let run = servers.run(&binary, arrays(arrays_count), (arrays_count, rows), ids).await?;
        run.report(name, "insert limit", run.measures_per_second(), insert);
    }
    let folder = tempfile::tempdir()?;
    let mariadb = servers.database.create_database().await?;
    let sqlite = format!("sqlite://{}", folder.path().join("mymonit.db").display());
    report_lone("lone message until readable, MariaDB", &lone(&servers, &binary, &mariadb).await?);
    report_lone("lone message until readable, SQLite", &lone(&servers, &binary, &sqlite).await?);
    Ok(())
}
