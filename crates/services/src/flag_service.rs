// shaku derives a public, undocumented parameter struct from every component with a default.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{
    ExperimentId, Flag, FlagId, FlagRange, FlagReason, InvalidField, MeasureTypeId, MeasureTypeName, Role,
    SensorId, SensorName, Timestamp, User,
};
use shaku::{Component, Interface};

use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::experiment_service::{NO_SUCH_EXPERIMENT, visible};
use crate::names::unknown_name;
use crate::ports::{ExperimentStore, FlagStore, NewFlag, SensorStore};
use crate::{MeasureTypeService, ServiceError};

/// How many flags an experiment may have.
pub const MAX_FLAGS: u32 = 10_000;

const ONLY_SCIENTISTS: &str = "only scientists may read, set and withdraw flags";
const NO_SUCH_FLAG: ServiceError = ServiceError::NotFound("there is no such flag");

/// A new flag as the client sent it; not validated yet.
#[derive(Debug, Clone)]
pub struct FlagDraft {
    /// The first time.
    pub from: String,
    /// The first time after the range.
    pub to: String,
    /// The name of a sensor, or empty for measures without one; `None` for every sensor.
    pub sensor: Option<String>,
    /// The name of a measure type; `None` for every type.
    pub measure_type: Option<String>,
    /// Why the measures must not be used.
    pub reason: String,
}

/// A flag with the names that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFlag {
    /// The flag.
    pub flag: Flag,
    /// The sensor, where `Some(None)` are measures without one; `None` for every sensor.
    pub sensor: Option<Option<SensorName>>,
    /// The measure type; `None` for every type.
    pub measure_type: Option<MeasureTypeName>,
}

/// Flags of an experiment; for associated scientists.
#[async_trait]
pub trait FlagService: Interface {
    /// All flags, by id.
    async fn list(&self, caller: &User, experiment_id: ExperimentId) -> Result<Vec<NamedFlag>, ServiceError>;
    /// Sets a flag.
    async fn create(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        draft: FlagDraft,
    ) -> Result<NamedFlag, ServiceError>;
    /// Withdraws a flag, also another scientist's.
    async fn withdraw(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        id: FlagId,
    ) -> Result<(), ServiceError>;
}

