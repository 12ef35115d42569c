//! Sealed measures on both engines: what they take on disk, how fast they are sealed, and how fast
//! they are reduced, beside VictoriaMetrics with the same measures.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{MySqlServer, ServiceProcess};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, MySqlConnection, Row, SqliteConnection, raw_sql};

use crate::load::{Connection, Target};
use crate::report::{line, median, per_second, to_f64};
use crate::service::{self, SCIENTIST, Service};
use crate::usage::Usage;
use crate::victoria::VictoriaMetrics;

/// The experiment of the measures, which the scientist may read.
const EXPERIMENT: u32 = 11;
const SECOND: i64 = 1_000_000_000;
const BEGIN: i64 = 1_300_000_000 * SECOND;
const ROWS_PER_STATEMENT: u64 = 1_000;
const STATEMENTS_PER_TRANSACTION: u64 = 20;
/// No broker is used.
const NO_BROKER: &str = "amqp://127.0.0.1:1/";
const SEAL_LIMIT: Duration = Duration::from_secs(60 * 60);
/// As for the figures in `docs/performance.md`: less than the rows of ten million measures take.
const SERVER: [&str; 3] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-flush-method=O_DIRECT",
    "--innodb-buffer-pool-size=512M",
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Measures of each kind.
    #[arg(long, default_value_t = 10_000_000)]
    measures: u64,
    /// How often the slow walk is reduced; the middle one counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A kind of measures.
struct Kind {
    name: &'static str,
    series: u64,
    /// The nanoseconds after the second of a measure.
    jitter: fn(&mut StdRng) -> i64,
    /// The value after that one.
    next: fn(&mut StdRng, f64) -> f64,
    /// Measures that come 1 µs after each other, one such burst a minute.
    burst: Option<i64>,
}

const WALK: Kind =
    Kind { name: "0.01 °C walk, ms jitter", series: 1, jitter: millis, next: walk, burst: None };
const KINDS: [Kind; 5] = [
    WALK,
    Kind { name: "12-bit ADC, ms jitter", next: adc, ..WALK },
    Kind { name: "full mantissa, random ns", jitter: nanos, next: |random, _| random.random(), ..WALK },
    Kind { name: "constant, ms jitter", next: |_, before| before, ..WALK },
    Kind { name: "bursts of 1,000 at 1 µs, 20 series", series: 20, burst: Some(1_000), ..WALK },
];

fn millis(random: &mut StdRng) -> i64 {
    random.random_range(0..10) * 1_000_000
}

fn nanos(random: &mut StdRng) -> i64 {
    random.random_range(0..SECOND)
}

fn walk(random: &mut StdRng, before: f64) -> f64 {
    ((before * 100.0).round() + f64::from(random.random_range(-1..=1_i8))) / 100.0
}

fn adc(random: &mut StdRng, _: f64) -> f64 {
    f64::from(random.random_range(0..4096_u16))
}

impl Kind {
    /// Type, timestamp and value of that many measures.
    fn measures(&self, count: u64) -> impl Iterator<Item = (u64, i64, f64)> {
        let mut random = StdRng::seed_from_u64(1);
        let mut values = vec![20.0; usize::try_from(self.series).unwrap_or(1)];
        (0..count).map(move |number| {
            let series = number % self.series;
            let value = &mut values[usize::try_from(series).unwrap_or_default()];
            *value = (self.next)(&mut random, *value);
            let turn = (number / self.series).cast_signed();
            let timestamp = match self.burst {
                None => BEGIN + turn * SECOND + (self.jitter)(&mut random),
                Some(size) => {
                    let drift = random.random_range(0..500);
                    BEGIN + turn / size * 60 * SECOND + turn % size * 1_000 + drift
                }
            };
            (series + 1, timestamp, *value)
        })
    }
}

/// A database of one run.
enum Database {
    MariaDb { url: String },
    Sqlite { file: PathBuf },
}

