//! What several processes of the service do together on one broker and one database, and what a
//! measure and a `message-id` take on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures::future::try_join_all;
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::wait_until;
use sqlx::{ConnectOptions, Row};

use crate::broker::Broker;
use crate::ingest::Servers;
use crate::load::{Target, at_once};
use crate::report::{line, median, to_f64};
use crate::service::{self, SCIENTIST, Service};
use crate::workload::{Load, MEASURES_PER_ARRAY};

/// How many processes there are in turn.
const PROCESSES: [(usize, &str, &str); 3] = [
    (1, "one process, one measure per message", "one process, 100 measures per message"),
    (2, "two processes, one measure per message", "two processes, 100 measures per message"),
    (4, "four processes, one measure per message", "four processes, 100 measures per message"),
];
/// How long the last messages may take from the queue into the database.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// Connections of all readers together.
const CONNECTIONS: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Messages of one measure each; a tenth as many arrays of 100 measures.
    #[arg(long, default_value_t = 300_000)]
    messages: u64,
    /// Rounds: one, two and four processes take turns, and the middle one counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each number of processes is asked for ten measures at a time.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measures this binary instead of building the release.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Takes all figures and prints them.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let binary = service::binary(options.binary.as_deref())?;
    let servers = Servers::start().await?;
    let of_a_process = |index: usize, measures_per_message| {
        let (processes, singly, in_arrays) = PROCESSES[index];
        let (name, messages) = if measures_per_message == 1 {
            (singly, options.messages)
        } else {
            (in_arrays, options.messages / 10)
        };
        Load { name, messages, measures_per_message, with_message_ids: true, with_sensors: false, processes }
    };
    for measures_per_message in [1, MEASURES_PER_ARRAY] {
        let loads = [0, 1, 2].map(|index| of_a_process(index, measures_per_message));
        ingest(&servers, &binary, loads, options).await?;
    }
    read(&servers, &binary, options).await?;
    sizes_on_sqlite(&servers, &binary, options.messages).await
}

/// Lets each number of processes drain the same queue, in turn.
async fn ingest(servers: &Servers, binary: &Path, loads: [Load; 3], options: &Options) -> anyhow::Result<()> {
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..options.rounds {
        let limit = servers.drain(loads[0].messages).await? * to_f64(loads[0].measures_per_message);
        for (load, rates) in loads.iter().zip(&mut rates) {
            let run = servers.run(binary, *load).await?;
            run.report("drain only", limit);
            rates.push(run.measures_per_second());
            for (table, bytes) in &run.tables {
                if let Some(rows) = rows_of(table, load) {
                    report_size("MariaDB", table, *bytes, rows);
                }
            }
        }
    }
    let middle = rates.map(median);
    line(&format!(
        "{} measures per message, the middle of {} rounds: one process {:.0} measures/s, two {:.2} of that, four {:.2}",
        loads[0].measures_per_message,
        options.rounds,
        middle[0],
        middle[1] / middle[0],
        middle[2] / middle[0],
    ));
    Ok(())
}

/// How many rows a load makes in the tables that grow with it.
fn rows_of(table: &str, load: &Load) -> Option<u64> {
    match table.to_ascii_uppercase().as_str() {
        "MEASURES" => Some(load.measures()),
        "MESSAGE_IDS" => Some(load.messages),
        _ => None,
    }
}

fn report_size(engine: &str, table: &str, bytes: u64, rows: u64) {
    line(&format!(
        "    {engine}, {table}: {:.0} MiB for {rows} rows, {:.1} bytes each with all indexes",
        to_f64(bytes) / 1024.0 / 1024.0,
        to_f64(bytes) / to_f64(rows)
    ));
}

/// Asks each number of processes for ten measures at a time, over the same number of connections in
/// all.
async fn read(servers: &Servers, binary: &Path, options: &Options) -> anyhow::Result<()> {
    let firebase = FirebaseDouble::start().await?;
    let (database, vhost) = (servers.database.create_database().await?, servers.broker.create_vhost().await?);
    let mut services = Vec::new();
    for _ in 0..PROCESSES[2].0 {
        let only_rest = [("LISTENERS", "rest")];
        let service = Service::start_with_firebase(binary, &database, &vhost, &firebase, &only_rest).await?;
        service.wait_until_ready().await?;
        services.push(service);
    }
    let authorization = format!("Bearer {}", firebase.token_for(SCIENTIST));
    let how_long = Duration::from_secs(options.seconds);
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..options.rounds {
        for ((processes, ..), rates) in PROCESSES.iter().zip(&mut rates) {
            let targets: Vec<_> = services[..*processes]
                .iter()
                .map(|service| Target {
                    port: service.port(),
                    path: "/measures/1?limit=10".to_owned(),
                    headers: vec![("authorization", authorization.clone())],
                })
                .collect();
            let asked = targets.iter().map(|target| at_once(target, CONNECTIONS / processes, how_long));
            let answered = try_join_all(asked).await?;
            let rate: f64 = answered.iter().map(|(rate, _)| rate).sum();
            let p99 = answered.iter().map(|(_, times)| times.percentile(99)).max().unwrap_or_default();
            line(&format!(
                "{processes} processes asked for 10 measures, {CONNECTIONS} connections: {rate:.0}/s, p99 {:.1} ms",
                p99.as_secs_f64() * 1_000.0
            ));
            rates.push(rate);
        }
    }
    let middle = rates.map(median);
    line(&format!(
        "10 measures, the middle of {} rounds: one process {:.0}/s, two {:.2} of that, four {:.2}",
        options.rounds,
        middle[0],
        middle[1] / middle[0],
        middle[2] / middle[0],
    ));
    for service in services {
        service.stop().await?;
    }
    Ok(())
}

/// The size of the same rows in an SQLite file.
async fn sizes_on_sqlite(servers: &Servers, binary: &Path, messages: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mymonit.db");
    let broker_url = servers.broker.create_vhost().await?;
    let load = Load {
        name: "SQLite",
        messages,
        measures_per_message: 1,
        with_message_ids: true,
        with_sensors: false,
        processes: 1,
    };
    let queue = Broker::connect(&broker_url).await?;
    queue.fill(load.bodies(), load.with_message_ids).await?;
    let service = Service::start(binary, &format!("sqlite://{}", path.display()), &broker_url).await?;
    service.wait_until_ready().await?;
    queue.wait_until_empty().await?;
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut database = file.connect().await.context("the database's file")?;
    // The service may still hold messages that it has taken out of the queue.
    wait_until("all measures are stored", DRAIN_LIMIT, async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM MEASURES");
        let stored = count.fetch_one(&mut database).await.map_err(|error| error.to_string())?;
        let all = u64::try_from(stored).is_ok_and(|stored| stored >= load.measures());
        if all { Ok(()) } else { Err(format!("{stored} are")) }
    })
    .await?;
    service.stop().await?;
    let pages = "SELECT schema.tbl_name, SUM(dbstat.pgsize) FROM dbstat JOIN sqlite_schema AS schema \
        ON schema.name = dbstat.name GROUP BY schema.tbl_name";
    for row in sqlx::query(pages).fetch_all(&mut database).await? {
        let (table, bytes): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        if let Some(rows) = rows_of(&table, &load) {
            report_size("SQLite", &table, u64::try_from(bytes)?, rows);
        }
    }
    Ok(())
}
