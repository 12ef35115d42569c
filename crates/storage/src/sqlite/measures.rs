use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::{StoredMeasure, Username};
use mymonit_services::ports::{
    MeasurePosition, MeasureQuery, MeasureStore, Order, ReadersPage, StorageError,
};
use shaku::Component;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow, Row, Sqlite, SqliteConnection};

use super::SqliteDatabase;
use crate::decode::{self, MeasureRow};
use crate::error::Fault;
use crate::measure_range::{Stretch, stretches};
use crate::sizes::{padded, repeated};

/// The measures, on SQLite.
#[derive(Component)]
#[shaku(interface = MeasureStore)]
pub struct SqliteMeasureStore {
    /// Where they are kept.
    database: SqliteDatabase,
}

#[async_trait]
impl MeasureStore for SqliteMeasureStore {
    async fn page(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError> {
        let stretches = stretches(query, after);
        let query = query.clone();
        self.database
            .read(move |connection| {
                async move {
                    let mut page = Vec::new();
                    for stretch in stretches {
                        read(connection, &query, stretch, limit, &mut page).await?;
                    }
                    Ok(page)
                }
                .boxed()
            })
            .await
    }

    async fn page_for(
        &self,
        username: &Username,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Option<ReadersPage>, StorageError> {
        let stretches = stretches(query, after);
        let (query, username) = (query.clone(), username.clone());
        self.database
            .read(move |connection| {
                async move {
                    // The reader stands in each row of the last stretch; what was read before is for nobody without one.
                    let Some((last, before)) = stretches.split_last() else { return Ok(None) };
                    let mut measures = Vec::new();
                    for stretch in before {
                        read(connection, &query, *stretch, limit, &mut measures).await?;
                    }
                    read_for(connection, &username, &query, *last, limit, measures).await
                }
                .boxed()
            })
            .await
    }
}

/// Reads on into `page`, until it holds `limit` measures or the stretch ends.
async fn read(
    connection: &mut SqliteConnection,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u32,
    page: &mut Vec<StoredMeasure>,
) -> Result<(), Fault> {
    let left = left(limit, page);
    if left <= 0 {
        return Ok(());
    }
    let mut rows = bound(statement(query, stretch, None), None, query, stretch, left).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        page.push(measure(&row)?);
    }
    Ok(())
}

/// As [`read`], for the user of that username; nothing, where it is not known who that is.
async fn read_for(
    connection: &mut SqliteConnection,
    username: &Username,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u32,
    mut measures: Vec<StoredMeasure>,
) -> Result<Option<ReadersPage>, Fault> {
    let left = left(limit, &measures);
    if left <= 0 {
        return Ok(None);
    }
    let username = Some(username);
    let statement = statement(query, stretch, username);
    let mut rows = bound(statement, username, query, stretch, left).fetch(connection);
    let mut reader = None;
    while let Some(row) = rows.try_next().await? {
        measures.push(measure(&row)?);
        if reader.is_none() {
            reader = Some(decode::reader((row.try_get(4)?, row.try_get(5)?, row.try_get(6)?))?);
        }
    }
    Ok(reader.map(|page| ReadersPage { measures, ..page }))
}

/// How many rows are left to read.
fn left(limit: u32, page: &[StoredMeasure]) -> i64 {
    i64::from(limit) - i64::try_from(page.len()).unwrap_or(i64::MAX)
}

fn measure(row: &SqliteRow) -> Result<StoredMeasure, sqlx::Error> {
    decode::measure(MeasureRow::from_row(row)?)
}

/// What stands before the measures where their reader is asked for along with them. Each of these tables gives one row
/// at most, by a unique key, so that one range of the index is read in order, and nothing where one of them gives none.
/// `CROSS JOIN` keeps them in this order. Without being told so, SQLite takes an index of associations that is no unique
/// one, and sorts the whole range then, since it cannot know that there is one row.
const READER: &str = "USERS U CROSS JOIN ROLES R ON R.ID = U.ROLE \
    CROSS JOIN USER_EXPERIMENTS A INDEXED BY sqlite_autoindex_USER_EXPERIMENTS_1 ON A.USER_ID = U.ID \
    CROSS JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID CROSS JOIN ";
/// What its tables hold to: the user is the one, and the experiment is the one of the measures.
const IS_READER: &str = "U.USERNAME = ? AND U.ERASED_AT IS NULL AND A.EXPERIMENT_ID = ? AND ";

/// The index covers all that is read. Being told to use it, SQLite fails rather than read the whole table.
fn statement(query: &MeasureQuery, stretch: Stretch, username: Option<&Username>) -> String {
    let (direction, beyond) = match query.order {
        Order::Ascending => ("ASC", ">"),
        Order::Descending => ("DESC", "<"),
    };
    let (condition, order) = match stretch {
        Stretch::Moment { .. } => {
            (format!("M.TIMESTAMP = ? AND M.ID {beyond} ?"), format!("M.ID {direction}"))
        }
        Stretch::Span { .. } => {
            ("M.TIMESTAMP BETWEEN ? AND ?".to_owned(), format!("M.TIMESTAMP {direction}, M.ID {direction}"))
        }
    };
    let types = match padded(&query.types).count() {
        0 => String::new(),
        count => format!(" AND M.TYPE IN ({})", repeated("?", count)),
    };
    let (columns, reader, is_reader) = match username {
        Some(_) => (", U.ID, R.NAME, E.NAME", READER, IS_READER),
        None => ("", "", ""),
    };
    format!(
        "SELECT M.ID, M.TYPE, M.TIMESTAMP, M.MEASURE_VALUE{columns} \
         FROM {reader}MEASURES M INDEXED BY IX_MEASURES_READING \
         WHERE {is_reader}M.EXPERIMENT_ID = ? AND {condition}{types} ORDER BY {order} LIMIT ?"
    )
}

/// The statement with its values.
fn bound(
    statement: String,
    username: Option<&Username>,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: i64,
) -> Query<'static, Sqlite, SqliteArguments> {
    let mut bound = sqlx::query(AssertSqlSafe(statement));
    if let Some(username) = username {
        bound = bound.bind(username.as_str().to_owned()).bind(query.experiment_id.get());
    }
    bound = bound.bind(query.experiment_id.get());
    bound = match stretch {
        // No id is greater than SQLite's greatest integer.
        Stretch::Moment { at, beyond } => bound.bind(at).bind(i64::try_from(beyond).unwrap_or(i64::MAX)),
        Stretch::Span { from, to } => bound.bind(from).bind(to),
    };
    for measure_type in padded(&query.types) {
        bound = bound.bind(measure_type.get());
    }
    bound.bind(limit)
}

