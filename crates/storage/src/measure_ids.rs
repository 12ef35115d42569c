//! Ids for new measures. Each process reserves ranges of MEASURE_IDS and assigns them in the order
//! of arrival.

use mymonit_services::ports::StorageError;
use tokio::sync::Mutex;

use crate::connection::{Connection, Value};
use crate::error::Fault;

/// The least range. What a process has not given out is lost when it ends.
const RANGE: u64 = 100_000;

/// Ids that a process has reserved and not assigned.
#[derive(Debug, Default)]
pub(crate) struct MeasureIds(Mutex<Reserved>);

/// A range of ids, its end excluded.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    next: u64,
    end: u64,
}

impl MeasureIds {
    /// The first of `count` ids in a row. `reserve` gets how many to reserve, and the least of
    /// them.
    pub(crate) async fn take<F>(
        &self,
        count: usize,
        reserve: impl FnOnce(u64, u64) -> F,
    ) -> Result<u64, StorageError>
    where
        F: Future<Output = Result<Reserved, StorageError>>,
    {
        let count = count as u64;
        let mut reserved = self.0.lock().await;
        if reserved.end - reserved.next < count {
            // The rest of the old range is given up, so that the ids are in a row.
            *reserved = reserve(count.max(RANGE), reserved.end).await?;
        }
        let first = reserved.next;
        reserved.next += count;
        Ok(first)
    }
}

/// Reserves a range, in a transaction of its own: another one would keep other processes waiting,
/// and give the ids back in a rollback. Goes beyond `least` also in a database that was set back.
pub(crate) async fn reserve(
    connection: &mut Connection<'_>,
    count: u64,
    least: u64,
) -> Result<Reserved, Fault> {
    const RESERVE: &str =
        "UPDATE MEASURE_IDS SET NEXT_ID = CASE WHEN NEXT_ID < ? THEN ? ELSE NEXT_ID END + ?";
    let values = [least, least, count].map(|number| Value::from(number.cast_signed()));
    connection.execute(RESERVE, values).await?;
    let end = connection.row("SELECT NEXT_ID FROM MEASURE_IDS", []).await?;
    let (end,): (u64,) = end.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Reserved { next: end - count, end })
}
