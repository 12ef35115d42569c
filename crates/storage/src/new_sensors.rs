//! Sensors are created by their first measures, in the same transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mymonit_model::{ExperimentId, MAX_SENSORS, SensorId, SensorName};
use mymonit_services::ports::{NewMeasure, StorageError};
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::decode;
use crate::error::Fault;
use crate::known_sensors::{KnownSensors, SensorRow};
use crate::sizes::{MAX_ROWS, padded, repeated, statement_sizes};

/// The ids of the sensors of some measures.
#[derive(Debug, Default)]
pub(crate) struct SensorIds {
    /// In the order of the measures. Empty if no measure has a sensor.
    ids: Vec<Option<SensorId>>,
    /// Those that are to be known after the commit.
    found: Vec<SensorRow>,
}

/// Names by experiment. Sorted: all processes lock experiments in the same order.
type Names = BTreeMap<ExperimentId, BTreeSet<SensorName>>;

impl SensorIds {
    /// The sensor in MEASURES of the measure at `index`, 0 for none.
    pub(crate) fn of(&self, index: usize) -> u32 {
        SensorId::or_zero(self.ids.get(index).copied().flatten())
    }

    /// Makes them known, after the commit.
    pub(crate) fn committed(self, known: &KnownSensors) {
        if !self.found.is_empty() {
            known.add(self.found);
        }
    }
}

/// Finds the sensors of the measures of each message, and creates those that are missing. In a
/// transaction, before it locks anything else.
///
/// # Errors
/// [`StorageError::TooManySensors`] with the messages whose sensors do not fit, in their order.
pub(crate) async fn resolve(
    connection: &mut Connection<'_>,
    known: &KnownSensors,
    messages: &[(usize, &[NewMeasure])],
) -> Result<SensorIds, Fault> {
    let keys = || messages.iter().flat_map(|(_, measures)| *measures).map(key);
    if keys().all(|key| key.is_none()) {
        return Ok(SensorIds::default());
    }
    let mut sensors = SensorIds { ids: known.ids(keys()), found: Vec::new() };
    let mut missing = Names::new();
    for (key, id) in keys().zip(&sensors.ids) {
        if let (Some((experiment_id, name)), None) = (key, id) {
            missing.entry(experiment_id).or_default().insert(name.clone());
        }
    }
    if missing.is_empty() {
        return Ok(sensors);
    }
    sensors.found = find_or_create(connection, missing, messages).await?;
    let found: HashMap<_, _> =
        sensors.found.iter().map(|(experiment_id, name, id)| ((*experiment_id, name), *id)).collect();
    for (key, id) in keys().zip(&mut sensors.ids) {
        *id = id.or_else(|| found.get(&key?).copied());
    }
    Ok(sensors)
}

async fn find_or_create(
    connection: &mut Connection<'_>,
    mut missing: Names,
    messages: &[(usize, &[NewMeasure])],
) -> Result<Vec<SensorRow>, Fault> {
    const COUNT: &str = "SELECT COUNT(*) FROM SENSORS WHERE EXPERIMENT_ID = ?";
    let mut found = look_up(connection, &mut missing).await?;
    if missing.is_empty() {
        return Ok(found);
    }
    // From here on, no other process creates sensors of these experiments.
    let mut counts = HashMap::new();
    for experiment_id in missing.keys() {
        let lock = format!("SELECT ID FROM EXPERIMENTS WHERE ID = ?{}", connection.for_update());
        connection.rows::<(u32,)>(AssertSqlSafe(lock), [experiment_id.get().into()]).await?;
        let count = connection.number(COUNT, [experiment_id.get().into()]).await?;
        counts.insert(*experiment_id, usize::try_from(count).unwrap_or(usize::MAX));
    }
    found.extend(look_up(connection, &mut missing).await?);
    refuse_excess(&missing, &counts, messages)?;
    for (experiment_id, names) in &missing {
        insert(connection, *experiment_id, names).await?;
    }
    found.extend(look_up(connection, &mut missing).await?);
    Ok(found)
}

fn key(measure: &NewMeasure) -> Option<(ExperimentId, &SensorName)> {
    measure.sensor.as_ref().map(|name| (measure.experiment_id, name))
}

/// Finds those of the names that exist; the others stay missing.
async fn look_up(connection: &mut Connection<'_>, missing: &mut Names) -> Result<Vec<SensorRow>, Fault> {
    let mut found = Vec::new();
    for (experiment_id, names) in missing.iter_mut() {
        let wanted: Vec<_> = names.iter().cloned().collect();
        let rows = find(connection, *experiment_id, &wanted).await?;
        for (_, name, _) in &rows {
            names.remove(name);
        }
        found.extend(rows);
    }
    missing.retain(|_, names| !names.is_empty());
    Ok(found)
}

/// Those of the names that exist.
pub(crate) async fn find(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    names: &[SensorName],
) -> Result<Vec<SensorRow>, Fault> {
    let mut found = Vec::new();
    for names in names.chunks(MAX_ROWS) {
        let values: Vec<_> = padded(names).map(|name| Value::from(name.as_str())).collect();
        let select = format!(
            "SELECT ID, NAME FROM SENSORS WHERE EXPERIMENT_ID = ? AND NAME IN ({})",
            repeated("?", values.len())
        );
        let values = std::iter::once(experiment_id.get().into()).chain(values);
        for (id, name) in connection.rows::<(u32, String)>(AssertSqlSafe(select), values).await? {
            let (id, name) = decode::sensor_key(id, &name)?;
            found.push((experiment_id, name, id));
        }
    }
    Ok(found)
}

/// Messages whose new sensors fit go first, in their order; each message as a whole.
fn refuse_excess(
    missing: &Names,
    counts: &HashMap<ExperimentId, usize>,
    messages: &[(usize, &[NewMeasure])],
) -> Result<(), Fault> {
    let mut accepted = Names::new();
    let mut excess = Vec::new();
    for (index, measures) in messages {
        let mut new = Names::new();
        for (experiment_id, name) in measures.iter().filter_map(key) {
            let is = |names: &Names| names.get(&experiment_id).is_some_and(|names| names.contains(name));
            if is(missing) && !is(&accepted) {
                new.entry(experiment_id).or_default().insert(name.clone());
            }
        }
        let has_no_room = |(experiment_id, names): &(&ExperimentId, &BTreeSet<SensorName>)| {
            let count = counts.get(experiment_id).copied().unwrap_or_default();
            count + accepted.get(experiment_id).map_or(0, BTreeSet::len) + names.len() > MAX_SENSORS
        };
        match new.iter().find(has_no_room) {
            Some((experiment_id, _)) => excess.push((*index, *experiment_id)),
            None => {
                for (experiment_id, names) in new {
                    accepted.entry(experiment_id).or_default().extend(names);
                }
            }
        }
    }
    if excess.is_empty() { Ok(()) } else { Err(Fault::Storage(StorageError::TooManySensors(excess))) }
}

async fn insert(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    names: &BTreeSet<SensorName>,
) -> Result<(), Fault> {
    let mut names = names.iter();
    for size in statement_sizes(names.len()) {
        let insert = format!("INSERT INTO SENSORS (EXPERIMENT_ID, NAME) VALUES {}", repeated("(?, ?)", size));
        let values = names.by_ref().take(size);
        let values = values.flat_map(|name| [experiment_id.get().into(), Value::from(name.as_str())]);
        connection.execute(AssertSqlSafe(insert), values.collect::<Vec<_>>()).await?;
    }
    Ok(())
}
