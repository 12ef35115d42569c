//! Reduces measures to bins: from the summaries of blocks within a bin, and from the data of other
//! blocks.

use std::collections::HashMap;

use futures::TryStreamExt;
use mymonit_model::{
    FlagFilter, Flagged, MeasureTypeId, SensorId, StoredMeasure, Summary, Timestamp, Window,
};
use mymonit_services::ports::{
    MeasurePosition, MeasureQuery, Order, ReducedMeasures, StorageError, SummaryOfBin,
};
use sqlx::AssertSqlSafe;

use super::found::Found;
use super::merge::{Wanted, measure_position, row_position, stored};
use super::statement::{self, BLOCK, SERIES, Select, span};
use crate::blocks::table::StoredBlock;
use crate::blocks::{BlockSeries, Position, SeriesSummary};
use crate::connection::{Connection, Value};
use crate::error::{Fault, cause};
use crate::measure_range::key_ranges;

/// Rows of one statement.
const ROWS: u32 = 4_000;
/// Blocks of the first statement and of the largest ones.
const BLOCKS: (usize, usize) = (64, 512);
/// Summaries of one statement, about.
const SUMMARIES: usize = 16_384;
/// Statements of one call, and bins after which it ends. Calls are short, so that a client that
/// leaves is noticed.
const STATEMENTS: usize = 8;
const BINS: usize = 4_096;
/// Flagged times in a statement. Of more, neighbours become one.
const FLAGGED_TIMES: usize = 64;

/// Reduces what comes after the position, or the first of it.
pub(super) async fn reduce(
    connection: &mut Connection<'_>,
    query: &MeasureQuery,
    mut after: Option<MeasurePosition>,
    window: Window,
) -> Result<ReducedMeasures, Fault> {
    let mut bins = Bins::new(window, &query.flags);
    let mut limit = BLOCKS.0;
    for _ in 0..STATEMENTS {
        let selects = selects(connection, query, after, window, limit);
        if selects.is_empty() {
            return Ok(ReducedMeasures { bins: bins.bins, next: None });
        }
        let (sql, values) = statement::union(connection, selects);
        let mut chunk = Chunk::default();
        let mut found = connection.stream(AssertSqlSafe(sql), values);
        while let Some(found) = found.try_next().await? {
            chunk.take(found, query);
        }
        drop(found);
        let summaries = chunk.summaries.len();
        let next = match chunk.reduce(query, after, limit, &mut bins)? {
            Next::End => None,
            Next::After(next) => Some(measure_position(next)?),
            Next::Stuck => {
                let mut page = Vec::new();
                super::read(connection, query, after, ROWS, &mut page).await?;
                page.iter().for_each(|measure| bins.add_measure(measure));
                page.get(ROWS as usize - 1).map(MeasurePosition::from)
            }
        };
        let Some(next) = next else { return Ok(ReducedMeasures { bins: bins.bins, next: None }) };
        after = Some(next);
        if bins.bins.len() >= BINS {
            break;
        }
        limit = (limit * 4).min(BLOCKS.1).min((SUMMARIES * limit / summaries.max(1)).max(4));
    }
    Ok(ReducedMeasures { bins: bins.bins, next: after })
}

