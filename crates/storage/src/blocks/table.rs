//! Rows of MEASURE_BLOCKS and MEASURE_BLOCK_SERIES.

use mymonit_model::{ExperimentId, Summary, SummaryParts};
use mymonit_services::ports::StorageError;
use sqlx::AssertSqlSafe;

use super::packing::NewBlock;
use super::{BlockError, BlockMeasure, BlockSeries, Position, SeriesSummary, decode};
use crate::connection::{Connection, Value};
use crate::error::{Fault, cause};
use crate::measure_rows::is_negative_zero;
use crate::sizes::{repeated, statement_sizes};

/// A row of MEASURE_BLOCKS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBlock {
    pub(crate) experiment: u32,
    pub(crate) first: Position,
    pub(crate) last: Position,
    pub(crate) count: u32,
    pub(crate) crc: u32,
    pub(crate) data: Vec<u8>,
}

/// FIRST_TIMESTAMP, FIRST_ID, LAST_TIMESTAMP, LAST_ID, COUNT, CRC, DATA.
type BlockRow = (i64, u64, i64, u64, u32, u32, Vec<u8>);

const COLUMNS: &str = "FIRST_TIMESTAMP, FIRST_ID, LAST_TIMESTAMP, LAST_ID, COUNT, CRC, DATA";

impl StoredBlock {
    fn from_row(experiment: u32, row: BlockRow) -> Self {
        let (first_timestamp, first_id, last_timestamp, last_id, count, crc, data) = row;
        let (first, last) = ((first_timestamp, first_id), (last_timestamp, last_id));
        Self { experiment, first, last, count, crc, data }
    }

    /// The same with its experiment, which a statement for one experiment does not return.
    pub(crate) fn of(self, experiment: ExperimentId) -> Self {
        Self { experiment: experiment.get(), ..self }
    }

    /// The measures in the order of timestamps and ids.
    ///
    /// # Errors
    /// Names the block if it is damaged.
    pub(crate) fn measures(&self) -> Result<Vec<BlockMeasure>, StorageError> {
        let measures = decode(&self.data, self.crc).map_err(|error| self.is_broken(&error))?;
        let ends = measures.first().zip(measures.last());
        let ends = ends.map(|(first, last)| (first.position(), last.position(), measures.len()));
        if ends != Some((self.first, self.last, usize::try_from(self.count).unwrap_or(usize::MAX))) {
            return Err(self.is_broken(&BlockError::Invalid("its row does not describe them")));
        }
        Ok(measures)
    }

    fn is_broken(&self, error: &BlockError) -> StorageError {
        StorageError::Internal(cause(format!("{self}: {error}")))
    }
}

/// What identifies the block in logs and errors.
impl std::fmt::Display for StoredBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { experiment, first: (timestamp, id), .. } = self;
        write!(f, "block of experiment {experiment} at timestamp {timestamp}, id {id}")
    }
}

/// The last block that begins at the position or before.
pub(crate) async fn last_from(
    connection: &mut Connection<'_>,
    experiment: u32,
    position: Position,
) -> Result<Option<StoredBlock>, Fault> {
    let index = connection.index("IX_MEASURE_BLOCKS_FIRST");
    let sql = format!(
        "SELECT {COLUMNS} FROM MEASURE_BLOCKS {index} WHERE EXPERIMENT_ID = ? AND FIRST_TIMESTAMP <= ? \
         AND (FIRST_TIMESTAMP < ? OR FIRST_ID <= ?) ORDER BY FIRST_TIMESTAMP DESC, FIRST_ID DESC LIMIT 1"
    );
    one(connection, sql, experiment, position).await
}