/// The one implementation of [`FlagService`].
#[derive(Component)]
#[shaku(interface = FlagService)]
pub struct FlagServiceImpl {
    #[shaku(inject)]
    flags: Arc<dyn FlagStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    sensors: Arc<dyn SensorStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

impl FlagServiceImpl {
    fn attempt<'a>(
        &'a self,
        caller: &'a User,
        experiment_id: ExperimentId,
        operation: Operation,
    ) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation).on(Resource::Experiment(experiment_id))
    }

    /// Admits associated scientists only.
    async fn authorize(
        &self,
        attempt: &mut Attempt<'_>,
        experiment_id: ExperimentId,
    ) -> Result<(), ServiceError> {
        let caller = attempt.caller();
        if caller.role == Role::Admin {
            return Err(ServiceError::Forbidden(ONLY_SCIENTISTS));
        }
        let refuse = |reason| attempt.refuse(reason);
        visible(&*self.experiments, caller, experiment_id, refuse).await.map(drop)
    }

    async fn try_list(
        &self,
        attempt: &mut Attempt<'_>,
        experiment_id: ExperimentId,
    ) -> Result<Vec<NamedFlag>, ServiceError> {
        self.authorize(attempt, experiment_id).await?;
        let flags = self.flags.list(experiment_id).await?;
        let mut sensors: Vec<_> = flags.iter().filter_map(|flag| flag.range.sensor().flatten()).collect();
        sensors.sort_unstable();
        sensors.dedup();
        let sensors = match sensors.is_empty() {
            true => HashMap::new(),
            false => self.sensors.names_by_id(&sensors).await?,
        };
        let types: Vec<_> = flags.iter().filter_map(|flag| flag.range.measure_type()).collect();
        let types = self.measure_types.names_by_id(&types).await?;
        // The database refers to existing types, and sensors are never removed.
        let named = |flag: Flag| NamedFlag {
            sensor: flag.range.sensor().map(|id| id.and_then(|id| sensors.get(&id).cloned())),
            measure_type: flag.range.measure_type().and_then(|id| types.get(&id).cloned()),
            flag,
        };
        Ok(flags.into_iter().map(named).collect())
    }

    async fn try_create(
        &self,
        attempt: &mut Attempt<'_>,
        experiment_id: ExperimentId,
        draft: &FlagDraft,
    ) -> Result<NamedFlag, ServiceError> {
        self.authorize(attempt, experiment_id).await?;
        let (from, to) = (moment("from", &draft.from)?, moment("to", &draft.to)?);
        let reason = FlagReason::new(&draft.reason)?;
        let sensor = match draft.sensor.as_deref() {
            None => None,
            Some("") => Some(None),
            Some(name) => Some(Some(self.sensor(experiment_id, name).await?)),
        };
        let measure_type = match draft.measure_type.as_deref() {
            None => None,
            Some(name) => Some(self.measure_type(name).await?),
        };
        let sensor_id = sensor.as_ref().map(|sensor| sensor.as_ref().map(|(id, _)| *id));
        let range = FlagRange::new(from, to, sensor_id, measure_type.as_ref().map(|(id, _)| *id))?;
        let (user_id, created_at) = (attempt.caller().user_id.clone(), Timestamp::now());
        let new = NewFlag { experiment_id, range, reason, user_id, created_at };
        let id = self.flags.insert(&new, MAX_FLAGS).await?.ok_or(NO_SUCH_EXPERIMENT)?;
        attempt.concerns(Resource::Flag(experiment_id, id));
        let NewFlag { reason, user_id, .. } = new;
        Ok(NamedFlag {
            flag: Flag { id, range, reason, user_id, created_at },
            sensor: sensor.map(|sensor| sensor.map(|(_, name)| name)),
            measure_type: measure_type.map(|(_, name)| name),
        })
    }

    async fn sensor(
        &self,
        experiment_id: ExperimentId,
        name: &str,
    ) -> Result<(SensorId, SensorName), ServiceError> {
        const ALLOWED: &str =
            "must be the name of a sensor of the experiment, or empty for measures without one";
        let name = SensorName::new(name)?;
        let ids = self.sensors.ids_by_name(experiment_id, std::slice::from_ref(&name)).await?;
        match ids.get(&name) {
            Some(id) => Ok((*id, name)),
            None => {
                let known = self.sensors.list(experiment_id).await?.into_iter().map(|sensor| sensor.name);
                Err(unknown_name("sensor", ALLOWED, name, known.collect(), SensorName::as_str).await)
            }
        }
    }

    async fn measure_type(&self, name: &str) -> Result<(MeasureTypeId, MeasureTypeName), ServiceError> {
        const FIELD: &str = "measure_type";
        let name =
            MeasureTypeName::existing(name).map_err(|invalid| InvalidField { field: FIELD, ..invalid })?;
        let id = self.measure_types.ids_by_name(std::slice::from_ref(&name)).await?.get(&name).copied();
        let names = self.measure_types.names_by_id(id.as_slice()).await?;
        match id.and_then(|id| Some((id, names.get(&id)?.clone()))) {
            Some(found) => Ok(found),
            None => {
                let known = names.values().cloned().collect();
                let allowed = "must be the name of a measure type";
                Err(unknown_name(FIELD, allowed, name, known, MeasureTypeName::as_str).await)
            }
        }
    }

    async fn try_withdraw(
        &self,
        attempt: &mut Attempt<'_>,
        experiment_id: ExperimentId,
        id: FlagId,
    ) -> Result<(), ServiceError> {
        self.authorize(attempt, experiment_id).await?;
        if !self.flags.delete(experiment_id, id).await? {
            return Err(NO_SUCH_FLAG);
        }
        attempt.concerns(Resource::Flag(experiment_id, id));
        Ok(())
    }
}

/// An absolute time.
fn moment(field: &'static str, text: &str) -> Result<Timestamp, InvalidField> {
    text.parse().map_err(|invalid| InvalidField { field, ..invalid })
}

#[async_trait]
impl FlagService for FlagServiceImpl {
    async fn list(&self, caller: &User, experiment_id: ExperimentId) -> Result<Vec<NamedFlag>, ServiceError> {
        let mut attempt = self.attempt(caller, experiment_id, Operation::ReadFlags);
        let flags = self.try_list(&mut attempt, experiment_id).await;
        attempt.conclude(flags)
    }

    async fn create(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        draft: FlagDraft,
    ) -> Result<NamedFlag, ServiceError> {
        let mut attempt = self.attempt(caller, experiment_id, Operation::CreateFlag);
        let created = self.try_create(&mut attempt, experiment_id, &draft).await;
        attempt.conclude(created)
    }

    async fn withdraw(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        id: FlagId,
    ) -> Result<(), ServiceError> {
        let mut attempt = self.attempt(caller, experiment_id, Operation::WithdrawFlag);
        let withdrawn = self.try_withdraw(&mut attempt, experiment_id, id).await;
        attempt.conclude(withdrawn)
    }
}
