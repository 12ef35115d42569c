//! The database's side of a benchmark: counting rows, and inserting them as fast as the client can.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mymonit_test_support::MariaDb;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::sleep;

const ROWS_PER_STATEMENT: u64 = 1_000;
const STEP: usize = 1_000;
/// Often enough for a figure of seconds, and seldom enough to take nothing from what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The rows that a table of that database has.
pub(crate) async fn count(server: &MariaDb, database: &str, table: &str) -> anyhow::Result<u64> {
    let text = server.execute(&format!("SELECT COUNT(*) FROM {database}.{table}")).await?;
    text.trim().parse().context("a number of rows")
}

/// Waits until `MEASURES` has that many rows.
pub(crate) async fn wait_for_rows(server: &MariaDb, database: &str, rows: u64) -> anyhow::Result<()> {
    loop {
        let there = count(server, database, "MEASURES").await?;
        if there >= rows {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Inserts rows like those of the messages by the database's own client, in statements of many rows.
pub(crate) async fn insert_by_client(
    server: &MariaDb,
    database: &str,
    rows: u64,
) -> anyhow::Result<Duration> {
    let mut sql = String::new();
    for first in (0..rows).step_by(STEP) {
        sql.push_str("INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES ");
        for row in first..rows.min(first + ROWS_PER_STATEMENT) {
            let separator = if row == first { "" } else { "," };
            write!(
                sql,
                "{separator}(1,{},1,{})",
                1_650_000_000_000_000_000_u64 + row * 1_000_000,
                crate::ingest::value(row)
            )?;
        }
        sql.push_str(";\n");
    }
    let start = Instant::now();
    let mut client = Command::from(server.client()?).arg(database).stdin(Stdio::piped()).spawn()?;
    let mut input = client.stdin.take().context("the client's input")?;
    input.write_all(sql.as_bytes()).await?;
    drop(input);
    let status = client.wait().await?;
    ensure!(status.success(), "the client ended with {status}");
    Ok(start.elapsed())
}
