// shaku derives a public, undocumented parameter struct from every component with a default.
#![allow(missing_docs)]

use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{
    ExperimentId, ExperimentName, FlagFilter, Flagged, MeasureTypeId, MeasureTypeName, Role, SensorId,
    SensorName, Timestamp, UserId, Window,
};
use shaku::{Component, Interface};
use tracing::Span;

use crate::audit::{Action, AuditEvent, AuditLog, Operation, Outcome, Resource};
use crate::experiment_service::{NO_SUCH_EXPERIMENT, NOT_ASSOCIATED};
use crate::names::unknown_name;
use crate::ports::{Access, FlagStore, MeasureQuery, MeasureStore, Order, SensorStore};
use crate::reading::{AccessRecord, Dictionary, Reading, ReadingSlots, Scan};
use crate::reduction::Reduction;
use crate::{Credentials, MeasureTypeService, ServiceError, UserService};

/// The greatest `limit`. A page is held in memory; a reading without `limit` is streamed and has no
/// bound.
pub const MAX_LIMIT: u32 = 100_000;

/// The greatest `max_points`: more than any plot can show.
pub const MAX_POINTS: u32 = 100_000;

/// The greatest `limit` of a page that is read in one statement with its user, whose columns are in
/// each row. Two statements are faster for larger pages.
const MAX_LIMIT_WITH_USER: u32 = 500;

/// Which measures to read. Only the types of the values are checked yet.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The first timestamp.
    pub from: Option<Timestamp>,
    /// The first timestamp that is excluded; later than `from`.
    pub to: Option<Timestamp>,
    /// Names of measure types; empty means all types.
    pub types: Vec<String>,
    /// Names of sensors, and empty text for measures without one; no text means all.
    pub sensors: Vec<String>,
    /// By whether they are flagged.
    pub flagged: Flagged,
    /// By timestamp.
    pub order: Order,
    /// At most this many measures or bins, 1 to [`MAX_LIMIT`]; `None` means all.
    pub limit: Option<u32>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
    /// Reduce to bins of this width.
    pub window: Option<Window>,
    /// Reduce to at most this many bins of each series, 1 to [`MAX_POINTS`]. Excludes `window`.
    pub max_points: Option<u32>,
}

/// Reads measures.
#[async_trait]
pub trait MeasureService: Interface {
    /// Reads measures of an experiment. Only scientists who are associated with it may.
    ///
    /// No database connection is held between two chunks, and dropping the reading ends its query.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] without a valid token; [`ServiceError::Forbidden`] for
    /// unknown users and administrators; [`ServiceError::NotFound`] for an experiment that is
    /// unknown or not associated, alike; only for those who may read
    /// [`ServiceError::InvalidArgument`]. [`ServiceError::TooManyRequests`] with too many requests
    /// or long readings open.
    async fn read(&self, credentials: Credentials<'_>, request: ReadRequest)
    -> Result<Reading, ServiceError>;
}

/// The one implementation of [`MeasureService`].
#[derive(Component)]
#[shaku(interface = MeasureService)]
pub struct MeasureServiceImpl {
    #[shaku(inject)]
    users: Arc<dyn UserService>,
    #[shaku(inject)]
    measures: Arc<dyn MeasureStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    sensors: Arc<dyn SensorStore>,
    #[shaku(inject)]
    flags: Arc<dyn FlagStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
    #[shaku(default)]
    slots: ReadingSlots,
}

#[async_trait]
impl MeasureService for MeasureServiceImpl {
    async fn read(
        &self,
        credentials: Credentials<'_>,
        request: ReadRequest,
    ) -> Result<Reading, ServiceError> {
        let identity = self.users.verify(credentials).await?;
        // Errors in the request are reported only to those who may read.
        let scan = self.scan(&request).await;
        let at_once = match &scan {
            Ok(scan) if scan.limit.is_some_and(|limit| limit <= MAX_LIMIT_WITH_USER) => {
                scan.first_page_for(&identity).await?
            }
            _ => None,
        };
        let (access, rows) = match at_once {
            Some((access, rows)) => (access, Some(rows)),
            None => (self.users.access(&identity, request.experiment_id).await?, None),
        };
        let is_flagged = access.is_flagged && request.flagged != Flagged::Include;
        let (user_id, experiment) = self.authorize(access, request.experiment_id)?;
        let mut scan = match scan {
            Ok(scan) => scan,
            Err(Refusal::Sensor(name)) => return Err(self.unknown_sensor(request.experiment_id, name).await),
            Err(Refusal::Other(error)) => return Err(error),
        };
        if is_flagged {
            scan.filter(&self.flags.ranges(request.experiment_id).await?);
        }
        // Only long readings take a slot; a page is bounded.
        let slot = rows.is_none().then(|| self.slots.take(&user_id)).transpose()?;
        let (window, next, chunks) = scan.begin(rows).await?;
        let mut access = AccessRecord::new(self.audit.clone(), user_id, request.experiment_id);
        access.hold(slot);
        Ok(Reading { experiment, window, next, chunks, access })
    }
}

impl MeasureServiceImpl {
    /// Decides whether the user may read the measures, and notes the user in the log line of the
    /// request.
    fn authorize(
        &self,
        access: Access,
        experiment_id: ExperimentId,
    ) -> Result<(UserId, ExperimentName), ServiceError> {
        Span::current().record("user_id", access.user_id.as_str());
        if let Some(token) = access.token {
            self.users.note_use(token);
        }
        self.users.count(&access.user_id)?;
        let (reason, error) = match (access.role, access.experiment) {
            (Role::Scientist, Some(experiment)) => return Ok((access.user_id, experiment)),
            (Role::Scientist, None) => (NOT_ASSOCIATED, NO_SUCH_EXPERIMENT),
            (Role::Admin, _) => (ONLY_SCIENTISTS, ServiceError::Forbidden(ONLY_SCIENTISTS)),
        };
        self.audit.record(AuditEvent {
            user_id: Some(access.user_id),
            operation: Some(Operation::ReadMeasures),
            resource: Some(Resource::Experiment(experiment_id)),
            reason: Some(reason.into()),
            ..AuditEvent::new(Action::Authorize, Outcome::Failure)
        });
        Err(error)
    }

