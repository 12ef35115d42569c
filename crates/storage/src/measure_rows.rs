//! Writes measures.

use mymonit_services::ports::NewMeasure;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::error::Fault;
use crate::new_sensors::SensorIds;
use crate::sizes::{repeated, statement_sizes};

/// A row of MEASURES. `sensor` is 0 for none.
pub(crate) struct MeasureRow {
    pub(crate) id: u64,
    pub(crate) experiment: u32,
    pub(crate) measure_type: u16,
    pub(crate) sensor: u32,
    pub(crate) timestamp: i64,
    pub(crate) value: f64,
}

/// Writes `count` measures with the ids from `first_id` on. The caller writes their series last in
/// the same transaction.
pub(crate) async fn insert<'a>(
    connection: &mut Connection<'_>,
    first_id: u64,
    count: usize,
    measures: impl Iterator<Item = &'a NewMeasure>,
    sensors: &SensorIds,
) -> Result<(), Fault> {
    let row = |(id, (index, measure)): (u64, (usize, &NewMeasure))| MeasureRow {
        id,
        experiment: measure.experiment_id.get(),
        measure_type: measure.measure_type.get(),
        sensor: sensors.of(index),
        timestamp: measure.timestamp.unix_nanos(),
        value: measure.value.get(),
    };
    insert_rows(connection, count, (first_id..).zip(measures.enumerate()).map(row)).await
}

/// Writes `count` rows.
pub(crate) async fn insert_rows(
    connection: &mut Connection<'_>,
    count: usize,
    mut rows: impl Iterator<Item = MeasureRow>,
) -> Result<(), Fault> {
    for size in statement_sizes(count) {
        let rows: Vec<_> = rows.by_ref().take(size).collect();
        insert_some(connection, &rows).await?;
    }
    Ok(())
}

/// Columns that most statements do not need are omitted.
async fn insert_some(connection: &mut Connection<'_>, rows: &[MeasureRow]) -> Result<(), Fault> {
    let is_mysql = matches!(connection, Connection::MySql(_));
    let has_mark = is_mysql && rows.iter().any(|row| is_negative_zero(row.value));
    let has_sensor = rows.iter().any(|row| row.sensor > 0);
    let (columns, group) = match (has_mark, has_sensor) {
        (false, false) => ("", "(?, ?, ?, ?, ?)"),
        (true, false) => (", IS_NEGATIVE_ZERO", "(?, ?, ?, ?, ?, ?)"),
        (false, true) => (", SENSOR_ID", "(?, ?, ?, ?, ?, ?)"),
        (true, true) => (", IS_NEGATIVE_ZERO, SENSOR_ID", "(?, ?, ?, ?, ?, ?, ?)"),
    };
    let statement = format!(
        "INSERT INTO MEASURES (ID, TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE{columns}) VALUES {}",
        repeated(group, rows.len())
    );
    let values = rows.iter().flat_map(|row| {
        let mark = has_mark.then(|| Value::Integer(is_negative_zero(row.value).into()));
        let values = [
            Value::Integer(row.id.cast_signed()),
            row.measure_type.into(),
            row.timestamp.into(),
            row.experiment.into(),
            Value::Real(row.value),
        ];
        values.into_iter().chain(mark).chain(has_sensor.then(|| Value::from(row.sensor)))
    });
    connection.execute(AssertSqlSafe(statement), values).await?;
    Ok(())
}

/// MariaDB stores -0.0 as 0, so such rows are marked. They are rare.
pub(crate) fn is_negative_zero(value: f64) -> bool {
    value == 0.0 && value.is_sign_negative()
}
