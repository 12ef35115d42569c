//! The statements that read measures: each reads rows and blocks in one snapshot. Two statements
//! would lose or duplicate measures that are sealed between them.

use mymonit_model::SensorId;
use mymonit_services::ports::{Identity, MeasurePosition, MeasureQuery, Order};

use crate::blocks::Position;
use crate::connection::{Connection, Value};
use crate::identity::UserLookup;
use crate::measure_range::{KeyRange, key_ranges};
use crate::sizes::{padded, repeated};

/// The kind of a row, in the column of IS_NEGATIVE_ZERO. Columns that a kind does not have hold
/// values of the same type: a union of different types, or with NULL, gets a third type.
pub(super) const BLOCK: i64 = 2;
pub(super) const SERIES: i64 = 3;

/// The text of a `SELECT` and its values.
pub(super) type Select = (String, Vec<Value>);

/// The least and the greatest timestamp of a query, both included.
pub(super) fn span(query: &MeasureQuery) -> (i64, i64) {
    let from = query.from.map_or(0, |from| from.unix_nanos());
    (from, query.to.map_or(i64::MAX, |to| to.unix_nanos() - 1))
}

/// All rows of some `SELECT`s.
pub(super) fn union(connection: &Connection<'_>, selects: Vec<Select>) -> Select {
    let (texts, values): (Vec<_>, Vec<_>) = selects.into_iter().unzip();
    let (before, after) = match connection {
        Connection::MySql(_) => ("(", ")"),
        // SQLite allows ORDER BY only in the last SELECT otherwise.
        Connection::Sqlite(_) => ("SELECT * FROM (", ")"),
    };
    let texts: Vec<_> = texts.into_iter().map(|text| format!("{before}{text}{after}")).collect();
    (texts.join(" UNION ALL "), values.into_iter().flatten().collect())
}

/// Columns, joins and condition of the user who reads, if any.
#[derive(Default)]
struct User {
    columns: String,
    tables: String,
    condition: String,
    values: Vec<Value>,
}

impl User {
    /// Each table of the user has at most one row, found by a unique key, so the range is read in
    /// order. For SQLite, `CROSS JOIN` fixes the join order, and its hint avoids an index that
    /// needs a sort.
    fn of(connection: &Connection<'_>, identity: Option<&Identity>, query: &MeasureQuery) -> Self {
        let Some(identity) = identity else { return Self::default() };
        let association = match connection {
            Connection::MySql(_) => "",
            Connection::Sqlite(_) => "INDEXED BY sqlite_autoindex_USER_EXPERIMENTS_1",
        };
        let UserLookup { from, from_values, condition, condition_values, may_read, token_columns } =
            UserLookup::of(identity, query.experiment_id);
        let experiment = [query.experiment_id.get().into()];
        Self {
            columns: format!(", U.ID, R.NAME, E.NAME, E.IS_FLAGGED, {token_columns}"),
            tables: format!(
                "{from} CROSS JOIN ROLES R ON R.ID = U.ROLE \
                 CROSS JOIN USER_EXPERIMENTS A {association} ON A.USER_ID = U.ID \
                 CROSS JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID CROSS JOIN "
            ),
            condition: format!("{condition} {may_read} AND A.EXPERIMENT_ID = ? AND "),
            values: from_values.into_iter().chain(condition_values).chain(experiment).collect(),
        }
    }
}

/// The rows of a query after a position, at most `limit` of each key range, and at most `blocks`
/// blocks with later measures. Empty if no measure can match.
pub(super) fn page(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    identity: Option<&Identity>,
    limit: i64,
    blocks: i64,
) -> Vec<Select> {
    let ranges = key_ranges(query, after);
    if ranges.is_empty() {
        return Vec::new();
    }
    let rows = ranges.into_iter().map(|range| rows(connection, query, range, identity, limit, ""));
    let blocks = whole_blocks(connection, query, after, identity, blocks);
    rows.chain([blocks]).collect()
}

/// Reads one range of the table, which is clustered by experiment, timestamp and id. Without a
/// hint, MySQL sometimes reads and sorts the whole table, for any limit; with one, SQLite fails
/// instead. `further` columns follow.
pub(super) fn rows(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    key_range: KeyRange,
    identity: Option<&Identity>,
    limit: i64,
    further: &str,
) -> Select {
    let (is_negative_zero, key) = match connection {
        Connection::MySql(_) => ("M.IS_NEGATIVE_ZERO", "PRIMARY"),
        Connection::Sqlite(_) => ("0", "sqlite_autoindex_MEASURES_1"),
    };
    let User { columns, tables, condition: is_user, mut values } = User::of(connection, identity, query);
    values.push(query.experiment_id.get().into());
    let (direction, beyond) = match query.order {
        Order::Ascending => ("ASC", ">"),
        Order::Descending => ("DESC", "<"),
    };
    let (condition, order) = match key_range {
        KeyRange::Moment { at, beyond: id } => {
            // No id is greater than the greatest signed integer.
            values.extend([at.into(), i64::try_from(id).unwrap_or(i64::MAX).into()]);
            (format!("M.TIMESTAMP = ? AND M.ID {beyond} ?"), format!("M.ID {direction}"))
        }
        KeyRange::Span { from, to } => {
            values.extend([from.into(), to.into()]);
            ("M.TIMESTAMP BETWEEN ? AND ?".to_owned(), format!("M.TIMESTAMP {direction}, M.ID {direction}"))
        }
    };
    let series = series(query, "M", &mut values);
    values.push(limit.into());
    let index = connection.index(key);
    let text = format!(
        "SELECT M.ID, M.TYPE, M.TIMESTAMP, M.MEASURE_VALUE, {is_negative_zero}, \
         M.TIMESTAMP, M.ID, M.SENSOR_ID, M.EXPERIMENT_ID, NULL{columns}{further} \
         FROM {tables}MEASURES M {index} \
         WHERE {is_user}M.EXPERIMENT_ID = ? AND {condition}{series} ORDER BY {order} LIMIT ?"
    );
    (text, values)
}

