//! Throughput of reads: a million measures streamed in each format, pages of growing tables, a
//! million reduced to a plot, and small answers to many clients. Each is compared with the cost of
//! the same rows without the service.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{MySqlServer, Pid, RabbitMq, ReservedPort, ServiceProcess, numbers, wait_until};
use rand::RngExt;
use tokio::process::Command;

use crate::database::DURABLE;
use crate::load::{Connection, Target, Times, at_once, one_by_one};
use crate::report::{line, median, per_second, to_f64};
use crate::service::{self, SCIENTIST, Service};
use crate::slow::SlowClients;
use crate::usage::Usage;

/// Experiments of increasing size: name, id, and number of measures.
const EXPERIMENTS: [(&str, u32, u32); 3] =
    [("ten thousand", 11, 10_000), ("1 million", 12, 1_000_000), ("10 million", 13, 10_000_000)];
const MILLION: u32 = 12;
/// When the measures begin, in seconds, one a second.
const BEGIN: u64 = 1_000_000_000;
const PAGES: usize = 300;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds: limit and service take turns, and the middle one of the ratios counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// For how many seconds small requests are made on each number of connections.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// On how many connections small requests are made.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
    /// Takes the figures of small requests and no others.
    #[arg(long)]
    small_only: bool,
    /// How many slow clients there are beside the small requests; 0 leaves these figures out.
    #[arg(long, default_value_t = 1_000)]
    slow_clients: usize,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Takes all figures and prints them.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let binary = service::binary(options.binary.as_deref())?;
    let database = MySqlServer::start_with(&DURABLE).await?;
    let broker = RabbitMq::start().await?;
    let firebase = FirebaseDouble::start().await?;
    let url = database.create_database().await?;
    let name = url.rsplit('/').next().context("the name of the database")?;
    let service =
        Service::start_with_firebase(&binary, &url, &broker.create_vhost().await?, &firebase, &[]).await?;
    service.wait_until_ready().await?;
    for (experiment, id, measures) in EXPERIMENTS {
        if options.small_only && id > MILLION {
            continue;
        }
        add(&database, name, (experiment, id, measures)).await?;
    }
    let target = Target {
        port: service.port(),
        path: String::new(),
        headers: vec![("authorization", format!("Bearer {}", firebase.token_for(SCIENTIST)))],
    };

    small(&target, &service, (database.pid()?, &url), options).await?;
    if options.slow_clients > 0 {
        beside_slow_clients(&target, &service, options).await?;
    }
    if !options.small_only {
        pages(&target).await?;
        streams(&target, &service, &database, name, options.rounds).await?;
    }
    service.stop().await
}

/// Adds an experiment that the scientist may read, with that many measures.
async fn add(
    server: &MySqlServer,
    database: &str,
    (name, id, measures): (&str, u32, u32),
) -> anyhow::Result<()> {
    let sql = format!(
        "USE {database};
         INSERT INTO EXPERIMENTS (ID, NAME) VALUES ({id}, '{name}');
         INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES ('S001', {id});
         INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE)
             SELECT seq, 1, ({BEGIN} + seq) * 1000000000, {id}, seq * 1.0001 + 0.123456789 FROM {} ORDER BY seq;
         ANALYZE TABLE MEASURES;",
        numbers(measures)
    );
    server.execute(&sql).await?;
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Ten measures at a time, to many clients, beside a bare handler with the same query.
async fn small(
    target: &Target,
    service: &Service,
    (database, database_url): (Pid, &str),
    options: &Options,
) -> anyhow::Result<()> {
    let port = ReservedPort::reserve()?;
    let bare = ServiceProcess::builder(std::env::current_exe()?)
        .args(["bare-handler", "--database-url", database_url, "--port"])
        .arg(port.get().to_string())
        .start()
        .await?;
    let limit = Target { port: port.get(), path: format!("/measures/{MILLION}"), headers: Vec::new() };
    wait_until("the bare handler answers", Duration::from_secs(30), async || {
        Connection::open(limit.port).await?.get(&limit).await
    })
    .await?;
    let target = target.at(format!("/measures/{MILLION}?limit=10"));
    let how_long = Duration::from_secs(options.seconds);
    for &connections in &options.connections {
        let mut shares = Vec::new();
        for _ in 0..options.rounds {
            let bare = Small::take(&limit, connections, how_long, (bare.pid()?, database)).await?;
            let service = Small::take(&target, connections, how_long, (service.pid()?, database)).await?;
            shares.push(service.rate / bare.rate);
            line(&format!("10 measures, {connections} connections: bare handler {bare}; service {service}"));
        }
        line(&format!(
            "10 measures, {connections} connections, the middle: {:.2} of the bare handler",
            median(shares)
        ));
    }
    bare.kill9().await?;
    Ok(())
}

/// What one side did with small requests.
struct Small {
    rate: f64,
    times: Times,
    /// Processor time per request, in microseconds: the side's own, and the database's for it.
    own_cpu_us: f64,
    database_cpu_us: f64,
}

impl Small {
    async fn take(
        target: &Target,
        connections: usize,
        how_long: Duration,
        (own, database): (Pid, Pid),
    ) -> anyhow::Result<Self> {
        let before = (Usage::of(own)?, Usage::of(database)?);
        let (rate, times) = at_once(target, connections, how_long).await?;
        let after = (Usage::of(own)?, Usage::of(database)?);
        let per_request = 1e6 / to_f64(times.count());
        Ok(Self {
            rate,
            own_cpu_us: after.0.cpu_since(before.0) * per_request,
            database_cpu_us: after.1.cpu_since(before.1) * per_request,
            times,
        })
    }
}