/// Rows; blocks that an edge cuts, with their data; the series of the other blocks.
fn selects(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    window: Window,
    limit: usize,
) -> Vec<Select> {
    const OF_ROWS: &str = ", M.SENSOR_ID, M.TIMESTAMP, M.TIMESTAMP, M.MEASURE_VALUE, M.MEASURE_VALUE, \
        M.MEASURE_VALUE, M.MEASURE_VALUE, M.MEASURE_VALUE, M.MEASURE_VALUE, M.TYPE";
    let ranges = key_ranges(query, after);
    if ranges.is_empty() {
        return Vec::new();
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut selects: Vec<_> = ranges
        .into_iter()
        .map(|range| statement::rows(connection, query, range, None, ROWS.into(), OF_ROWS))
        .collect();
    let experiment = || Value::from(query.experiment_id.get());
    let is_cut = is_cut(connection, query, after, window);
    let join = match connection {
        Connection::MySql(_) => "STRAIGHT_JOIN",
        Connection::Sqlite(_) => "CROSS JOIN",
    };
    let (keys, mut values) = statement::block_keys(connection, query, after, limit);
    values.extend(is_cut.1.iter().cloned());
    let (from, to) = span(query);
    values.extend([to.into(), from.into(), experiment()]);
    selects.push((
        format!(
            "SELECT K.FIRST_ID, D.FORMAT, K.FIRST_TIMESTAMP, 0e0, {BLOCK}, K.LAST_TIMESTAMP, K.LAST_ID, \
             D.COUNT, D.CRC, D.DATA, D.COUNT, K.FIRST_TIMESTAMP, K.FIRST_TIMESTAMP, 0e0, 0e0, 0e0, 0e0, 0e0, 0e0, \
             D.FORMAT FROM ({keys}) K {join} MEASURE_BLOCKS D \
             WHERE {} AND K.FIRST_TIMESTAMP <= ? AND K.LAST_TIMESTAMP >= ? AND D.EXPERIMENT_ID = ? AND D.FIRST_TIMESTAMP = K.FIRST_TIMESTAMP AND D.FIRST_ID = K.FIRST_ID",
            is_cut.0
        ),
        values,
    ));
    let (keys, mut values) = statement::block_keys(connection, query, after, limit);
    values.extend(is_cut.1);
    values.push(experiment());
    let series = statement::series(query, "S", &mut values);
    selects.push((
        format!(
            "SELECT K.FIRST_ID, S.TYPE, K.FIRST_TIMESTAMP, S.MINIMUM, {SERIES}, K.LAST_TIMESTAMP, K.LAST_ID, \
             S.COUNT, S.COUNT, NULL, S.SENSOR_ID, S.FIRST_TIMESTAMP, S.LAST_TIMESTAMP, S.MINIMUM, S.MAXIMUM, \
             S.MEAN, S.MEAN_REST, S.M2, S.M2_REST, S.NEGATIVE_ZEROS \
             FROM ({keys}) K {join} MEASURE_BLOCK_SERIES S WHERE NOT {} AND S.EXPERIMENT_ID = ? \
             AND S.BLOCK_TIMESTAMP = K.FIRST_TIMESTAMP AND S.BLOCK_ID = K.FIRST_ID{series}",
            is_cut.0
        ),
        values,
    ));
    selects
}

/// Whether the edge of a bin, of the query, the position, or something flagged may lie in the block
/// of the key `K`.
fn is_cut(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    window: Window,
) -> Select {
    let (from, to) = span(query);
    let width = Value::Integer(i64::try_from(window.nanos()).unwrap_or(i64::MAX));
    let divide = match connection {
        Connection::MySql(_) => "DIV",
        Connection::Sqlite(_) => "/",
    };
    let mut values = vec![width.clone(), width, from.into(), to.into()];
    let position = match (after, query.order) {
        (None, _) => "",
        (Some(_), Order::Ascending) => {
            " OR K.FIRST_TIMESTAMP < ? OR (K.FIRST_TIMESTAMP = ? AND K.FIRST_ID <= ?)"
        }
        (Some(_), Order::Descending) => {
            " OR K.LAST_TIMESTAMP > ? OR (K.LAST_TIMESTAMP = ? AND K.LAST_ID >= ?)"
        }
    };
    if let Some(after) = after {
        let at = after.timestamp.unix_nanos();
        values.extend([at.into(), at.into(), i64::try_from(after.id.get()).unwrap_or(i64::MAX).into()]);
    }
    let mut flagged = String::new();
    for (from, to) in query.flags.touching(FLAGGED_TIMES) {
        flagged.push_str(" OR (K.FIRST_TIMESTAMP < ? AND K.LAST_TIMESTAMP >= ?)");
        values.extend([to.into(), from.into()]);
    }
    let text = format!(
        "(K.FIRST_TIMESTAMP {divide} ? <> K.LAST_TIMESTAMP {divide} ? \
         OR K.FIRST_TIMESTAMP < ? OR K.LAST_TIMESTAMP > ?{position}{flagged})"
    );
    (text, values)
}

/// What one statement has found.
#[derive(Default)]
struct Chunk {
    rows: Vec<StoredMeasure>,
    blocks: Vec<Block>,
    summaries: Vec<(Position, Position, SeriesSummary)>,
}

/// A block between two positions.
struct Block {
    first: Position,
    last: Position,
    content: Content,
}

enum Content {
    Data(StoredBlock),
    /// A range of the summaries.
    Summaries(std::ops::Range<usize>),
}

/// Where reading continues.
enum Next {
    After(Position),
    End,
    /// One block contains more rows than a statement reads.
    Stuck,
}

impl Chunk {
    fn take(&mut self, found: Found, query: &MeasureQuery) {
        match found {
            Found::Measure(row) => self.rows.push(row),
            Found::Block(block) => {
                let block = block.of(query.experiment_id);
                let (first, last) = (block.first, block.last);
                self.blocks.push(Block { first, last, content: Content::Data(block) });
            }
            Found::Series { first, last, summary } => self.summaries.push((first, last, summary)),
        }
    }

    /// Adds everything before the first position from which the chunk is incomplete.
    fn reduce(
        mut self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: usize,
        bins: &mut Bins<'_>,
    ) -> Result<Next, StorageError> {
        let wanted = Wanted::new(query, after);
        wanted.sort(&mut self.rows, row_position);
        self.group_summaries();
        wanted.sort(&mut self.blocks, |block| block.first);
        // The first of the ends of rows and of blocks, where more may follow.
        let is_cut = self.blocks.len() >= limit;
        let last_block =
            self.blocks.last().filter(|_| is_cut).map(|block| wanted.ends(block.first, block.last));
        let mut end = last_block.filter(|(begin, _)| wanted.reaches(*begin)).map(|(_, end)| end);
        if self.rows.len() >= ROWS as usize
            && let Some(last) = self.rows.last().map(row_position)
            && end.is_none_or(|end| wanted.is_before(last, end))
        {
            end = Some(last);
        }
        let mut rows = self.rows.iter().peekable();
        for block in &self.blocks {
            let (begin, far) = wanted.ends(block.first, block.last);
            if !wanted.reaches(begin) || end.is_some_and(|end| wanted.is_before(end, begin)) {
                break;
            }
            while let Some(row) = rows.next_if(|row| wanted.is_before(row_position(row), begin)) {
                bins.add_measure(row);
            }
            match &block.content {
                Content::Summaries(range) => {
                    if end.is_some_and(|end| wanted.is_before(end, far)) {
                        // The summary holds measures that come after rows that are not known.
                        let next = just_before(begin, query.order);
                        let is_stuck = after.is_some_and(|after| !wanted.is_before(place(after), next));
                        return Ok(if is_stuck { Next::Stuck } else { Next::After(next) });
                    }
                    // No measure of this block is flagged.
                    if query.flags.flagged() == Flagged::Only {
                        continue;
                    }
                    for (_, _, series) in self.summaries.get(range.clone()).unwrap_or_default() {
                        bins.add(series.first, series.series, &series.summary)?;
                    }
                }
                Content::Data(data) => {
                    for measure in wanted.measures(data)? {
                        let position = measure.position();
                        if end.is_some_and(|end| wanted.is_before(end, position)) {
                            break;
                        }
                        while let Some(row) =
                            rows.next_if(|row| wanted.is_before(row_position(row), position))
                        {
                            bins.add_measure(row);
                        }
                        bins.add_measure(&stored(&measure)?);
                    }
                }
            }
        }
        while let Some(row) =
            rows.next_if(|row| end.is_none_or(|end| !wanted.is_before(end, row_position(row))))
        {
            bins.add_measure(row);
        }
        Ok(end.map_or(Next::End, Next::After))
    }
}

impl Chunk {
    /// Makes a block of the summaries of each.
    fn group_summaries(&mut self) {
        self.summaries.sort_by_key(|(first, _, series)| (*first, series.series));
        let mut begin = 0;
        for group in self.summaries.chunk_by(|one, other| one.0 == other.0) {
            let Some((first, last, _)) = group.first() else { continue };
            let content = Content::Summaries(begin..begin + group.len());
            self.blocks.push(Block { first: *first, last: *last, content });
            begin += group.len();
        }
    }
}

fn place(position: MeasurePosition) -> Position {
    (position.timestamp.unix_nanos(), position.id.get())
}

/// The position before one of a measure, in the order of a query. Ids begin at 1.
const fn just_before((timestamp, id): Position, order: Order) -> Position {
    match order {
        Order::Ascending => (timestamp, id.saturating_sub(1)),
        Order::Descending => (timestamp, id.saturating_add(1)),
    }
}

/// Bins in the order in which measures come.
struct Bins<'q> {
    window: Window,
    flags: &'q FlagFilter,
    bins: Vec<SummaryOfBin>,
    places: HashMap<(Timestamp, BlockSeries), usize>,
    /// The place that was used last, and what for.
    last: Option<(Timestamp, BlockSeries, usize)>,
}