    /// Checks the request.
    async fn scan(&self, request: &ReadRequest) -> Result<Scan, Refusal> {
        let ReadRequest { experiment_id, from, to, order, limit, .. } = *request;
        if limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
            let allowed = format!("must be an integer from 1 to {MAX_LIMIT}");
            return Err(ServiceError::invalid("limit", allowed).into());
        }
        let reduction = reduction(request)?;
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(ServiceError::invalid("from", "must be before `to`").into());
        }
        let types = self.type_ids(&request.types).await?;
        let sensors = self.sensor_ids(experiment_id, &request.sensors).await?;
        let flags = FlagFilter::new(request.flagged, &[], &[], &[]);
        let query = MeasureQuery { experiment_id, from, to, types, sensors, order, flags };
        let dictionary =
            Dictionary { measure_types: self.measure_types.clone(), sensors: self.sensors.clone() };
        let cursor = request.cursor.as_deref();
        Ok(Scan::new(self.measures.clone(), dictionary, query, reduction, cursor, limit)?)
    }

    async fn sensor_ids(
        &self,
        experiment_id: ExperimentId,
        names: &[String],
    ) -> Result<Vec<Option<SensorId>>, Refusal> {
        let named: Vec<_> = names.iter().filter(|name| !name.is_empty()).map(String::as_str).collect();
        let named = named.into_iter().map(SensorName::new).collect::<Result<Vec<_>, _>>();
        let named = named.map_err(ServiceError::from)?;
        let mut sensors: Vec<_> = names.iter().any(String::is_empty).then_some(None).into_iter().collect();
        if !named.is_empty() {
            let ids = self.sensors.ids_by_name(experiment_id, &named).await.map_err(ServiceError::from)?;
            for name in named {
                let id = ids.get(&name).copied();
                sensors.push(Some(id.ok_or(Refusal::Sensor(name))?));
            }
        }
        sensors.sort_unstable();
        sensors.dedup();
        Ok(sensors)
    }

    /// Names the closest existing sensor. Only for those who may read the experiment.
    async fn unknown_sensor(&self, experiment_id: ExperimentId, name: SensorName) -> ServiceError {
        const UNKNOWN: &str =
            "must be the name of a sensor of the experiment, or empty for measures without one";
        let known = match self.sensors.list(experiment_id).await {
            Ok(sensors) => sensors.into_iter().map(|sensor| sensor.name).collect(),
            Err(error) => return error.into(),
        };
        unknown_name("sensor", UNKNOWN, name, known, SensorName::as_str).await
    }

    async fn type_ids(&self, names: &[String]) -> Result<Vec<MeasureTypeId>, ServiceError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let unknown = || ServiceError::invalid("type", "must be the name of a measure type, such as `hertz`");
        let names: Vec<_> = names
            .iter()
            .map(|name| MeasureTypeName::existing(name))
            .collect::<Result<_, _>>()
            .map_err(|_| unknown())?;
        let ids = self.measure_types.ids_by_name(&names).await?;
        let mut types: Vec<_> =
            names.iter().map(|name| ids.get(name).copied()).collect::<Option<_>>().ok_or_else(unknown)?;
        types.sort_unstable();
        types.dedup();
        Ok(types)
    }
}

/// What is wrong with a request.
enum Refusal {
    /// The experiment has no sensor of that name.
    Sensor(SensorName),
    Other(ServiceError),
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        Self::Other(error)
    }
}

pub(crate) const ONLY_SCIENTISTS: &str = "only scientists may read measures";

fn reduction(request: &ReadRequest) -> Result<Option<Reduction>, ServiceError> {
    match (request.window, request.max_points) {
        (None, None) => Ok(None),
        (Some(window), None) => Ok(Some(Reduction::Window(window))),
        (None, Some(points)) if (1..=MAX_POINTS).contains(&points) => Ok(Some(Reduction::MaxPoints(points))),
        (None, Some(_)) => {
            Err(ServiceError::invalid("max_points", format!("must be an integer from 1 to {MAX_POINTS}")))
        }
        (Some(_), Some(_)) => {
            Err(ServiceError::invalid("max_points", "must not be given together with `window`"))
        }
    }
}
