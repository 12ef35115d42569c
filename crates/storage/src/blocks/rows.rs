//! Rows of MEASURES, for the sealer.

use sqlx::AssertSqlSafe;

use super::table::bound;
use super::{BlockMeasure, BlockSeries, Position};
use crate::connection::{Connection, Value};
use crate::error::Fault;
use crate::measure_rows::{self, MeasureRow};

/// The rows between two positions, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) count: usize,
}

/// ID, TYPE, SENSOR_ID, TIMESTAMP, MEASURE_VALUE, IS_NEGATIVE_ZERO.
type Row = (u64, u16, u32, i64, f64, bool);

/// The position of the first row after one position and before another.
pub(super) async fn first_after(
    connection: &mut Connection<'_>,
    experiment: u32,
    after: Position,
    end: Position,
) -> Result<Option<Position>, Fault> {
    let sql = format!("SELECT TIMESTAMP, ID {FROM} AND {AFTER} AND {BEFORE} {ORDER} LIMIT 1");
    let values = [Value::from(experiment)].into_iter().chain(edge(after)).chain(edge(end));
    Ok(connection.row(AssertSqlSafe(sql), values).await?)
}

/// At most `limit` measures from one position on and before another.
pub(super) async fn read(
    connection: &mut Connection<'_>,
    experiment: u32,
    first: Position,
    end: Position,
    limit: usize,
) -> Result<Vec<BlockMeasure>, Fault> {
    let mark = match connection {
        Connection::MySql(_) => "IS_NEGATIVE_ZERO",
        Connection::Sqlite(_) => "FALSE",
    };
    let sql = format!(
        "SELECT ID, TYPE, SENSOR_ID, TIMESTAMP, MEASURE_VALUE, {mark} {FROM} AND {FROM_ON} AND {BEFORE} {ORDER} LIMIT ?"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [Value::from(experiment)].into_iter().chain(edge(first)).chain(edge(end));
    let rows: Vec<Row> = connection.rows(AssertSqlSafe(sql), values.chain([limit.into()])).await?;
    let measure = |(id, measure_type, sensor, timestamp, value, is_negative_zero)| BlockMeasure {
        timestamp,
        id,
        series: BlockSeries { sensor, measure_type },
        value: if is_negative_zero { -0.0 } else { value },
    };
    Ok(rows.into_iter().map(measure).collect())
}

/// Deletes the rows; `false` if there were more or fewer.
pub(super) async fn delete(
    connection: &mut Connection<'_>,
    experiment: u32,
    rows: Rows,
) -> Result<bool, Fault> {
    let sql = format!("DELETE {FROM} AND {FROM_ON} AND {UP_TO}");
    let values = [Value::from(experiment)].into_iter().chain(edge(rows.first)).chain(edge(rows.last));
    let deleted = connection.execute(AssertSqlSafe(sql), values).await?.rows;
    Ok(usize::try_from(deleted) == Ok(rows.count))
}

/// Writes measures with their ids.
pub(super) async fn insert(
    connection: &mut Connection<'_>,
    experiment: u32,
    measures: &[BlockMeasure],
) -> Result<(), Fault> {
    let row = |measure: &BlockMeasure| {
        let BlockMeasure { timestamp, id, series, value } = *measure;
        let BlockSeries { sensor, measure_type } = series;
        MeasureRow { id, experiment, measure_type, sensor, timestamp, value }
    };
    measure_rows::insert_rows(connection, measures.len(), measures.iter().map(row)).await
}

const FROM: &str = "FROM MEASURES WHERE EXPERIMENT_ID = ?";
const ORDER: &str = "ORDER BY TIMESTAMP, ID";
/// Not a comparison of tuples, for which MariaDB uses no range of the key.
const AFTER: &str = "TIMESTAMP >= ? AND (TIMESTAMP > ? OR ID > ?)";
const FROM_ON: &str = "TIMESTAMP >= ? AND (TIMESTAMP > ? OR ID >= ?)";
const BEFORE: &str = "TIMESTAMP <= ? AND (TIMESTAMP < ? OR ID < ?)";
const UP_TO: &str = "TIMESTAMP <= ? AND (TIMESTAMP < ? OR ID <= ?)";

fn edge((timestamp, id): Position) -> [Value; 3] {
    [timestamp.into(), timestamp.into(), bound(id)]
}
