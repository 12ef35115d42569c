//! Overhead of logging: the same load without a reader, to standard output, and to several
//! Logstashes, in turn, so that other load on the host affects all alike.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{LogstashDouble, MySqlServer, RabbitMq, ReadMode};

use crate::broker::Broker;
use crate::database::{DURABLE, Database};
use crate::load::{Target, at_once};
use crate::report::{line, median, per_second};
use crate::service::{self, SCIENTIST, Service};
use crate::workload::singles;

/// How the service logs. Audit events are written by all of them, since nothing turns them off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Silent,
    Console,
    Logstash,
    Stalled,
    Away,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Silent, Self::Console, Self::Logstash, Self::Stalled, Self::Away];

    const fn name(self) -> &'static str {
        match self {
            Self::Silent => "LOG_LEVEL=off",
            Self::Console => "info, standard output",
            Self::Logstash => "info, and a Logstash that reads",
            Self::Stalled => "info, and a Logstash that stalls",
            Self::Away => "info, and a Logstash that is away",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How many messages of one measure each.
    #[arg(long, default_value_t = 100_000)]
    messages: u64,
    /// How many seconds of GETs.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Concurrent connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A Logstash of each kind.
struct Logstashes {
    reading: LogstashDouble,
    stalled: LogstashDouble,
    away: LogstashDouble,
}

impl Logstashes {
    async fn start() -> anyhow::Result<Self> {
        let stalled = LogstashDouble::start().await?;
        stalled.read_mode(ReadMode::Stalled);
        Ok(Self { reading: LogstashDouble::start().await?, stalled, away: LogstashDouble::unreachable()? })
    }

    fn variables(&self, mode: Mode) -> Vec<(&'static str, String)> {
        let logstash = match mode {
            Mode::Silent => return vec![("LOG_LEVEL", "off".to_owned())],
            Mode::Console => return Vec::new(),
            Mode::Logstash => &self.reading,
            Mode::Stalled => &self.stalled,
            Mode::Away => &self.away,
        };
        vec![("LOGSTASH_HOST", "127.0.0.1".to_owned()), ("LOGSTASH_PORT", logstash.port().to_string())]
    }
}

/// Everything around the service.
struct BenchEnvironment {
    binary: PathBuf,
    database: MySqlServer,
    broker: RabbitMq,
    firebase: FirebaseDouble,
    logstashes: Logstashes,
}

impl BenchEnvironment {
    async fn service(&self, mode: Mode, database_url: &str, broker_url: &str) -> anyhow::Result<Service> {
        let variables = self.logstashes.variables(mode);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Service::start_with_firebase(&self.binary, database_url, broker_url, &self.firebase, &variables).await
    }

    /// Requests a second for ten measures.
    async fn small_gets(&self, mode: Mode, options: &Options) -> anyhow::Result<f64> {
        let database = Database::create(&self.database).await?;
        let service = self.service(mode, &database.url, &self.broker.create_vhost().await?).await?;
        service.wait_until_ready().await?;
        let authorization = format!("Bearer {}", self.firebase.token_for(SCIENTIST));
        let headers = vec![("authorization", authorization)];
        let target = Target { port: service.port(), path: "/measures/1".to_owned(), headers };
        let (rate, _) = at_once(&target, options.connections, Duration::from_secs(options.seconds)).await?;
        service.stop().await?;
        database.drop().await?;
        Ok(rate)
    }

    /// Messages a second, of one measure each.
    async fn ingest(&self, mode: Mode, options: &Options) -> anyhow::Result<f64> {
        let database = Database::create(&self.database).await?;
        let broker_url = self.broker.create_vhost().await?;
        let first = self.service(Mode::Silent, &database.url, &broker_url).await?;
        first.wait_until_ready().await?;
        first.stop().await?;
        let queue = Broker::connect(&broker_url).await?;
        queue.fill(singles(options.messages), false).await?;
        let start = Instant::now();
        let service = self.service(mode, &database.url, &broker_url).await?;
        queue.wait_until_empty().await?;
        database.wait_for_measures(options.messages).await?;
        let took = start.elapsed();
        service.stop().await?;
        database.drop().await?;
        Ok(per_second(options.messages, took))
    }
}

fn report(what: &str, rates: &[(Mode, Vec<f64>)]) {
    let of = |rates: &[f64]| median(rates.iter().copied());
    let silent =
        rates.iter().find(|(mode, _)| *mode == Mode::Silent).map_or(f64::NAN, |(_, rates)| of(rates));
    for (mode, rates) in rates {
        let rate = of(rates);
        let name = mode.name();
        line(&format!("{what:<24} {name:<36} {rate:>8.0}/s  {:.3} of LOG_LEVEL=off", rate / silent));
    }
}

/// Takes all figures and prints them.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let environment = BenchEnvironment {
        binary: service::binary(options.binary.as_deref())?,
        database: MySqlServer::start_with(&DURABLE).await?,
        broker: RabbitMq::start().await?,
        firebase: FirebaseDouble::start().await?,
        logstashes: Logstashes::start().await?,
    };
    let mut gets = Mode::ALL.map(|mode| (mode, Vec::new()));
    let mut messages = gets.clone();
    for _ in 0..options.rounds {
        for (mode, rates) in &mut gets {
            rates.push(environment.small_gets(*mode, options).await?);
        }
        for (mode, rates) in &mut messages {
            rates.push(environment.ingest(*mode, options).await?);
        }
    }
    report("GET of 10 measures", &gets);
    report("messages of one measure", &messages);
    Ok(())
}