/// The columns of a block, aligned with those of [`rows`].
fn whole_blocks(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    identity: Option<&Identity>,
    limit: i64,
) -> Select {
    let User { columns, tables, condition: is_user, mut values } = User::of(connection, identity, query);
    let (from, rest) = blocks_in_order(connection, query, after, limit, &mut values);
    let text = format!(
        "SELECT B.FIRST_ID, B.FORMAT, B.FIRST_TIMESTAMP, 0e0, {BLOCK}, \
         B.LAST_TIMESTAMP, B.LAST_ID, B.COUNT, B.CRC, B.DATA{columns} FROM {tables}{from} WHERE {is_user}{rest}"
    );
    (text, values)
}

/// The keys of the blocks with measures after the position.
pub(super) fn block_keys(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    limit: i64,
) -> Select {
    let mut values = Vec::new();
    let (from, rest) = blocks_in_order(connection, query, after, limit, &mut values);
    let columns = "B.FIRST_TIMESTAMP, B.FIRST_ID, B.LAST_TIMESTAMP, B.LAST_ID";
    (format!("SELECT {columns} FROM {from} WHERE {rest}"), values)
}

/// Blocks do not overlap, so the order of their first measures is that of their last ones. Blocks
/// beyond the end of the query are included, so that one range is read.
fn blocks_in_order(
    connection: &Connection<'_>,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    limit: i64,
    values: &mut Vec<Value>,
) -> (String, String) {
    let (from, to) = span(query);
    let after = after.map(|after| (after.timestamp.unix_nanos(), after.id.get()));
    let (edge, direction, beyond, least, (timestamp, id)) = match query.order {
        Order::Ascending => ("LAST", "ASC", ">", ">=", after.unwrap_or(BEFORE_ALL).max((from - 1, u64::MAX))),
        Order::Descending => ("FIRST", "DESC", "<", "<=", before(to).min(after.unwrap_or(AFTER_ALL))),
    };
    let id = i64::try_from(id).unwrap_or(i64::MAX);
    values.extend([query.experiment_id.get().into(), timestamp.into(), timestamp.into(), id.into()]);
    // A count, because MySQL would convert EXISTS to a join and choose the order.
    let has_series = match series(query, "S", values) {
        series if series.is_empty() => series,
        series => format!(
            " AND (SELECT COUNT(*) FROM MEASURE_BLOCK_SERIES S WHERE S.EXPERIMENT_ID = B.EXPERIMENT_ID \
             AND S.BLOCK_TIMESTAMP = B.FIRST_TIMESTAMP AND S.BLOCK_ID = B.FIRST_ID{series}) > 0"
        ),
    };
    values.push(limit.into());
    let index = connection.index(&format!("IX_MEASURE_BLOCKS_{edge}"));
    let rest = format!(
        "B.EXPERIMENT_ID = ? AND B.{edge}_TIMESTAMP {least} ? AND (B.{edge}_TIMESTAMP {beyond} ? OR B.{edge}_ID {beyond} ?)\
         {has_series} ORDER BY B.{edge}_TIMESTAMP {direction}, B.{edge}_ID {direction} LIMIT ?"
    );
    (format!("MEASURE_BLOCKS B {index}"), rest)
}

const BEFORE_ALL: Position = (-1, u64::MAX);
const AFTER_ALL: Position = (i64::MAX, u64::MAX);

/// The position after all of that timestamp.
fn before(to: i64) -> Position {
    to.checked_add(1).map_or(AFTER_ALL, |next| (next, 0))
}

/// Conditions for the types and sensors of the query, if it names any.
pub(super) fn series(query: &MeasureQuery, table: &str, values: &mut Vec<Value>) -> String {
    let mut is_one_of = |column: &str, ids: Vec<Value>| match ids.len() {
        0 => String::new(),
        count => {
            values.extend(ids);
            format!(" AND {table}.{column} IN ({})", repeated("?", count))
        }
    };
    let types = padded(&query.types).map(|measure_type| measure_type.get().into()).collect();
    let sensors = padded(&query.sensors).map(|sensor| SensorId::or_zero(*sensor).into()).collect();
    is_one_of("TYPE", types) + &is_one_of("SENSOR_ID", sensors)
}