/// The first block that begins after the position.
pub(crate) async fn first_after(
    connection: &mut Connection<'_>,
    experiment: u32,
    position: Position,
) -> Result<Option<StoredBlock>, Fault> {
    let index = connection.index("IX_MEASURE_BLOCKS_FIRST");
    let sql = format!(
        "SELECT {COLUMNS} FROM MEASURE_BLOCKS {index} WHERE EXPERIMENT_ID = ? AND FIRST_TIMESTAMP >= ? \
         AND (FIRST_TIMESTAMP > ? OR FIRST_ID > ?) ORDER BY FIRST_TIMESTAMP, FIRST_ID LIMIT 1"
    );
    one(connection, sql, experiment, position).await
}

async fn one(
    connection: &mut Connection<'_>,
    sql: String,
    experiment: u32,
    (timestamp, id): Position,
) -> Result<Option<StoredBlock>, Fault> {
    let values = [experiment.into(), timestamp.into(), timestamp.into(), bound(id)];
    let row: Option<BlockRow> = connection.row(AssertSqlSafe(sql), values).await?;
    Ok(row.map(|row| StoredBlock::from_row(experiment, row)))
}

/// An id for a placeholder. No id is greater than the greatest signed integer.
pub(crate) fn bound(id: u64) -> Value {
    Value::Integer(i64::try_from(id).unwrap_or(i64::MAX))
}

/// Writes blocks of an experiment with their summaries.
pub(crate) async fn insert(
    connection: &mut Connection<'_>,
    experiment: u32,
    blocks: Vec<NewBlock>,
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO MEASURE_BLOCKS (EXPERIMENT_ID, FIRST_TIMESTAMP, FIRST_ID, LAST_TIMESTAMP, \
        LAST_ID, COUNT, FORMAT, CRC, DATA) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    for NewBlock { first, last, count, crc, data, series } in blocks {
        let values = [
            experiment.into(),
            first.0.into(),
            bound(first.1),
            last.0.into(),
            bound(last.1),
            count.into(),
            u16::from(super::VERSION).into(),
            crc.into(),
            Value::Bytes(data),
        ];
        connection.execute(INSERT, values).await?;
        insert_series(connection, experiment, first, &series).await?;
    }
    Ok(())
}

async fn insert_series(
    connection: &mut Connection<'_>,
    experiment: u32,
    (timestamp, id): Position,
    series: &[SeriesSummary],
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO MEASURE_BLOCK_SERIES (EXPERIMENT_ID, BLOCK_TIMESTAMP, BLOCK_ID, SENSOR_ID, TYPE, \
        FIRST_TIMESTAMP, LAST_TIMESTAMP, COUNT, MINIMUM, MAXIMUM, MEAN, MEAN_REST, M2, M2_REST, NEGATIVE_ZEROS) VALUES ";
    let mut series = series.iter();
    for size in statement_sizes(series.len()) {
        let sql = format!("{INSERT}{}", repeated("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", size));
        let values = series.by_ref().take(size).flat_map(|series| {
            let parts = series.summary.parts();
            let [mean, mean_rest] = parts.mean;
            let [m2, m2_rest] = parts.squares;
            let numbers = [parts.min, parts.max, mean, mean_rest, m2, m2_rest];
            let zeros = (0..).zip(&numbers).map(|(bit, number)| i64::from(is_negative_zero(*number)) << bit);
            let key: [Value; 8] = [
                experiment.into(),
                timestamp.into(),
                bound(id),
                series.series.sensor.into(),
                series.series.measure_type.into(),
                series.first.into(),
                series.last.into(),
                i64::try_from(parts.count).unwrap_or(i64::MAX).into(),
            ];
            key.into_iter().chain(numbers.map(Value::Real)).chain([Value::Integer(zeros.sum())])
        });
        connection.execute(AssertSqlSafe(sql), values).await?;
    }
    Ok(())
}

