use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use mymonit_model::{
    Experiment, ExperimentId, MeasureTypeId, MeasureTypeName, MeasureValue, Role, Timestamp, UserId,
    Username, Window,
};
use shaku::{Component, Interface};

use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::cursor::{self, Scope};
use crate::experiment_service::{NO_SUCH_EXPERIMENT, NOT_ASSOCIATED};
use crate::ports::{MeasureQuery, MeasureStore, Order};
use crate::reading::{Reader, with_next};
use crate::reading_record::{ReadBy, ReadingRecord};
use crate::reduction::Reduction;
use crate::{MeasureReader, MeasureTypeService, Receipt, ServiceError};

/// The greatest `limit` of a page. A page is held in memory, so it needs a bound; a reading without
/// `limit` is streamed and has none.
pub const MAX_LIMIT: u32 = 100_000;

/// The greatest `limit` of a page that is asked for together with its reader, who stands in each of its rows then. A
/// page of some thousands is read faster in two questions.
const MOST_AT_ONCE: u32 = 500;

/// The greatest `max_points`: more than any plot can show. Who wants narrower bins names their width.
pub const MAX_POINTS: u32 = 100_000;

/// What a client wants to read; nothing is checked yet but the types of the values.
#[derive(Debug, Clone, Default)]
pub struct ReadRequest {
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Of the measure types of these names only; empty means of any type.
    pub types: Vec<String>,
    /// In which order.
    pub order: Order,
    /// At most this many measures or bins, 1 to [`MAX_LIMIT`]; `None` means all.
    pub limit: Option<u32>,
    /// Only what comes after this cursor, which an earlier answer gave.
    pub cursor: Option<String>,
    /// Reduced to bins of this width.
    pub window: Option<Window>,
    /// Reduced to at most this many bins of each measure type, 1 to [`MAX_POINTS`]. Not together with `window`.
    pub max_points: Option<u32>,
}

/// A measure as a client sees it, but for the experiment's name, which all of a reading share.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedMeasure {
    /// The name of the measure type.
    pub measure_type: MeasureTypeName,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The number.
    pub value: MeasureValue,
}

/// The measures of one type within one bin of time, those outside of the reading's `from` and `to` left out.
/// Mean and standard deviation are the doubles nearest to the true ones.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedBin {
    /// The name of the measure type.
    pub measure_type: MeasureTypeName,
    /// The first moment of the bin, which is a multiple of its width since the Unix epoch.
    pub timestamp: Timestamp,
    /// How many measures there are; at least one.
    pub count: u64,
    /// The least of them; -0.0 is less than 0.0.
    pub min: f64,
    /// The greatest of them.
    pub max: f64,
    /// Their arithmetic mean.
    pub mean: f64,
    /// The standard deviation of just these measures (of a population, divided by `count`); zero for one measure.
    pub std: f64,
}

/// What stands for measures: one of them, or a bin.
pub trait StandsForMeasures {
    /// For how many.
    fn measures(&self) -> u64;
}

impl StandsForMeasures for NamedMeasure {
    fn measures(&self) -> u64 {
        1
    }
}

impl StandsForMeasures for NamedBin {
    fn measures(&self) -> u64 {
        self.count
    }
}

/// Measures or bins in portions, read from the database as the consumer asks for them. An error ends it; what
/// came before is then not the whole answer.
pub type Portions<T> = BoxStream<'static, Result<Vec<T>, ServiceError>>;

/// What a reading holds.
pub enum Content {
    /// Every measure.
    Measures(Portions<NamedMeasure>),
    /// Bins of measures.
    Bins {
        /// The width of each.
        window: Window,
        /// The bins in the order of time, those of one start in that of their types' ids. Portions may be empty.
        bins: Portions<NamedBin>,
    },
}

/// An answer to a [`ReadRequest`].
pub struct MeasureReading {
    /// Who reads.
    pub user_id: UserId,
    /// The experiment that was read.
    pub experiment: Experiment,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// What was read. The auditor is told of it when it has been read to the end or given up.
    pub content: Content,
    /// For a door that knows how much of it was passed on.
    pub receipt: Receipt,
}

/// Reading measures (specification §3, §5).
#[async_trait]
pub trait MeasureService: Interface {
    /// Reads measures of an experiment; for the scientists associated with it.
    ///
    /// No database connection is held between two portions, so a client that reads slowly takes nothing
    /// from others, and one that goes away ends its query by dropping the stream.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for administrators; [`ServiceError::NotFound`] for experiments that
    /// do not exist and for those that the scientist is not associated with, alike.
    async fn read(&self, reader: MeasureReader, request: ReadRequest)
    -> Result<MeasureReading, ServiceError>;

