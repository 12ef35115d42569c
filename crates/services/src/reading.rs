//! A reading under way: which portions of measures are read, and what becomes of them.

mod bins;

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use mymonit_model::{MeasureTypeId, MeasureTypeName, StoredMeasure};

use crate::cursor::{self, Scope};
use crate::ports::{MeasurePosition, MeasureQuery, MeasureStore};
use crate::{Content, MeasureTypeService, NamedMeasure, ServiceError};

/// Rows of the first portion of a stream: few, so that a short answer and the first byte of a long one
/// come soon.
const FIRST_PORTION: u32 = 1_000;
/// Rows of every further portion: enough that the cost of a query vanishes beside that of its rows, and no more, since
/// each client that reads slowly has up to two portions in memory.
const PORTION: u32 = 4_000;

/// One reading under way.
pub(crate) struct Reader {
    pub(crate) measures: Arc<dyn MeasureStore>,
    pub(crate) measure_types: Arc<dyn MeasureTypeService>,
    pub(crate) query: MeasureQuery,
    pub(crate) scope: Scope,
}

/// What one query brought.
struct Portion {
    rows: Vec<StoredMeasure>,
    is_last: bool,
}

impl Reader {
    /// The measures after the cursor, with the cursor of what follows them.
    pub(crate) async fn measures(
        self,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<(Option<String>, Content), ServiceError> {
        let after = cursor.map(|cursor| cursor::decode(&self.scope, cursor)).transpose()?;
        match limit {
            Some(limit) => self.page(after, limit).await,
            None => Ok((None, self.all(after))),
        }
    }

    async fn page(
        self,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<(Option<String>, Content), ServiceError> {
        let rows = self.measures.page(&self.query, after, with_next(limit)).await?;
        Ok(self.page_of(rows, limit))
    }

    /// The page of that size out of [`with_next`] rows.
    pub(crate) fn page_of(self, mut rows: Vec<StoredMeasure>, limit: u32) -> (Option<String>, Content) {
        let mut next = None;
        if rows.len() > limit as usize {
            rows.truncate(limit as usize);
            next = rows.last().map(|last| cursor::encode(&self.scope, position(last)));
        }
        let measures = stream::once(async move { named(&*self.measure_types, rows).await });
        (next, Content::Measures(measures.boxed()))
    }

    fn all(self, after: Option<MeasurePosition>) -> Content {
        let measure_types = self.measure_types.clone();
        let measures = self.portions(after).and_then(move |portion| {
            let measure_types = measure_types.clone();
            async move { named(&*measure_types, portion.rows).await }
        });
        Content::Measures(measures.boxed())
    }

    /// All measures of the query after the position, portion by portion.
    fn portions(
        self,
        after: Option<MeasurePosition>,
    ) -> impl Stream<Item = Result<Portion, ServiceError>> + Send + use<> {
        let next = Some((after, FIRST_PORTION));
        stream::try_unfold((self, next), |(reader, next)| async move {
            let Some((after, size)) = next else { return Ok(None) };
            let rows = reader.measures.page(&reader.query, after, size).await?;
            let is_last = rows.len() < size as usize;
            let next = (!is_last).then(|| (rows.last().map(position), PORTION));
            Ok(Some((Portion { rows, is_last }, (reader, next))))
        })
    }
}

/// How many rows to read for a page: one more than asked for tells whether anything follows.
pub(crate) const fn with_next(limit: u32) -> u32 {
    limit + 1
}

async fn named(
    measure_types: &dyn MeasureTypeService,
    rows: Vec<StoredMeasure>,
) -> Result<Vec<NamedMeasure>, ServiceError> {
    let names = names(measure_types, rows.iter().map(|row| row.measure_type)).await?;
    // Collecting results would not know how many there are, and take up to twice the room.
    let mut named = Vec::with_capacity(rows.len());
    for StoredMeasure { measure_type, timestamp, value, .. } in rows {
        named.push(NamedMeasure { measure_type: name(&names, measure_type)?, timestamp, value });
    }
    Ok(named)
}

type Names = Arc<HashMap<MeasureTypeId, MeasureTypeName>>;

/// The names of those measure types, at least.
async fn names(
    measure_types: &dyn MeasureTypeService,
    ids: impl Iterator<Item = MeasureTypeId>,
) -> Result<Names, ServiceError> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(measure_types.names_by_id(&ids).await?)
}

fn name(names: &Names, id: MeasureTypeId) -> Result<MeasureTypeName, ServiceError> {
    names.get(&id).cloned().ok_or_else(|| {
        let cause = format!("measure type {} has measures and no row", id.get());
        ServiceError::Internal(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(cause)))
    })
}

fn position(row: &StoredMeasure) -> MeasurePosition {
    MeasurePosition { timestamp: row.timestamp, id: row.id }
}
