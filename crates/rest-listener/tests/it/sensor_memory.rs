//! The sensors and series in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{Description, ExperimentId, Sensor, SensorId, SensorName};
use mymonit_services::ports::{SensorStore, Series, StorageError};
use shaku::Component;

use crate::memory::Memory;

#[derive(Component)]
#[shaku(interface = SensorStore)]
pub(crate) struct FakeSensorStore {
    memory: Arc<Memory>,
}

impl FakeSensorStore {
    fn of(&self, experiment_id: ExperimentId) -> Vec<Sensor> {
        let sensors = self.memory.sensors.lock().unwrap();
        let own = sensors.iter().filter(|(experiment, _)| *experiment == experiment_id);
        own.map(|(_, sensor)| sensor.clone()).collect()
    }
}

#[async_trait]
impl SensorStore for FakeSensorStore {
    async fn list(&self, experiment_id: ExperimentId) -> Result<Vec<Sensor>, StorageError> {
        self.memory.available()?;
        Ok(self.of(experiment_id))
    }

    async fn ids_by_name(
        &self,
        experiment_id: ExperimentId,
        names: &[SensorName],
    ) -> Result<HashMap<SensorName, SensorId>, StorageError> {
        self.memory.available()?;
        let own = self.of(experiment_id).into_iter().filter(|sensor| names.contains(&sensor.name));
        Ok(own.map(|sensor| (sensor.name, sensor.id)).collect())
    }

    async fn names_by_id(&self, ids: &[SensorId]) -> Result<HashMap<SensorId, SensorName>, StorageError> {
        let sensors = self.memory.sensors.lock().unwrap();
        let wanted = sensors.iter().filter(|(_, sensor)| ids.contains(&sensor.id));
        Ok(wanted.map(|(_, sensor)| (sensor.id, sensor.name.clone())).collect())
    }

    async fn describe(
        &self,
        experiment_id: ExperimentId,
        name: &SensorName,
        description: &Description,
    ) -> Result<bool, StorageError> {
        let mut sensors = self.memory.sensors.lock().unwrap();
        let mut own = sensors.iter_mut().filter(|(experiment, _)| *experiment == experiment_id);
        let found = own.find(|(_, sensor)| sensor.name == *name);
        Ok(found.map(|(_, sensor)| sensor.description = description.clone()).is_some())
    }

    async fn series(&self, experiment_id: ExperimentId) -> Result<Vec<Series>, StorageError> {
        let mut series = BTreeMap::<_, Series>::new();
        let mut measures = self.memory.measures.lock().unwrap().clone();
        measures.sort_by_key(|(_, measure)| (measure.timestamp, measure.id));
        for (_, measure) in measures.iter().filter(|(experiment, _)| *experiment == experiment_id) {
            let new = Series {
                sensor: measure.sensor,
                measure_type: measure.measure_type,
                first: measure.timestamp,
                last: measure.timestamp,
                latest_value: measure.value,
            };
            let known = series.entry((measure.measure_type, measure.sensor)).or_insert(new);
            (known.last, known.latest_value) = (measure.timestamp, measure.value);
        }
        Ok(series.into_values().collect())
    }
}