impl Display for Small {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (p50, p99) = (milliseconds(self.times.percentile(50)), milliseconds(self.times.percentile(99)));
        let Self { rate, own_cpu_us, database_cpu_us, .. } = self;
        write!(
            out,
            "{rate:.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms, CPU {own_cpu_us:.0} us and {database_cpu_us:.0} us in the database"
        )
    }
}

/// Ten measures at a time on 16 connections, with many slow clients beside them and without.
async fn beside_slow_clients(target: &Target, service: &Service, options: &Options) -> anyhow::Result<()> {
    let small = target.at(format!("/measures/{MILLION}?limit=10"));
    let long = target.at(format!("/measures/{MILLION}"));
    let how_long = Duration::from_secs(options.seconds);
    let count = options.slow_clients;
    let mut shares = Vec::new();
    for _ in 0..options.rounds {
        let (rate, alone) = at_once(&small, 16, how_long).await?;
        let slow = SlowClients::come(count, &long).await?;
        let (slow_rate, beside) = at_once(&small, 16, how_long).await?;
        drop(slow);
        shares.push(beside.percentile(99).as_secs_f64() / alone.percentile(99).as_secs_f64());
        line(&format!(
            "10 measures, 16 connections: alone {rate:.0}/s, p99 {:.2} ms; beside {count} slow clients {slow_rate:.0}/s, p99 {:.2} ms; peak of the service {:.0} MiB",
            milliseconds(alone.percentile(99)),
            milliseconds(beside.percentile(99)),
            Usage::of(service.pid()?)?.peak_mib,
        ));
    }
    line(&format!(
        "10 measures beside {count} slow clients, the middle: p99 {:.2} times that alone",
        median(shares)
    ));
    Ok(())
}

/// A page of a thousand, the first one and at any depth, of experiments of increasing size.
async fn pages(target: &Target) -> anyhow::Result<()> {
    for (name, id, measures) in EXPERIMENTS {
        let first = target.at(format!("/measures/{id}?limit=1000"));
        let firsts = one_by_one(&vec![first; PAGES]).await?;
        let deep = |_| {
            let to = BEGIN + u64::from(rand::rng().random_range(1_000..measures));
            target.at(format!("/measures/{id}?limit=1000&to={to}"))
        };
        let anywhere = one_by_one(&(0..PAGES).map(deep).collect::<Vec<_>>()).await?;
        let side = |times: &Times| {
            let (p50, p99) = (milliseconds(times.percentile(50)), milliseconds(times.percentile(99)));
            format!("p50 {p50:.2} ms, p99 {p99:.2} ms")
        };
        line(&format!(
            "a page of 1,000 of {name}: the newest {}; anywhere {}",
            side(&firsts),
            side(&anywhere)
        ));
    }
    Ok(())
}

/// Reads a million measures in each format, and with the database's own client.
async fn streams(
    target: &Target,
    service: &Service,
    server: &MySqlServer,
    database: &str,
    rounds: usize,
) -> anyhow::Result<()> {
    let ways: [(&str, &str, Option<&'static str>); 6] = [
        ("JSON", "", None),
        ("NDJSON", "?format=ndjson", None),
        ("CSV", "?format=csv", None),
        ("JSON, gzip", "", Some("gzip")),
        ("CSV, gzip", "?format=csv", Some("gzip")),
        ("reduced to 1,000 points", "?max_points=1000", None),
    ];
    let mut shares = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        let limit = client_reads(server, database).await?;
        line(&format!("1 million measures, mariadb --quick: {:.2} s", limit.as_secs_f64()));
        for ((name, query, encoding), shares) in ways.iter().zip(&mut shares) {
            let mut target = target.at(format!("/measures/{MILLION}{query}"));
            target.headers.extend(encoding.map(|encoding| ("accept-encoding", encoding.to_owned())));
            let before = Usage::of(service.pid()?)?;
            let start = Instant::now();
            let bytes = Connection::open(target.port).await?.get(&target).await?;
            let took = start.elapsed();
            let after = Usage::of(service.pid()?)?;
            shares.push(took.as_secs_f64() / limit.as_secs_f64());
            line(&format!(
                "1 million measures, {name}: {:.2} s, {:.0} measures/s, {:.1} MB, {:.2} times the client; service {:.2} s of CPU, peak so far {:.0} MiB",
                took.as_secs_f64(),
                per_second(1_000_000, took),
                to_f64(bytes) / 1e6,
                took.as_secs_f64() / limit.as_secs_f64(),
                after.cpu_since(before),
                after.peak_mib,
            ));
        }
    }
    for ((name, ..), shares) in ways.iter().zip(shares) {
        line(&format!("1 million measures, {name}, the middle: {:.2} times mariadb --quick", median(shares)));
    }
    Ok(())
}

/// How long the database's own client takes to read what the service reads.
async fn client_reads(server: &MySqlServer, database: &str) -> anyhow::Result<Duration> {
    let sql = format!(
        "SELECT ID, TYPE, TIMESTAMP, MEASURE_VALUE FROM MEASURES FORCE INDEX (PRIMARY) \
         WHERE EXPERIMENT_ID = {MILLION} ORDER BY TIMESTAMP DESC, ID DESC"
    );
    let start = Instant::now();
    let mut client = Command::from(server.client()?);
    let status = client
        .args(["--quick", "--batch", database, "--execute", &sql])
        .stdout(std::process::Stdio::null())
        .status()
        .await?;
    ensure!(status.success(), "the client ended with {status}");
    Ok(start.elapsed())
}
