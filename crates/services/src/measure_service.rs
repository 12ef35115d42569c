use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use mymonit_model::{
    Experiment, ExperimentId, MeasureTypeId, MeasureTypeName, MeasureValue, Role, StoredMeasure, Timestamp,
    User,
};
use shaku::{Component, Interface};

use crate::experiment_service::NO_SUCH_EXPERIMENT;
use crate::ports::{ExperimentStore, MeasurePosition, MeasureQuery, MeasureStore, Order};
use crate::{MeasureTypeService, ServiceError, cursor};

/// The greatest `limit` of a page. A page is held in memory, so it needs a bound; a reading without
/// `limit` is streamed and has none.
pub const MAX_LIMIT: u32 = 100_000;

/// Rows of the first portion of a stream: few, so that a short answer and the first byte of a long one
/// come soon.
const FIRST_PORTION: u32 = 1_000;
/// Rows of every further portion: enough that the cost of a query vanishes beside that of its rows.
const PORTION: u32 = 10_000;

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
    /// At most this many, 1 to [`MAX_LIMIT`]; `None` means all.
    pub limit: Option<u32>,
    /// Only what comes after this cursor, which an earlier answer gave.
    pub cursor: Option<String>,
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

/// Measures in portions, read from the database as the consumer asks for them. An error ends it; what came
/// before is then not the whole answer.
pub type MeasurePages = BoxStream<'static, Result<Vec<NamedMeasure>, ServiceError>>;

/// An answer to a [`ReadRequest`].
pub struct MeasureReading {
    /// The experiment that was read.
    pub experiment: Experiment,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// The measures.
    pub pages: MeasurePages,
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
    async fn read(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        request: ReadRequest,
    ) -> Result<MeasureReading, ServiceError>;
}

/// The one implementation of [`MeasureService`].
#[derive(Component)]
#[shaku(interface = MeasureService)]
pub struct MeasureServiceImpl {
    #[shaku(inject)]
    measures: Arc<dyn MeasureStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
}

#[async_trait]
impl MeasureService for MeasureServiceImpl {
    async fn read(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        request: ReadRequest,
    ) -> Result<MeasureReading, ServiceError> {
        if caller.role != Role::Scientist {
            return Err(ServiceError::Forbidden("only scientists may read measures"));
        }
        let experiment =
            self.experiments.find_of(&caller.user_id, experiment_id).await?.ok_or(NO_SUCH_EXPERIMENT)?;
        let limit = request.limit;
        if limit.is_some_and(|limit| !(1..=MAX_LIMIT).contains(&limit)) {
            return Err(ServiceError::invalid("limit", format!("must be an integer from 1 to {MAX_LIMIT}")));
        }
        let after = match &request.cursor {
            Some(text) => Some(cursor::decode(text, experiment_id, request.order)?),
            None => None,
        };
        let query = self.query(experiment_id, request).await?;
        let reader =
            Reader { measures: self.measures.clone(), measure_types: self.measure_types.clone(), query };
        match limit {
            Some(limit) => reader.page(experiment, after, limit).await,
            None => reader.all(experiment, after).await,
        }
    }
}

impl MeasureServiceImpl {
    async fn query(
        &self,
        experiment_id: ExperimentId,
        request: ReadRequest,
    ) -> Result<MeasureQuery, ServiceError> {
        let ReadRequest { from, to, order, .. } = request;
        let types = self.type_ids(&request.types).await?;
        Ok(MeasureQuery { experiment_id, from, to, types, order })
    }

    async fn type_ids(&self, names: &[String]) -> Result<Vec<MeasureTypeId>, ServiceError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let unknown = || ServiceError::invalid("type", "must be the name of a measure type");
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

/// One reading under way.
struct Reader {
    measures: Arc<dyn MeasureStore>,
    measure_types: Arc<dyn MeasureTypeService>,
    query: MeasureQuery,
}

impl Reader {
    /// At most `limit` measures, with the cursor of what follows.
    async fn page(
        self,
        experiment: Experiment,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<MeasureReading, ServiceError> {
        // One more than asked for tells whether anything follows.
        let mut rows = self.measures.page(&self.query, after, limit + 1).await?;
        let mut next = None;
        if rows.len() > limit as usize {
            rows.truncate(limit as usize);
            let (id, order) = (experiment.experiment_id, self.query.order);
            next = rows.last().map(|last| cursor::encode(id, order, position(last)));
        }
        let pages = stream::once(async move { self.name(rows).await }).boxed();
        Ok(MeasureReading { experiment, next, pages })
    }

    /// All measures, portion by portion. The first one is read before the answer begins, so that a
    /// database that is away is said with a status.
    async fn all(
        self,
        experiment: Experiment,
        after: Option<MeasurePosition>,
    ) -> Result<MeasureReading, ServiceError> {
        let first = self.portion(after, FIRST_PORTION).await?;
        let pages = stream::try_unfold((self, Step::Give(first)), |(reader, step)| async move {
            let Portion { measures, last, is_full } = match step {
                Step::Give(portion) => portion,
                Step::Read(last) => reader.portion(last, PORTION).await?,
                Step::End => return Ok(None),
            };
            let next = if is_full { Step::Read(last) } else { Step::End };
            Ok(Some((measures, (reader, next))))
        });
        Ok(MeasureReading { experiment, next: None, pages: pages.boxed() })
    }

    async fn portion(&self, after: Option<MeasurePosition>, size: u32) -> Result<Portion, ServiceError> {
        let rows = self.measures.page(&self.query, after, size).await?;
        let last = rows.last().map(position);
        let is_full = rows.len() >= size as usize;
        Ok(Portion { measures: self.name(rows).await?, last, is_full })
    }

    async fn name(&self, rows: Vec<StoredMeasure>) -> Result<Vec<NamedMeasure>, ServiceError> {
        let mut ids: Vec<_> = rows.iter().map(|row| row.measure_type).collect();
        ids.sort_unstable();
        ids.dedup();
        let names = self.measure_types.names_by_id(&ids).await?;
        let name = |StoredMeasure { measure_type, timestamp, value, .. }: StoredMeasure| {
            let measure_type = names.get(&measure_type).cloned().ok_or_else(|| {
                let cause = format!("measure type {} has measures and no row", measure_type.get());
                ServiceError::Internal(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(cause)))
            })?;
            Ok(NamedMeasure { measure_type, timestamp, value })
        };
        rows.into_iter().map(name).collect()
    }
}

/// What a reading does next.
enum Step {
    /// Hands out what was read already.
    Give(Portion),
    /// Reads on from there.
    Read(Option<MeasurePosition>),
    /// Nothing: all has been read.
    End,
}

/// What one query brought.
struct Portion {
    measures: Vec<NamedMeasure>,
    last: Option<MeasurePosition>,
    /// Whether there may be more.
    is_full: bool,
}

fn position(row: &StoredMeasure) -> MeasurePosition {
    MeasurePosition { timestamp: row.timestamp, id: row.id }
}
