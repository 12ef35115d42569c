//! The sensors that this process has seen in the database. They are never renamed or removed.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use mymonit_model::{ExperimentId, SensorId, SensorName};

/// Sensors beyond this number empty the cache.
const MAX_KNOWN: usize = 200_000;

/// A sensor as a row of SENSORS.
pub(crate) type SensorRow = (ExperimentId, SensorName, SensorId);

#[derive(Debug, Default)]
pub(crate) struct KnownSensors(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: HashMap<ExperimentId, HashMap<SensorName, SensorId>>,
    names: HashMap<SensorId, SensorName>,
}

impl KnownSensors {
    /// Adds sensors that are committed.
    pub(crate) fn add(&self, sensors: impl IntoIterator<Item = SensorRow>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (experiment_id, name, id) in sensors {
            if known.names.len() >= MAX_KNOWN {
                *known = Known::default();
            }
            known.names.insert(id, name.clone());
            known.ids.entry(experiment_id).or_default().insert(name, id);
        }
    }

    /// The id of each sensor, if it is known.
    pub(crate) fn ids<'a>(
        &self,
        sensors: impl Iterator<Item = Option<(ExperimentId, &'a SensorName)>>,
    ) -> Vec<Option<SensorId>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let id = |(experiment_id, name)| known.ids.get(&experiment_id)?.get(name).copied();
        sensors.map(|sensor| sensor.and_then(id)).collect()
    }

    /// The names of those of the sensors that are known.
    pub(crate) fn names(&self, ids: &[SensorId]) -> HashMap<SensorId, SensorName> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter_map(|id| Some((*id, known.names.get(id)?.clone()))).collect()
    }
}
