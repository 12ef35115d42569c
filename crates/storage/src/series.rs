//! SERIES: first, last and latest of the measures of one experiment, sensor and type.

use std::collections::BTreeMap;

use mymonit_model::{ExperimentId, MeasureTypeId, MeasureValue, Timestamp};
use mymonit_services::ports::NewMeasure;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::error::Fault;
use crate::measure_rows::is_negative_zero;
use crate::new_sensors::SensorIds;
use crate::sizes::{repeated, statement_sizes};

/// Experiment, sensor or 0, measure type.
type Key = (ExperimentId, u32, MeasureTypeId);

#[derive(Debug, Clone, Copy)]
struct Extent {
    first: Timestamp,
    /// Timestamp and id.
    last: (Timestamp, u64),
    latest_value: MeasureValue,
}

/// Adds the measures, whose ids go from `first_id` on, to their series. The last statement of a
/// transaction, so that others wait for the rows as short as possible.
pub(crate) async fn extend<'a>(
    connection: &mut Connection<'_>,
    first_id: u64,
    measures: impl Iterator<Item = &'a NewMeasure>,
    sensors: &SensorIds,
) -> Result<(), Fault> {
    let measures = measures.enumerate().map(|(index, measure)| (measure, sensors.of(index)));
    let extents = extents(first_id, measures);
    let mut extents = extents.iter();
    for size in statement_sizes(extents.len()) {
        let values: Vec<_> =
            extents.by_ref().take(size).flat_map(|(key, extent)| values(connection, key, extent)).collect();
        connection.execute(AssertSqlSafe(upsert(connection, size)), values).await?;
    }
    Ok(())
}

/// Sorted: all processes lock the rows in the same order, which prevents deadlocks.
fn extents<'a>(
    first_id: u64,
    measures: impl Iterator<Item = (&'a NewMeasure, u32)>,
) -> BTreeMap<Key, Extent> {
    let mut extents = BTreeMap::<Key, Extent>::new();
    for (id, (measure, sensor_id)) in (first_id..).zip(measures) {
        let NewMeasure { experiment_id, measure_type, timestamp, value, .. } = *measure;
        let new = Extent { first: timestamp, last: (timestamp, id), latest_value: value };
        let known = extents.entry((experiment_id, sensor_id, measure_type)).or_insert(new);
        known.first = known.first.min(new.first);
        if new.last > known.last {
            (known.last, known.latest_value) = (new.last, new.latest_value);
        }
    }
    extents
}

fn values(connection: &Connection<'_>, key: &Key, extent: &Extent) -> Vec<Value> {
    let (experiment_id, sensor_id, measure_type) = *key;
    let (last, last_id) = extent.last;
    let mut values = vec![
        experiment_id.get().into(),
        sensor_id.into(),
        measure_type.get().into(),
        extent.first.unix_nanos().into(),
        last.unix_nanos().into(),
        last_id.cast_signed().into(),
        Value::Real(extent.latest_value.get()),
    ];
    if let Connection::MySql(_) = connection {
        values.push(Value::Integer(is_negative_zero(extent.latest_value.get()).into()));
    }
    values
}

/// MySQL assigns from the left to the right and sees what it has assigned.
fn upsert(connection: &Connection<'_>, rows: usize) -> String {
    const KEY: &str = "EXPERIMENT_ID, SENSOR_ID, TYPE";
    const COLUMNS: &str = "FIRST_TIMESTAMP, LAST_TIMESTAMP, LAST_ID, LATEST_VALUE";
    let (mark, group, conflict, new): (_, _, _, fn(&str) -> String) = match connection {
        Connection::MySql(_) => {
            let conflict = "ON DUPLICATE KEY UPDATE".to_owned();
            (", IS_NEGATIVE_ZERO", "(?, ?, ?, ?, ?, ?, ?, ?)", conflict, |column| format!("VALUES({column})"))
        }
        Connection::Sqlite(_) => {
            let conflict = format!("ON CONFLICT ({KEY}) DO UPDATE SET");
            ("", "(?, ?, ?, ?, ?, ?, ?)", conflict, |column| format!("excluded.{column}"))
        }
    };
    let is_later = format!(
        "{last} > LAST_TIMESTAMP OR ({last} = LAST_TIMESTAMP AND {id} > LAST_ID)",
        last = new("LAST_TIMESTAMP"),
        id = new("LAST_ID"),
    );
    let is_earlier = format!("{} < FIRST_TIMESTAMP", new("FIRST_TIMESTAMP"));
    let assignments = [
        ("IS_NEGATIVE_ZERO", &is_later),
        ("LATEST_VALUE", &is_later),
        ("LAST_ID", &is_later),
        ("LAST_TIMESTAMP", &is_later),
        ("FIRST_TIMESTAMP", &is_earlier),
    ];
    let assignments = assignments.iter().skip(usize::from(mark.is_empty())).map(|(column, condition)| {
        format!("{column} = CASE WHEN {condition} THEN {} ELSE {column} END", new(column))
    });
    format!(
        "INSERT INTO SERIES ({KEY}, {COLUMNS}{mark}) VALUES {} {conflict} {}",
        repeated(group, rows),
        assignments.collect::<Vec<_>>().join(", ")
    )
}