impl<'q> Bins<'q> {
    fn new(window: Window, flags: &'q FlagFilter) -> Self {
        Self { window, flags, bins: Vec::new(), places: HashMap::new(), last: None }
    }

    /// Adds a measure, unless its flags leave it out.
    fn add_measure(&mut self, measure: &StoredMeasure) {
        if !self.flags.keeps(measure) {
            return;
        }
        let sensor = SensorId::or_zero(measure.sensor);
        let series = BlockSeries { sensor, measure_type: measure.measure_type.get() };
        self.merge(measure.timestamp, series, &Summary::of(measure.value.get()));
    }

    fn add(&mut self, nanos: i64, series: BlockSeries, summary: &Summary) -> Result<(), StorageError> {
        let invalid = || StorageError::Internal(cause("a block holds a timestamp before 1970"));
        self.merge(Timestamp::from_unix_nanos(nanos).ok_or_else(invalid)?, series, summary);
        Ok(())
    }

    fn merge(&mut self, timestamp: Timestamp, series: BlockSeries, summary: &Summary) {
        let start = self.window.start_of(timestamp);
        let new = self.bins.len();
        let place = match self.last {
            Some((known, of, place)) if known == start && of == series => place,
            _ => *self.places.entry((start, series)).or_insert(new),
        };
        self.last = Some((start, series, place));
        match self.bins.get_mut(place) {
            Some(bin) => bin.summary.merge(summary),
            None => {
                let measure_type = MeasureTypeId::new(series.measure_type);
                let sensor = SensorId::new(series.sensor);
                self.bins.push(SummaryOfBin { start, measure_type, sensor, summary: *summary });
            }
        }
    }
}
