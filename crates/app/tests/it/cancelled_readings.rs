//! Cancelled readings: no later request gets rows of another, and no resource leaks.
//! `MYMONIT_CANCELLED_READINGS=10000` runs the long form.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, ensure};
use mymonit_test_support::wait_until;
use rand::RngExt;
use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::environment::{
    ADMIN, Client, Engine, Service, Session, TIMEOUT, TestEnvironment, on_every_engine,
};

on_every_engine!(cancelled_readings_do_not_affect_later_ones);

/// The default number of cancelled readings.
const CANCELLED: usize = 120;
const READERS: usize = 4;
/// The number of cancelled readings per token.
const CANCELLED_PER_TOKEN: usize = 250;
/// Enough for several chunks each.
const MEASURES: u32 = 12_000;
/// The distance between the values of two experiments.
const DISTANCE: f64 = 1e6;
/// The default of `DB_POOL_SIZE`, and one writer.
const CONNECTIONS: i64 = 11;
/// A connection to a SQLite file has up to three files open.
const FILES: usize = 3 * 11;

/// Queries for measures; all but the last are long.
const QUERIES: [&str; 6] = [
    "",
    "?order=asc&format=csv",
    "?window=1s&format=ndjson",
    "?max_points=5000&type=hertz",
    "?limit=2000",
    "?window=1h&limit=3",
];

/// A scientist with an experiment of unique values.
#[derive(Clone)]
struct Reader {
    username: String,
    /// A client with a token that is valid for an hour.
    client: Client,
    experiment: u64,
}

impl Reader {
    fn values(&self) -> Range<f64> {
        let first = self.experiment as f64 * DISTANCE;
        first..first + DISTANCE
    }

    /// Sends a request and disconnects before or during the answer. Returns whether it was cut off.
    async fn break_off(&self, query: &str) -> anyhow::Result<bool> {
        let path = format!("/measures/{}{query}", self.experiment);
        let encoding = ["identity", "gzip", "zstd"][rand::rng().random_range(0..3)];
        let request = || self.client.request(Method::GET, &path).header("accept-encoding", encoding);
        if rand::rng().random_range(0..4) == 0 {
            let cancel_after = Duration::from_micros(rand::rng().random_range(0..20_000));
            return Ok(timeout(cancel_after, request().send()).await.is_err());
        }
        let mut response = request().send().await?;
        ensure!(response.status() == 200, "{query}: {}", response.status());
        let mut wanted = rand::rng().random_range(1..100_000_usize);
        loop {
            let Some(piece) = response.chunk().await? else { return Ok(false) };
            wanted = wanted.saturating_sub(piece.len());
            if wanted == 0 {
                return Ok(true);
            }
        }
    }

    /// Reads a few measures, which must be the scientist's own.
    async fn read_own(&self) -> anyhow::Result<()> {
        for query in ["?limit=5", "?limit=5&order=asc", "?window=1h&limit=2"] {
            let rows = self.client.measures(&format!("/measures/{}{query}", self.experiment)).await?;
            ensure!(!rows.is_empty(), "{query}: nothing");
            let is_own = |number: &Value| number.as_f64().is_none_or(|value| self.values().contains(&value));
            let all_own =
                rows.iter().all(|row| ["value", "min", "max", "mean"].iter().all(|name| is_own(&row[*name])));
            ensure!(all_own, "{query} of experiment {}: {rows:?}", self.experiment);
        }
        Ok(())
    }

    /// Cancels readings, with short reads in between, until that many were cancelled before their
    /// end.
    async fn work(self, count: usize) -> anyhow::Result<()> {
        let mut broken_off = 0;
        for (number, query) in QUERIES.into_iter().cycle().enumerate() {
            ensure!(number < 100 * count, "{broken_off} of {number} readings were broken off");
            broken_off += usize::from(self.break_off(query).await?);
            if number % 5 == 0 {
                self.read_own().await?;
            }
            if broken_off == count {
                break;
            }
        }
        Ok(())
    }
}

async fn readers(
    environment: &TestEnvironment,
    service: &Service,
    database: &mut Session,
) -> anyhow::Result<Vec<Reader>> {
    let administrator = environment.client(service, ADMIN);
    let mut readers = Vec::new();
    for number in 0..READERS {
        let user_id = format!("R{number}");
        administrator.add_scientist(&user_id).await?;
        let experiment = administrator.add_experiment(&format!("experiment of {user_id}")).await?;
        administrator.associate(experiment, &user_id).await?;
        database.add_measures(u32::try_from(experiment)?, MEASURES).await?;
        let username = format!("uid-{user_id}");
        let client = environment.client(service, &username);
        readers.push(Reader { username, client, experiment });
    }
    let apart = format!(
        "UPDATE MEASURES SET MEASURE_VALUE = MEASURE_VALUE + EXPERIMENT_ID * {DISTANCE:.1} WHERE EXPERIMENT_ID > 2"
    );
    database.rows(&apart).await?;
    Ok(readers)
}

fn open_files(service: &Service) -> anyhow::Result<usize> {
    let folder = format!("/proc/{}/fd", service.process.pid()?.as_raw_nonzero());
    Ok(std::fs::read_dir(folder)?.count())
}

async fn cancelled_readings_do_not_affect_later_ones(engine: Engine) {
    let count = std::env::var("MYMONIT_CANCELLED_READINGS").map_or(CANCELLED, |count| count.parse().unwrap());
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let mut database = environment.session().await.unwrap();
    let before = open_files(&service).unwrap();
    let mut readers = readers(&environment, &service, &mut database).await.unwrap();

    let mut left = count.div_ceil(READERS);
    while left > 0 {
        let part = left.min(CANCELLED_PER_TOKEN);
        let mut work = JoinSet::new();
        for reader in &mut readers {
            // The previous part may have taken most of the hour.
            reader.client = environment.client(&service, &reader.username);
            work.spawn(reader.clone().work(part));
        }
        work.join_all().await.into_iter().collect::<anyhow::Result<()>>().unwrap();
        left -= part;
    }

    // Each reader gets all of its own measures.
    for reader in &readers {
        reader.read_own().await.unwrap();
        let all = reader.client.measures(&format!("/measures/{}", reader.experiment)).await.unwrap();
        assert_eq!(all.len(), MEASURES as usize);
        assert!(all.iter().all(|measure| reader.values().contains(&measure["value"].as_f64().unwrap())));
    }
    // The server may still list connections that were just killed with their query.
    wait_until("there are no more connections than the pool has", TIMEOUT, async || {
        match database.others_connected().await {
            Ok(connections) if connections <= CONNECTIONS => Ok(()),
            Ok(connections) => Err(format!("{connections} connections to the database")),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
    .unwrap();
    drop(readers);
    wait_until("the files of the connections are closed", TIMEOUT, async || {
        let now = open_files(&service).context("its files").map_err(|error| format!("{error:#}"))?;
        if now <= before + FILES { Ok(()) } else { Err(format!("{now} files are open, {before} were")) }
    })
    .await
    .unwrap();
}
