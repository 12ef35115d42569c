use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{Description, Experiment, ExperimentId, MeasureType, Role, Sensor, SensorName, User};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::experiment_service::visible;
use crate::measure_service::ONLY_SCIENTISTS;
use crate::ports::{ExperimentStore, MeasureTypeStore, SensorStore, Series};
use crate::reading::AccessRecord;
use crate::user_service::require_admin;

/// A series with the names that it refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedSeries {
    /// The series.
    pub series: Series,
    /// Its measure type.
    pub measure_type: MeasureType,
    /// Its sensor, if there is one.
    pub sensor: Option<SensorName>,
}

/// Sensors and series of an experiment.
#[async_trait]
pub trait SensorService: Interface {
    /// The series with their latest values; for associated scientists. Recorded as a reading.
    async fn series(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
    ) -> Result<Vec<NamedSeries>, ServiceError>;
    /// The sensors, by id; for administrators and associated scientists.
    async fn list(&self, caller: &User, experiment_id: ExperimentId) -> Result<Vec<Sensor>, ServiceError>;
    /// Replaces the description of a sensor; for administrators. `given_name` must be its name.
    async fn describe(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        name: &str,
        given_name: &str,
        description: &str,
    ) -> Result<Sensor, ServiceError>;
}

/// The one implementation of [`SensorService`].
#[derive(Component)]
#[shaku(interface = SensorService)]
pub struct SensorServiceImpl {
    #[shaku(inject)]
    sensors: Arc<dyn SensorStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

const NO_SUCH_SENSOR: ServiceError = ServiceError::NotFound("there is no such sensor");

impl SensorServiceImpl {
    /// The experiment, if the caller may see it. A refusal is recorded.
    async fn experiment(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        operation: Operation,
    ) -> Result<Experiment, ServiceError> {
        visible(&*self.experiments, caller, experiment_id, |reason| {
            let attempt = Attempt::new(&*self.audit, caller, operation);
            attempt.on(Resource::Experiment(experiment_id)).refuse(reason);
        })
        .await
    }

    async fn try_describe(
        &self,
        attempt: &mut Attempt<'_>,
        experiment_id: ExperimentId,
        name: &str,
        given_name: &str,
        description: &str,
    ) -> Result<Sensor, ServiceError> {
        require_admin(attempt.caller())?;
        let description = Description::new(description)?;
        if given_name.trim() != name.trim() {
            return Err(ServiceError::invalid("name", "cannot be changed, since measures refer to it"));
        }
        let name = SensorName::new(name).map_err(|_| NO_SUCH_SENSOR)?;
        let ids = self.sensors.ids_by_name(experiment_id, std::slice::from_ref(&name)).await?;
        let id = *ids.get(&name).ok_or(NO_SUCH_SENSOR)?;
        attempt.concerns(Resource::Sensor(experiment_id, name.clone()));
        if !self.sensors.describe(experiment_id, &name, &description).await? {
            return Err(NO_SUCH_SENSOR);
        }
        Ok(Sensor { id, name, description })
    }
}

#[async_trait]
impl SensorService for SensorServiceImpl {
    async fn series(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
    ) -> Result<Vec<NamedSeries>, ServiceError> {
        if caller.role == Role::Admin {
            let attempt = Attempt::new(&*self.audit, caller, Operation::ReadMeasures);
            attempt.on(Resource::Experiment(experiment_id)).refuse(ONLY_SCIENTISTS);
            return Err(ServiceError::Forbidden(ONLY_SCIENTISTS));
        }
        self.experiment(caller, experiment_id, Operation::ReadMeasures).await?;
        let mut access = AccessRecord::new(self.audit.clone(), caller.user_id.clone(), experiment_id);
        let series = self.sensors.series(experiment_id).await.inspect_err(|_| access.fail())?;
        let mut ids: Vec<_> = series.iter().filter_map(|each| each.sensor).collect();
        ids.sort_unstable();
        ids.dedup();
        let names = self.sensors.names_by_id(&ids).await.inspect_err(|_| access.fail())?;
        let types = self.measure_types.list().await.inspect_err(|_| access.fail())?;
        let types: HashMap<_, _> = types.into_iter().map(|each| (each.id, each)).collect();
        let named = series.into_iter().filter_map(|series| {
            let measure_type = types.get(&series.measure_type)?.clone();
            let sensor = series.sensor.and_then(|id| names.get(&id).cloned());
            Some(NamedSeries { series, measure_type, sensor })
        });
        let named: Vec<_> = named.collect();
        access.count(named.len() as u64);
        access.complete();
        Ok(named)
    }

    async fn list(&self, caller: &User, experiment_id: ExperimentId) -> Result<Vec<Sensor>, ServiceError> {
        self.experiment(caller, experiment_id, Operation::ReadSensors).await?;
        Ok(self.sensors.list(experiment_id).await?)
    }

    async fn describe(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        name: &str,
        given_name: &str,
        description: &str,
    ) -> Result<Sensor, ServiceError> {
        let attempt = Attempt::new(&*self.audit, caller, Operation::UpdateSensor);
        let mut attempt = attempt.on(Resource::Experiment(experiment_id));
        let described = self.try_describe(&mut attempt, experiment_id, name, given_name, description).await;
        attempt.conclude(described)
    }
}