#[cfg(test)]
mod tests {
    use mymonit_services::ports::IngestStore;
    use sqlx::ConnectOptions;

    use super::*;
    use crate::measure_shapes::{ADD_READER, measures, reader, shapes};
    use crate::sqlite::SqliteIngestStore;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_statement_reads_one_range_of_the_index_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mymonit.db");
        let database = SqliteDatabase::new(file.to_str().unwrap(), 1).unwrap();
        database.prepare().await.unwrap();
        SqliteIngestStore::on(database).commit(&[measures()]).await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut connection = options.connect().await.unwrap();
        for statement in ADD_READER {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        let scientist = reader();
        for (query, after) in shapes() {
            let stretches = stretches(&query, after);
            for (stretch, username) in
                stretches.into_iter().flat_map(|stretch| [(stretch, None), (stretch, Some(&scientist))])
            {
                let statement = format!("EXPLAIN QUERY PLAN {}", statement(&query, stretch, username));
                let plan = bound(statement, username, &query, stretch, 10);
                let plan = plan.fetch_all(&mut connection).await.unwrap();
                let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
                let (step, lookups) = steps.split_last().unwrap();
                let tables = ["U", "R", "A", "E"].map(|table| format!("SEARCH {table} USING "));
                assert_eq!(lookups.len(), if username.is_some() { tables.len() } else { 0 }, "{lookups:?}");
                let in_order = lookups.iter().zip(&tables).all(|(lookup, table)| lookup.starts_with(table));
                assert!(in_order, "{lookups:?}");
                let expected = match stretch {
                    Stretch::Moment { .. } => "(EXPERIMENT_ID=? AND TIMESTAMP=? AND ID",
                    Stretch::Span { .. } => "(EXPERIMENT_ID=? AND TIMESTAMP>? AND TIMESTAMP<?)",
                };
                let search = "SEARCH M USING COVERING INDEX IX_MEASURES_READING ";
                assert!(step.starts_with(&format!("{search}{expected}")), "{query:?} {stretch:?}: {step}");
            }
        }
    }
}