    /// The same for the user of a verified token, asking the storage one question for all of it, which is what most
    /// readings need: a small page of measures that the user may read. `None` for whatever is not that, above all everything
    /// that is to be refused: [`UserService::reader`] and [`Self::read`] say what it is, and tell the auditor.
    ///
    /// # Errors
    /// Those of the storage alone.
    ///
    /// [`UserService::reader`]: crate::UserService::reader
    async fn read_at_once(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
        request: &ReadRequest,
    ) -> Result<Option<MeasureReading>, ServiceError>;
}

/// The one implementation of [`MeasureService`].
#[derive(Component)]
#[shaku(interface = MeasureService)]
pub struct MeasureServiceImpl {
    #[shaku(inject)]
    measures: Arc<dyn MeasureStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

#[async_trait]
impl MeasureService for MeasureServiceImpl {
    async fn read(
        &self,
        reader: MeasureReader,
        request: ReadRequest,
    ) -> Result<MeasureReading, ServiceError> {
        let (user_id, experiment_id) = (reader.user.user_id.clone(), reader.experiment_id);
        let experiment = self.readable(reader)?;
        let limit = request.limit;
        if limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
            return Err(ServiceError::invalid("limit", format!("must be an integer from 1 to {MAX_LIMIT}")));
        }
        let reduction = reduction(&request)?;
        let query = self.query(experiment_id, &request).await?;
        let reader = self.over(query, reduction);
        let pages = match reduction {
            None => reader.measures(request.cursor.as_deref(), limit).await?,
            Some(reduction) => reader.bins(reduction, request.cursor.as_deref(), limit).await?,
        };
        Ok(self.recorded(user_id, experiment, pages))
    }

    async fn read_at_once(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
        request: &ReadRequest,
    ) -> Result<Option<MeasureReading>, ServiceError> {
        let Some(limit) = request.limit.filter(|limit| (1..=MOST_AT_ONCE).contains(limit)) else {
            return Ok(None);
        };
        let Ok(None) = reduction(request) else { return Ok(None) };
        let query = match self.query(experiment_id, request).await {
            Ok(query) => query,
            Err(ServiceError::InvalidArgument { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let reader = self.over(query, None);
        let after = request.cursor.as_deref().map(|cursor| cursor::decode(&reader.scope, cursor));
        let Ok(after) = after.transpose() else { return Ok(None) };
        let page = self.measures.page_for(username, &reader.query, after, with_next(limit)).await?;
        let Some(page) = page.filter(|page| page.role == Role::Scientist) else { return Ok(None) };
        let experiment = Experiment { experiment_id, name: page.experiment };
        Ok(Some(self.recorded(page.user_id, experiment, reader.page_of(page.measures, limit))))
    }
}

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

impl MeasureServiceImpl {
    fn over(&self, query: MeasureQuery, reduction: Option<Reduction>) -> Reader {
        let scope = Scope::of(&query, reduction);
        let (measures, measure_types) = (self.measures.clone(), self.measure_types.clone());
        Reader { measures, measure_types, query, scope }
    }

    /// A reading that has begun, of which the auditor will be told.
    fn recorded(
        &self,
        user_id: UserId,
        experiment: Experiment,
        (next, content): (Option<String>, Content),
    ) -> MeasureReading {
        let reader = ReadBy::User(user_id.clone());
        let record = ReadingRecord::begin(self.audit.clone(), reader, experiment.experiment_id);
        let content = match content {
            Content::Measures(measures) => Content::Measures(record.follow(measures)),
            Content::Bins { window, bins } => Content::Bins { window, bins: record.follow(bins) },
        };
        MeasureReading { user_id, experiment, next, content, receipt: Receipt::of(record) }
    }

    /// The experiment, if its measures are for the one who asks.
    fn readable(&self, reader: MeasureReader) -> Result<Experiment, ServiceError> {
        let MeasureReader { user, experiment_id, experiment } = reader;
        let attempt = Attempt::new(&*self.audit, &user, Operation::ReadMeasures);
        let mut attempt = attempt.on(Resource::Experiment(experiment_id));
        if user.role != Role::Scientist {
            return attempt.conclude(Err(ServiceError::Forbidden("only scientists may read measures")));
        }
        if experiment.is_none() {
            attempt.refuse(NOT_ASSOCIATED);
        }
        experiment.ok_or(NO_SUCH_EXPERIMENT)
    }

    async fn query(
        &self,
        experiment_id: ExperimentId,
        request: &ReadRequest,
    ) -> Result<MeasureQuery, ServiceError> {
        let ReadRequest { from, to, order, .. } = *request;
        let types = self.type_ids(&request.types).await?;
        Ok(MeasureQuery { experiment_id, from, to, types, order })
    }

    async fn type_ids(&self, names: &[String]) -> Result<Vec<MeasureTypeId>, ServiceError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let unknown = || ServiceError::invalid("type", "must be the name of a measure type, such as `hertz`");
        let names: Vec<_> = names
            .iter()
            .map(|name| MeasureTypeName::new(name))
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