enum Session {
    MariaDb(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Database {
    fn url(&self) -> String {
        match self {
            Self::MariaDb { url } => url.clone(),
            Self::Sqlite { file } => format!("sqlite://{}", file.display()),
        }
    }

    async fn session(&self) -> anyhow::Result<Session> {
        Ok(match self {
            Self::MariaDb { url } => Session::MariaDb(MySqlConnection::connect(url).await?),
            Self::Sqlite { file } => {
                Session::Sqlite(sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await?)
            }
        })
    }
}

impl Session {
    async fn execute(&mut self, sql: String) -> anyhow::Result<()> {
        let query = raw_sql(AssertSqlSafe(sql));
        match self {
            Self::MariaDb(connection) => query.execute(connection).await.map(|_| ())?,
            Self::Sqlite(connection) => query.execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }

    async fn number(&mut self, sql: &str) -> anyhow::Result<u64> {
        let query = sqlx::query_scalar::<_, i64>;
        let sql = AssertSqlSafe(sql.to_owned());
        let number = match self {
            Self::MariaDb(connection) => query(sql).fetch_one(connection).await?,
            Self::Sqlite(connection) => sqlx::query(sql).fetch_one(connection).await?.try_get::<i64, _>(0)?,
        };
        Ok(u64::try_from(number)?)
    }

    /// Adds the experiment and writes its measures, in the order of arrival.
    async fn fill(&mut self, kind: &Kind, count: u64) -> anyhow::Result<()> {
        self.execute(format!(
            "INSERT INTO EXPERIMENTS (ID, NAME) VALUES ({EXPERIMENT}, 'sealed');
             INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES ('S001', {EXPERIMENT});"
        ))
        .await?;
        let mut measures = (1_000_000..).zip(kind.measures(count)).peekable();
        while measures.peek().is_some() {
            let mut sql = String::from("BEGIN;");
            for _ in 0..STATEMENTS_PER_TRANSACTION {
                let mut separator =
                    "INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES ";
                let rows = measures.by_ref().take(usize::try_from(ROWS_PER_STATEMENT)?);
                for (id, (measure_type, timestamp, value)) in rows {
                    write!(sql, "{separator}({id},{measure_type},{timestamp},{EXPERIMENT},{value:?})")?;
                    separator = ",";
                }
                if separator == "," {
                    sql.push(';');
                }
            }
            sql.push_str("COMMIT;");
            self.execute(sql).await?;
        }
        Ok(())
    }

    /// What rows, blocks and summaries take on disk, in bytes.
    async fn bytes(&mut self) -> anyhow::Result<[u64; 2]> {
        let of = match self {
            Self::MariaDb(_) => |tables: &str| {
                format!(
                    "SELECT CAST(COALESCE(SUM(FILE_SIZE), 0) AS SIGNED) FROM information_schema.INNODB_SYS_TABLESPACES \
                     WHERE LOWER(NAME) REGEXP CONCAT('^', LOWER(DATABASE()), '/({tables})$')"
                )
            },
            Self::Sqlite(_) => |tables: &str| {
                let names = tables.to_uppercase().replace('|', "', '");
                format!(
                    "SELECT COALESCE(SUM(dbstat.pgsize), 0) FROM dbstat JOIN sqlite_schema AS schema \
                     ON schema.name = dbstat.name WHERE schema.tbl_name IN ('{names}')"
                )
            },
        };
        let rows = self.number(&of("measures")).await?;
        Ok([rows, self.number(&of("measure_blocks|measure_block_series")).await?])
    }
}

/// Takes all figures and prints them.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let binary = service::binary(options.binary.as_deref())?;
    let server = MySqlServer::start_with(&SERVER).await?;
    let firebase = FirebaseDouble::start().await?;
    for kind in &KINDS {
        let maria_db = Database::MariaDb { url: server.create_database().await? };
        measure("MariaDB", &maria_db, kind, &binary, &firebase, options).await?;
        let name = maria_db.url();
        let name = name.rsplit('/').next().context("the name of the database")?;
        server.execute(&format!("DROP DATABASE {name}")).await?;
        let folder = tempfile::tempdir()?;
        let sqlite = Database::Sqlite { file: folder.path().join("mymonit.db") };
        measure("SQLite", &sqlite, kind, &binary, &firebase, options).await?;
    }
    beside(options).await
}

/// Fills a database, seals all, and reads the slow walk before and after.
async fn measure(
    engine: &str,
    database: &Database,
    kind: &Kind,
    binary: &Path,
    firebase: &FirebaseDouble,
    options: &Options,
) -> anyhow::Result<()> {
    let only_rest = [("LISTENERS", "rest")];
    let service =
        Service::start_with_firebase(binary, &database.url(), NO_BROKER, firebase, &only_rest).await?;
    service.wait_until_ready().await?;
    let mut session = database.session().await?;
    let start = Instant::now();
    session.fill(kind, options.measures).await?;
    line(&format!(
        "{engine}, {}: {:.0} rows/s written by a client",
        kind.name,
        per_second(options.measures, start.elapsed())
    ));
    let target = Target {
        port: service.port(),
        path: String::new(),
        headers: vec![("authorization", format!("Bearer {}", firebase.token_for(SCIENTIST)))],
    };
    let is_read = kind.name == WALK.name;
    if is_read {
        read(engine, "rows", &target, &service, 1).await?;
    }
    let [rows, _] = session.bytes().await?;
    let start = Instant::now();
    seal(binary, database).await?;
    let took = start.elapsed();
    let sealed = session.number("SELECT CAST(SUM(COUNT) AS SIGNED) FROM MEASURE_BLOCKS").await?;
    ensure!(sealed >= options.measures, "{sealed} measures are sealed");
    let blocks = session.number("SELECT COUNT(*) FROM MEASURE_BLOCKS").await?;
    let [_, bytes] = session.bytes().await?;
    let each = |bytes| to_f64(bytes) / to_f64(options.measures);
    line(&format!(
        "{engine}, {}: {:.2} bytes a measure in {blocks} blocks instead of {:.1}, sealed at {:.0}/s",
        kind.name,
        each(bytes),
        each(rows),
        per_second(sealed, took)
    ));
    if is_read {
        read(engine, "blocks", &target, &service, options.rounds).await?;
    }
    service.stop().await
}

async fn seal(binary: &Path, database: &Database) -> anyhow::Result<()> {
    let command = ServiceProcess::builder(binary).args(["seal", "--older-than", "0s"]);
    let process = command.env("DATABASE_URL", database.url()).env("LOGSTASH_HOST", "").start().await?;
    let exit = process.wait_for_exit(SEAL_LIMIT).await?;
    ensure!(exit.success(), "sealing ended with {exit}: {:?}", process.lines().last());
    Ok(())
}

/// Reduces all, and reads a page and everything.
async fn read(
    engine: &str,
    of: &str,
    target: &Target,
    service: &Service,
    rounds: usize,
) -> anyhow::Result<()> {
    for (name, query) in [
        ("reduced to at most 1,000 points", "max_points=1000&format=csv"),
        ("a page of 1,000", "limit=1000&to=1305000000"),
        ("all as CSV", "order=asc&format=csv"),
    ] {
        let target = target.at(format!("/measures/{EXPERIMENT}?{query}"));
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..rounds {
            let start = Instant::now();
            bytes = Connection::open(target.port).await?.get(&target).await?;
            times.push(start.elapsed().as_secs_f64());
        }
        let peak = Usage::of(service.pid()?)?.peak_mib;
        line(&format!(
            "{engine}, {of}, {name}: {:.3} s, the first {:.3} s, {bytes} bytes; peak so far {peak:.0} MiB",
            median(times.iter().copied()),
            times.first().copied().unwrap_or_default()
        ));
    }
    Ok(())
}

/// The slow walk in VictoriaMetrics.
async fn beside(options: &Options) -> anyhow::Result<()> {
    let Some(peer) = VictoriaMetrics::start().await? else {
        line("VictoriaMetrics is not installed (Debian package victoria-metrics)");
        return Ok(());
    };
    peer.fill(WALK.measures(options.measures)).await?;
    let bytes = to_f64(peer.bytes()?) / to_f64(options.measures);
    let begin = BEGIN / SECOND;
    let end = begin + options.measures.cast_signed();
    let mut times = Vec::new();
    let mut points = 0;
    for _ in 0..options.rounds {
        let start = Instant::now();
        points = peer.reduce(begin, end, step(options.measures)).await?;
        times.push(start.elapsed().as_secs_f64());
    }
    line(&format!(
        "VictoriaMetrics, {}: {bytes:.2} bytes a measure; reduced to {points} points: {:.3} s, the first {:.3} s",
        WALK.name,
        median(times.iter().copied()),
        times.first().copied().unwrap_or_default()
    ));
    Ok(())
}

/// The width of a bin, in seconds, that the service chooses for that many seconds and 1,000 points.
fn step(seconds: u64) -> u64 {
    let widths =
        [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
    widths.into_iter().find(|width| seconds.div_ceil(*width) < 1_000).unwrap_or(172_800)
}