/// Deletes a block with its summaries; `false` if it has changed since it was read.
pub(crate) async fn delete(connection: &mut Connection<'_>, block: &StoredBlock) -> Result<bool, Fault> {
    const DELETE: &str = "DELETE FROM MEASURE_BLOCKS WHERE EXPERIMENT_ID = ? AND FIRST_TIMESTAMP = ? AND FIRST_ID = ? \
        AND LAST_TIMESTAMP = ? AND LAST_ID = ? AND COUNT = ? AND CRC = ?";
    const DELETE_SERIES: &str =
        "DELETE FROM MEASURE_BLOCK_SERIES WHERE EXPERIMENT_ID = ? AND BLOCK_TIMESTAMP = ? AND BLOCK_ID = ?";
    let StoredBlock { experiment, first, last, count, crc, .. } = *block;
    let key = || [experiment.into(), first.0.into(), bound(first.1)];
    let rest = [last.0.into(), bound(last.1), count.into(), crc.into()];
    let is_gone = connection.execute(DELETE, key().into_iter().chain(rest)).await?.rows == 1;
    connection.execute(DELETE_SERIES, key()).await?;
    Ok(is_gone)
}

/// The number of the first experiment after that one with rows in the table.
pub(crate) async fn next_experiment(
    connection: &mut Connection<'_>,
    table: &'static str,
    experiment: u32,
) -> Result<Option<u32>, Fault> {
    let sql =
        format!("SELECT EXPERIMENT_ID FROM {table} WHERE EXPERIMENT_ID > ? ORDER BY EXPERIMENT_ID LIMIT 1");
    let row: Option<(u32,)> = connection.row(AssertSqlSafe(sql), [experiment.into()]).await?;
    Ok(row.map(|(experiment,)| experiment))
}

/// SENSOR_ID, TYPE, FIRST_TIMESTAMP, LAST_TIMESTAMP, COUNT, MINIMUM, MAXIMUM, MEAN, MEAN_REST, M2,
/// M2_REST, NEGATIVE_ZEROS.
pub(crate) type SeriesRow = (u32, u16, i64, i64, u32, f64, f64, f64, f64, f64, f64, u16);

/// The columns of [`SeriesRow`].
pub(crate) const SERIES_COLUMNS: &str = "SENSOR_ID, TYPE, FIRST_TIMESTAMP, LAST_TIMESTAMP, COUNT, MINIMUM, MAXIMUM, \
    MEAN, MEAN_REST, M2, M2_REST, NEGATIVE_ZEROS";

/// The summary in a row, unless it is impossible.
pub(crate) fn summary_from_row(row: SeriesRow) -> Option<SeriesSummary> {
    let (sensor, measure_type, first, last, count, min, max, mean, mean_rest, m2, m2_rest, zeros) = row;
    let mut numbers = [min, max, mean, mean_rest, m2, m2_rest];
    for (bit, number) in numbers.iter_mut().enumerate() {
        if zeros & (1 << bit) != 0 {
            *number = -0.0;
        }
    }
    let [min, max, mean, mean_rest, m2, m2_rest] = numbers;
    let (mean, squares) = ([mean, mean_rest], [m2, m2_rest]);
    let summary = Summary::from_parts(SummaryParts { count: count.into(), min, max, mean, squares })?;
    Some(SeriesSummary { series: BlockSeries { sensor, measure_type }, first, last, summary })
}

/// The summaries of a block, by series; impossible ones are left out.
pub(crate) async fn series(
    connection: &mut Connection<'_>,
    experiment: u32,
    (timestamp, id): Position,
) -> Result<Vec<SeriesSummary>, Fault> {
    let sql = format!(
        "SELECT {SERIES_COLUMNS} FROM MEASURE_BLOCK_SERIES \
         WHERE EXPERIMENT_ID = ? AND BLOCK_TIMESTAMP = ? AND BLOCK_ID = ? ORDER BY SENSOR_ID, TYPE"
    );
    let values = [experiment.into(), timestamp.into(), bound(id)];
    let rows: Vec<SeriesRow> = connection.rows(AssertSqlSafe(sql), values).await?;
    Ok(rows.into_iter().filter_map(summary_from_row).collect())
}
