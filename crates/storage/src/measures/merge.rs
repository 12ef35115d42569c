//! Merges rows and blocks in the order of a query.

use mymonit_model::{MeasureId, MeasureTypeId, MeasureValue, SensorId, StoredMeasure, Timestamp};
use mymonit_services::ports::{MeasurePosition, MeasureQuery, Order, StorageError};

use super::statement::span;
use crate::blocks::table::StoredBlock;
use crate::blocks::{BlockMeasure, BlockSeries, Position};
use crate::error::cause;

/// Rows and blocks as one statement has found them, in the order of the query.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<StoredMeasure>,
    pub(super) blocks: Vec<StoredBlock>,
}

/// Which measures a reading selects, and in which order.
pub(super) struct Wanted<'q> {
    query: &'q MeasureQuery,
    span: (i64, i64),
    after: Option<Position>,
}

impl<'q> Wanted<'q> {
    pub(super) fn new(query: &'q MeasureQuery, after: Option<MeasurePosition>) -> Self {
        let after = after.map(|after| (after.timestamp.unix_nanos(), after.id.get()));
        Self { query, span: span(query), after }
    }

    /// Whether one position comes before another one.
    pub(super) fn is_before(&self, one: Position, other: Position) -> bool {
        match self.query.order {
            Order::Ascending => one < other,
            Order::Descending => one > other,
        }
    }

    /// Sorts what is in order already, unless the server has changed it.
    pub(super) fn sort<T>(&self, items: &mut [T], position: impl Fn(&T) -> Position) {
        match self.query.order {
            Order::Ascending => items.sort_by_key(position),
            Order::Descending => items.sort_by_key(|item| std::cmp::Reverse(position(item))),
        }
    }

    /// The positions at which a block begins and ends.
    pub(super) fn ends(&self, first: Position, last: Position) -> (Position, Position) {
        match self.query.order {
            Order::Ascending => (first, last),
            Order::Descending => (last, first),
        }
    }

    /// Whether a block that begins there may hold something that is wanted.
    pub(super) fn reaches(&self, begin: Position) -> bool {
        match self.query.order {
            Order::Ascending => begin.0 <= self.span.1,
            Order::Descending => begin.0 >= self.span.0,
        }
    }

    fn has(&self, measure: &BlockMeasure) -> bool {
        let (from, to) = self.span;
        let (types, sensors) = (&self.query.types, &self.query.sensors);
        let BlockSeries { sensor, measure_type } = measure.series;
        (from..=to).contains(&measure.timestamp)
            && self.after.is_none_or(|after| self.is_before(after, measure.position()))
            && (types.is_empty() || types.contains(&MeasureTypeId::new(measure_type)))
            && (sensors.is_empty() || sensors.contains(&SensorId::new(sensor)))
    }

    /// The wanted measures of a block.
    pub(super) fn measures(&self, block: &StoredBlock) -> Result<Vec<BlockMeasure>, StorageError> {
        let mut measures = block.measures()?;
        measures.retain(|measure| self.has(measure));
        if self.query.order == Order::Descending {
            measures.reverse();
        }
        Ok(measures)
    }

    /// Appends the first measures of the chunk, until `page` has `limit`. Returns the position from
    /// which the chunk is incomplete, if that comes first. `blocks` is how many the statement
    /// was limited to.
    pub(super) fn merge(
        &self,
        mut chunk: Chunk,
        blocks: usize,
        limit: usize,
        page: &mut Vec<StoredMeasure>,
    ) -> Result<Option<Position>, StorageError> {
        self.sort(&mut chunk.rows, row_position);
        self.sort(&mut chunk.blocks, |block| block.first);
        let is_cut = chunk.blocks.len() >= blocks;
        let mut rows = chunk.rows.into_iter().peekable();
        let mut known = None;
        for block in &chunk.blocks {
            let (begin, end) = self.ends(block.first, block.last);
            if !self.reaches(begin) {
                known = None;
                break;
            }
            while let Some(row) = rows.next_if(|row| self.is_before(row_position(row), begin)) {
                page.push(row);
                if page.len() >= limit {
                    return Ok(None);
                }
            }
            for measure in self.measures(block)? {
                while let Some(row) =
                    rows.next_if(|row| self.is_before(row_position(row), measure.position()))
                {
                    page.push(row);
                    if page.len() >= limit {
                        return Ok(None);
                    }
                }
                page.push(stored(&measure)?);
                if page.len() >= limit {
                    return Ok(None);
                }
            }
            known = is_cut.then_some(end);
        }
        while let Some(row) =
            rows.next_if(|row| known.is_none_or(|end| !self.is_before(end, row_position(row))))
        {
            page.push(row);
            if page.len() >= limit {
                return Ok(None);
            }
        }
        Ok(known)
    }
}

pub(super) fn row_position(row: &StoredMeasure) -> Position {
    (row.timestamp.unix_nanos(), row.id.get())
}

/// A position as the services have it.
pub(super) fn measure_position((timestamp, id): Position) -> Result<MeasurePosition, StorageError> {
    let timestamp = Timestamp::from_unix_nanos(timestamp).ok_or_else(|| invalid("timestamp"))?;
    Ok(MeasurePosition { timestamp, id: MeasureId::new(id) })
}

pub(super) fn stored(measure: &BlockMeasure) -> Result<StoredMeasure, StorageError> {
    Ok(StoredMeasure {
        id: MeasureId::new(measure.id),
        measure_type: MeasureTypeId::new(measure.series.measure_type),
        sensor: SensorId::new(measure.series.sensor),
        timestamp: Timestamp::from_unix_nanos(measure.timestamp).ok_or_else(|| invalid("timestamp"))?,
        value: MeasureValue::new(measure.value).map_err(|_| invalid("value"))?,
    })
}

fn invalid(field: &str) -> StorageError {
    StorageError::Internal(cause(format!("a block holds a measure whose {field} is invalid")))
}
