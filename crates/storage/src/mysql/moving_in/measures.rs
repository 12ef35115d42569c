//! The measures: copied within the server, in portions, and compared by their number and a checksum of every column.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, MySqlConnection, query, query_as, query_scalar};
use tracing::info;

use super::directory::TypeIds;
use super::originals::Originals;
use crate::error::PrepareError;
use crate::mysql::errors::prepare_error;

/// Rows copied in one statement, which is one transaction: a second's work at most, and little to roll back.
const PORTION: u32 = 20_000;
/// Rows compared in one statement.
const COMPARED: u32 = 100_000;
/// How often a long copy says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Nanoseconds. What a TIMESTAMP column holds is an instant; UNIX_TIMESTAMP gives just that, whatever the time zone of
/// the server or of the session. (Of a DATETIME column it takes the session's zone, which is UTC.) The product is an
/// exact decimal.
const NANOS: &str = "CAST(UNIX_TIMESTAMP(TIMESTAMP) * 1000000000 AS SIGNED)";

/// Copies what has not been copied yet.
pub(super) async fn copy(
    connection: &mut MySqlConnection,
    originals: &Originals,
    types: &TypeIds,
    count: u64,
) -> Result<(), sqlx::Error> {
    let copy = format!(
        "INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) \
         SELECT ID, {}, {NANOS}, EXPERIMENT_ID, MEASURE_VALUE FROM {} WHERE ID > ? AND ID <= ? ORDER BY ID",
        new_type(types),
        originals.quoted("MEASURES")
    );
    // Portions are copied whole and in the order of the ids.
    let mut copied: u64 = query_scalar("SELECT CAST(COALESCE(MAX(ID), 0) AS UNSIGNED) FROM MEASURES")
        .fetch_one(&mut *connection)
        .await?;
    let mut progress = Progress::new("copied", count);
    if copied > 0 {
        let done = "SELECT CAST(COUNT(*) AS UNSIGNED) FROM MEASURES";
        progress.add(query_scalar(done).fetch_one(&mut *connection).await?);
        info!(measures = progress.done, "moving in: going on where another process has stopped");
    }
    while let Some(end) = end_of_portion(connection, originals, copied, PORTION).await? {
        let inserted =
            query(AssertSqlSafe(copy.clone())).bind(copied).bind(end).execute(&mut *connection).await?;
        progress.add(inserted.rows_affected());
        copied = end;
    }
    Ok(())
}

/// Compares every copied measure with its original.
///
/// # Errors
/// If there is one more or less, or one of them differs.
pub(super) async fn compare(
    connection: &mut MySqlConnection,
    originals: &Originals,
    types: &TypeIds,
    count: u64,
) -> Result<(), PrepareError> {
    let original = originals.quoted("MEASURES");
    let statements = [
        checksum(&original, &new_type(types), NANOS, "FALSE"),
        checksum("MEASURES", "TYPE", "TIMESTAMP", "IS_NEGATIVE_ZERO"),
    ];
    let mut progress = Progress::new("compared", count);
    let mut start = 0;
    while let Some(end) =
        end_of_portion(connection, originals, start, COMPARED).await.map_err(prepare_error)?
    {
        let [original, copy] = [
            digest(connection, &statements[0], start, end).await.map_err(prepare_error)?,
            digest(connection, &statements[1], start, end).await.map_err(prepare_error)?,
        ];
        if original != copy {
            return Err(PrepareError::Incompatible(format!(
                "after it was moved in, the measures with the ids from {} to {end} differ from those in \
                 PYTHON_MEASURES; docs/migrating.md says how to go back",
                start.saturating_add(1)
            )));
        }
        progress.add(original.0);
        start = end;
    }
    let copies: u64 = query_scalar("SELECT CAST(COUNT(*) AS UNSIGNED) FROM MEASURES")
        .fetch_one(&mut *connection)
        .await
        .map_err(prepare_error)?;
    if progress.done != count || copies != count {
        return Err(PrepareError::Incompatible(format!(
            "of the Python system's {count} measures {} were found again, and there are {copies}; docs/migrating.md says \
             how to go back",
            progress.done
        )));
    }
    Ok(())
}

/// The id that ends the next portion after `start`, if there is one.
async fn end_of_portion(
    connection: &mut MySqlConnection,
    originals: &Originals,
    start: u64,
    rows: u32,
) -> Result<Option<u64>, sqlx::Error> {
    let statement = format!(
        "SELECT CAST(MAX(ID) AS UNSIGNED) FROM (SELECT ID FROM {} WHERE ID > ? ORDER BY ID LIMIT ?) P",
        originals.quoted("MEASURES")
    );
    query_scalar(AssertSqlSafe(statement)).bind(start).bind(rows).fetch_one(connection).await
}

/// How many measures there are in a range of ids, and 64 bits that depend on every column of each. The text of a double
/// is one that reads back to the same bits. SHA2 and nothing quicker, since MySQL 9.7 has no MD5 any more.
fn checksum(table: &str, measure_type: &str, nanos: &str, is_negative_zero: &str) -> String {
    format!(
        "SELECT CAST(COUNT(*) AS UNSIGNED), CAST(BIT_XOR(CAST(CONV(LEFT(SHA2(CONCAT_WS(',', ID, {measure_type}, {nanos}, \
         EXPERIMENT_ID, MEASURE_VALUE, {is_negative_zero}), 256), 16), 16, 10) AS UNSIGNED)) AS UNSIGNED) \
         FROM {table} WHERE ID > ? AND ID <= ?"
    )
}

async fn digest(
    connection: &mut MySqlConnection,
    statement: &str,
    start: u64,
    end: u64,
) -> Result<(u64, u64), sqlx::Error> {
    query_as(AssertSqlSafe(statement.to_owned())).bind(start).bind(end).fetch_one(connection).await
}

/// The column TYPE in this system's terms. An id that is none becomes NULL, which the table refuses.
fn new_type(types: &TypeIds) -> String {
    if types.is_empty() {
        return "NULL".to_owned();
    }
    let cases = types.iter().map(|(old, new)| format!(" WHEN {old} THEN {new}"));
    format!("CASE TYPE{} END", cases.collect::<String>())
}

/// Says now and then how far it is.
struct Progress {
    what: &'static str,
    done: u64,
    of: u64,
    said: Instant,
}

impl Progress {
    fn new(what: &'static str, of: u64) -> Self {
        Self { what, done: 0, of, said: Instant::now() }
    }

    fn add(&mut self, rows: u64) {
        self.done += rows;
        if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            info!(measures = self.done, of = self.of, "moving in: measures {}", self.what);
        }
    }
}
