//! Throughput from the queue to the database, beside its two limits: a consumer that only
//! acknowledges, and the database's own client that only inserts.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use mymonit_test_support::{MySqlServer, RabbitMq};

use crate::broker::Broker;
use crate::database::{DURABLE, Database};
use crate::report::{line, median, per_second, to_f64};
use crate::service::{self, Service};
use crate::usage::Usage;
use crate::workload::{Load, MEASURES_PER_ARRAY, measure, singles, value};

const SINGLE_MESSAGES: u64 = 200;
/// How many statements of a thousand rows the client commits at once: the better of two is the
/// limit.
const STATEMENTS_PER_TRANSACTION: [u64; 2] = [1, 20];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Messages of one measure each, in each round; a tenth as many arrays of 100 measures.
    #[arg(long, default_value_t = 200_000)]
    messages: u64,
    /// Rounds: limit and service take turns, and the middle one of the ratios counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Messages of one measure each in the backlog that one process drains, and two; 0 leaves these
    /// figures out.
    #[arg(long, default_value_t = 1_000_000)]
    backlog: u64,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// What the service did with a load.
pub(crate) struct Run {
    load: Load,
    took: Duration,
    /// Of the process that took most.
    peak_mib: f64,
    service_cpu_s: f64,
    database_cpu_s: f64,
    broker_cpu_s: f64,
    /// What the tables take on disk, in bytes, by their names.
    pub(crate) tables: Vec<(String, u64)>,
}

impl Run {
    /// Prints the run beside its limit, both in measures a second.
    pub(crate) fn report(&self, limit_name: &str, limit: f64) {
        let per_million = 1e6 / to_f64(self.load.measures());
        line(&format!(
            "{:<52} {:>8.0} messages/s {:>8.0} measures/s  {:.2} of {limit_name}  peak {:.0} MiB  CPU s per million measures: service {:.1}, database {:.1}, broker {:.1}",
            self.load.name,
            per_second(self.load.messages, self.took),
            self.measures_per_second(),
            self.measures_per_second() / limit,
            self.peak_mib,
            self.service_cpu_s * per_million,
            self.database_cpu_s * per_million,
            self.broker_cpu_s * per_million,
        ));
    }

    pub(crate) fn measures_per_second(&self) -> f64 {
        per_second(self.load.measures(), self.took)
    }
}

/// The servers of the benchmark.
pub(crate) struct Servers {
    pub(crate) database: MySqlServer,
    pub(crate) broker: RabbitMq,
}

impl Servers {
    /// Starts them.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Ok(Self { database: MySqlServer::start_with(&DURABLE).await?, broker: RabbitMq::start().await? })
    }

    /// Lets the service drain a full queue into an empty database. The time runs from the start of
    /// the processes, so their coming up is in it, to the last committed row.
    pub(crate) async fn run(&self, binary: &Path, load: Load) -> anyhow::Result<Run> {
        let database = Database::create(&self.database).await?;
        let broker_url = self.broker.create_vhost().await?;
        make_schema(binary, &database.url, &broker_url).await?;
        let queue = Broker::connect(&broker_url).await?;
        queue.fill(load.bodies(), load.with_message_ids).await?;
        let (database_pid, broker_pid) = (self.database.pid()?, self.broker.pid()?);
        let (database_before, broker_before) = (Usage::of(database_pid)?, Usage::of(broker_pid)?);

        let start = Instant::now();
        let mut services = Vec::new();
        for _ in 0..load.processes {
            services.push(Service::start(binary, &database.url, &broker_url).await?);
        }
        queue.wait_until_empty().await?;
        database.wait_for_measures(load.measures()).await?;
        let took = start.elapsed();
        let usages =
            services.iter().map(|service| Usage::of(service.pid()?)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut run = Run {
            load,
            took,
            peak_mib: usages.iter().map(|usage| usage.peak_mib).fold(0.0, f64::max),
            service_cpu_s: usages.iter().map(|usage| usage.cpu_s).sum(),
            database_cpu_s: Usage::of(database_pid)?.cpu_since(database_before),
            broker_cpu_s: Usage::of(broker_pid)?.cpu_since(broker_before),
            tables: Vec::new(),
        };
        for service in services {
            service.stop().await?;
        }
        database.check(load.measures()).await?;
        run.tables = database.tables().await?;
        database.drop().await?;
        Ok(run)
    }

    /// The maximum throughput at which any client can consume these messages.
    pub(crate) async fn drain(&self, count: u64) -> anyhow::Result<f64> {
        let queue = Broker::connect(&self.broker.create_vhost().await?).await?;
        queue.fill(singles(count), false).await?;
        let before = Usage::of(self.broker.pid()?)?;
        let rate = per_second(count, queue.drain(count).await?);
        let broker_cpu_s = Usage::of(self.broker.pid()?)?.cpu_since(before) * 1e6 / to_f64(count);
        line(&format!(
            "{:<52} {rate:>8.0} messages/s  CPU s per million measures: broker {broker_cpu_s:.1}",
            "drain only, one measure per message"
        ));
        Ok(rate)
    }

    /// The greatest speed at which the database's own client inserts these rows, in the same table.
    async fn insert(&self, binary: &Path, rows: u64) -> anyhow::Result<f64> {
        let mut best: f64 = 0.0;
        for statements in STATEMENTS_PER_TRANSACTION {
            let database = Database::create(&self.database).await?;
            make_schema(binary, &database.url, &self.broker.create_vhost().await?).await?;
            let rate = per_second(rows, database.insert_by_client(rows, statements).await?);
            database.check(rows).await?;
            database.drop().await?;
            let name = format!("mariadb client, {statements}000 rows in a transaction");
            line(&format!("{name:<52} {rate:>8.0} rows/s"));
            best = best.max(rate);
        }
        Ok(best)
    }
}

