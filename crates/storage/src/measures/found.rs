//! What the statements give: rows, blocks, and summaries of blocks.

use mymonit_model::StoredMeasure;
use sqlx::{ColumnIndex, Decode, Error, FromRow, Row, Type};

use super::statement::BLOCK;
use crate::blocks::table::{SeriesRow, StoredBlock, summary_from_row};
use crate::blocks::{Position, SeriesSummary};
use crate::decode::{self, AccessRow};

/// A row of a statement.
pub(super) enum Found {
    Measure(StoredMeasure),
    Block(StoredBlock),
    /// A series within a block that lies between these positions.
    Series {
        first: Position,
        last: Position,
        summary: SeriesSummary,
    },
}

/// A row of a statement for a user, with the columns of the user.
pub(super) struct FoundFor(pub(super) Found, pub(super) AccessRow);

/// ID, TYPE, TIMESTAMP, MEASURE_VALUE, IS_NEGATIVE_ZERO, -, -, SENSOR_ID of a measure; FIRST_ID, -,
/// FIRST_TIMESTAMP, -, 2, LAST_TIMESTAMP, LAST_ID, COUNT, CRC, DATA of a block; those of a block
/// without CRC and DATA, with TYPE and COUNT of a series, 3 for 2, and further columns of the
/// series.
impl<'r, R: Row> FromRow<'r, R> for Found
where
    usize: ColumnIndex<R>,
    u64: Decode<'r, R::Database> + Type<R::Database>,
    u32: Decode<'r, R::Database> + Type<R::Database>,
    u16: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    f64: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, Error> {
        let (id, timestamp) = (row.try_get(0)?, row.try_get(2)?);
        let kind: i64 = row.try_get(4)?;
        if kind < BLOCK {
            let (measure_type, sensor) = (row.try_get(1)?, row.try_get(7)?);
            let measure = (id, measure_type, sensor, timestamp, row.try_get(3)?, kind != 0);
            return decode::measure(measure).map(Self::Measure);
        }
        let (first, last) = ((timestamp, id), (row.try_get(5)?, row.try_get(6)?));
        if kind == BLOCK {
            // The experiment is known from the query.
            let (count, crc, data) = (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?);
            return Ok(Self::Block(StoredBlock { experiment: 0, first, last, count, crc, data }));
        }
        let series: SeriesRow = (
            row.try_get(10)?,
            row.try_get(1)?,
            row.try_get(11)?,
            row.try_get(12)?,
            row.try_get(7)?,
            row.try_get(13)?,
            row.try_get(14)?,
            row.try_get(15)?,
            row.try_get(16)?,
            row.try_get(17)?,
            row.try_get(18)?,
            row.try_get(19)?,
        );
        let impossible = || Error::Decode("the summary of a block is impossible".into());
        let summary = summary_from_row(series).ok_or_else(impossible)?;
        Ok(Self::Series { first, last, summary })
    }
}

impl<'r, R: Row> FromRow<'r, R> for FoundFor
where
    Found: FromRow<'r, R>,
    usize: ColumnIndex<R>,
    u64: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, Error> {
        let user = (
            row.try_get(10)?,
            row.try_get(11)?,
            row.try_get(12)?,
            row.try_get(13)?,
            row.try_get(14)?,
            row.try_get(15)?,
        );
        Ok(Self(Found::from_row(row)?, user))
    }
}
