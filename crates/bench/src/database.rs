//! The database's side of a benchmark: counting rows, and inserting them as fast as the client can.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mymonit_test_support::{Make, MySqlServer};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::sleep;

use crate::workload::{nanos, value};

/// Options for commits that reach the disk, as in production. Servers for tests skip that.
pub(crate) const DURABLE: [&str; 3] =
    ["--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=O_DIRECT", "--innodb-buffer-pool-size=2G"];
const ROWS_PER_STATEMENT: u64 = 1_000;
const STEP: usize = 1_000;
/// Each poll starts a client, so it is used only at the end of a run.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The limit for a time without new rows.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The rows that the example data has of experiment 1, to which the benchmark's measures belong.
const EXAMPLE_ROWS: u64 = 10;

/// A database of a server, made for one run.
pub(crate) struct Database<'a> {
    server: &'a MySqlServer,
    pub(crate) url: String,
    name: String,
}

impl<'a> Database<'a> {
    pub(crate) async fn create(server: &'a MySqlServer) -> anyhow::Result<Self> {
        let url = server.create_database().await?;
        let name = url.rsplit('/').next().context("the name of the database")?.to_owned();
        Ok(Self { server, url, name })
    }

    pub(crate) async fn drop(self) -> anyhow::Result<()> {
        self.server.execute(&format!("DROP DATABASE {}", self.name)).await?;
        Ok(())
    }

    async fn number(&self, expression: &str, table: &str) -> anyhow::Result<u64> {
        let text = self
            .server
            .execute(&format!("SELECT {expression} FROM {}.{table} WHERE EXPERIMENT_ID = 1", self.name))
            .await?;
        text.trim().parse().with_context(|| format!("{expression} is `{text}`"))
    }

    /// Waits until that many measures are stored beside the example data.
    /// [`Database::check`] counts them exactly, which is slow.
    pub(crate) async fn wait_for_measures(&self, measures: u64) -> anyhow::Result<()> {
        let (mut last, mut since) = ((0, 0), Instant::now());
        let newest = nanos(measures.saturating_sub(1));
        loop {
            // Counting takes long, so it starts only when the last measure is there.
            let newest_there = self.number("COALESCE(MAX(LAST_TIMESTAMP), 0)", "SERIES").await?;
            let there = if newest_there < newest { 0 } else { self.number("COUNT(*)", "MEASURES").await? };
            if there >= measures + EXAMPLE_ROWS {
                return Ok(());
            }
            if (newest_there, there) > last {
                (last, since) = ((newest_there, there), Instant::now());
            }
            ensure!(since.elapsed() < TIMEOUT, "no row came for {TIMEOUT:?} after {last:?}");
            sleep(POLL_INTERVAL).await;
        }
    }

    /// A benchmark with lost or duplicate measures is invalid.
    pub(crate) async fn check(&self, measures: u64) -> anyhow::Result<()> {
        let there = self.number("COUNT(*)", "MEASURES").await? - EXAMPLE_ROWS;
        ensure!(there == measures, "{measures} measures were published, and {there} are stored");
        Ok(())
    }

    /// The disk usage of each table with its indexes, in bytes.
    pub(crate) async fn tables(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let name = &self.name;
        let tablespaces = match self.server.make() {
            Make::MariaDb => "INNODB_SYS_TABLESPACES",
            Make::MySql => "INNODB_TABLESPACES",
        };
        let text = self
            .server
            .execute(&format!(
                "SELECT SUBSTRING_INDEX(NAME, '/', -1), FILE_SIZE FROM information_schema.{tablespaces} \
                 WHERE NAME LIKE '{name}/%'"
            ))
            .await?;
        let table = |line: &str| {
            let (table, bytes) = line.split_once('\t')?;
            Some((table.to_owned(), bytes.parse().ok()?))
        };
        text.lines().map(|line| table(line).with_context(|| line.to_owned())).collect()
    }

    /// Inserts rows like those of the messages with the database's own client: multi-row
    /// statements, several of them in a transaction.
    pub(crate) async fn insert_by_client(
        &self,
        rows: u64,
        statements_per_transaction: u64,
    ) -> anyhow::Result<Duration> {
        let sql = inserts(rows, statements_per_transaction)?;
        let start = Instant::now();
        let mut client =
            Command::from(self.server.client()?).arg(&self.name).stdin(Stdio::piped()).spawn()?;
        let mut input = client.stdin.take().context("the client's input")?;
        input.write_all(sql.as_bytes()).await?;
        drop(input);
        let status = client.wait().await?;
        ensure!(status.success(), "the client ended with {status}");
        Ok(start.elapsed())
    }
}

fn inserts(rows: u64, statements_per_transaction: u64) -> anyhow::Result<String> {
    let mut sql = String::from("SET autocommit = 0;\n");
    for (number, first) in (1..).zip((0..rows).step_by(STEP)) {
        sql.push_str("INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES ");
        for row in first..rows.min(first + ROWS_PER_STATEMENT) {
            let separator = if row == first { "" } else { "," };
            let (id, time, value) = (row + 1, nanos(row), value(row));
            write!(sql, "{separator}({id},1,{time},1,{value})")?;
        }
        sql.push_str(";\n");
        if number % statements_per_transaction == 0 {
            sql.push_str("COMMIT;\n");
        }
    }
    sql.push_str("COMMIT;\n");
    Ok(sql)
}