/// Lets the service migrate first, so that this is not measured.
async fn make_schema(binary: &Path, database_url: &str, broker_url: &str) -> anyhow::Result<()> {
    let service = Service::start(binary, database_url, broker_url).await?;
    service.wait_until_ready().await?;
    service.stop().await
}

/// Latency of a single message from publishing until it can be read over REST, on an idle system.
async fn lone(servers: &Servers, binary: &Path, database_url: &str) -> anyhow::Result<Vec<Duration>> {
    let broker_url = servers.broker.create_vhost().await?;
    let service = Service::start(binary, database_url, &broker_url).await?;
    service.wait_until_ready().await?;
    let token = service.token(binary, database_url)?;
    let queue = Broker::connect(&broker_url).await?;
    let mut times = Vec::new();
    for number in 0..SINGLE_MESSAGES {
        let start = Instant::now();
        // Each newer than the one before, and so the first one of the answer.
        queue.fill(std::iter::once(measure(number * 1_000).into_bytes()), false).await?;
        while service.newest(&token).await?[0]["value"] != value(number * 1_000) {
            // There is no event to wait for, so it polls.
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
    let binary = service::binary(options.binary.as_deref())?;
    let servers = Servers::start().await?;
    singly(&servers, &binary, options).await?;
    in_arrays(&servers, &binary, options).await?;
    if options.backlog > 0 {
        backlog(&servers, &binary, options).await?;
    }
    let folder = tempfile::tempdir()?;
    let mariadb = servers.database.create_database().await?;
    let sqlite = format!("sqlite://{}", folder.path().join("mymonit.db").display());
    report_lone("lone message until readable, MariaDB", &lone(&servers, &binary, &mariadb).await?);
    report_lone("lone message until readable, SQLite", &lone(&servers, &binary, &sqlite).await?);
    Ok(())
}

async fn singly(servers: &Servers, binary: &Path, options: &Options) -> anyhow::Result<()> {
    let plain = Load {
        name: "service, one measure per message",
        messages: options.messages,
        measures_per_message: 1,
        with_message_ids: false,
        with_sensors: false,
        processes: 1,
    };
    let with_ids = Load { name: "service, one per message, message-id", with_message_ids: true, ..plain };
    let with_sensors = Load { name: "service, one per message, sensors", with_sensors: true, ..plain };
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let limit = servers.drain(options.messages).await?;
        rounds.push(round(servers, binary, [plain, with_ids, with_sensors], ("drain only", limit)).await?);
    }
    report_rounds("one measure per message", "drain only", &rounds);
    Ok(())
}

async fn in_arrays(servers: &Servers, binary: &Path, options: &Options) -> anyhow::Result<()> {
    let plain = Load {
        name: "service, 100 measures per message",
        messages: options.messages / 10,
        measures_per_message: MEASURES_PER_ARRAY,
        with_message_ids: false,
        with_sensors: false,
        processes: 1,
    };
    let with_ids = Load { name: "service, 100 per message, message-id", with_message_ids: true, ..plain };
    let with_sensors = Load { name: "service, 100 per message, sensors", with_sensors: true, ..plain };
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let limit = servers.insert(binary, plain.measures()).await?;
        rounds.push(round(servers, binary, [plain, with_ids, with_sensors], ("insert limit", limit)).await?);
    }
    report_rounds("100 measures per message", "insert limit", &rounds);
    Ok(())
}

/// The shares of one limit that a plain load reaches, one with ids, and one with sensors.
type Round = [f64; 3];

async fn round(
    servers: &Servers,
    binary: &Path,
    loads: [Load; 3],
    (limit_name, limit): (&str, f64),
) -> anyhow::Result<Round> {
    let mut shares = [0.0; 3];
    for (load, share) in loads.into_iter().zip(&mut shares) {
        let run = servers.run(binary, load).await?;
        run.report(limit_name, limit);
        *share = run.measures_per_second() / limit;
    }
    Ok(shares)
}

fn report_rounds(what: &str, limit_name: &str, rounds: &[Round]) {
    let [plain, with_ids, with_sensors] =
        [0, 1, 2].map(|load: usize| median(rounds.iter().map(|shares| shares[load])));
    let cost = |load: usize| median(rounds.iter().map(|shares| 100.0 * (1.0 - shares[load] / shares[0])));
    line(&format!(
        "{what}, the middle of {} rounds: {plain:.2} of {limit_name}; with message-id {with_ids:.2}, with sensors {with_sensors:.2}; ids cost {:.1} %, sensors {:.1} %",
        rounds.len(),
        cost(1),
        cost(2),
    ));
}

async fn backlog(servers: &Servers, binary: &Path, options: &Options) -> anyhow::Result<()> {
    let one = Load {
        name: "a backlog, one process, message-id",
        messages: options.backlog,
        measures_per_message: 1,
        with_message_ids: true,
        with_sensors: false,
        processes: 1,
    };
    let two = Load { name: "a backlog, two processes, message-id", processes: 2, ..one };
    let limit = servers.drain(options.backlog).await?;
    for load in [one, two] {
        servers.run(binary, load).await?.report("drain only", limit);
    }
    Ok(())
}
