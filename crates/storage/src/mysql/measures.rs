use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::{StoredMeasure, Username};
use mymonit_services::ports::{
    MeasurePosition, MeasureQuery, MeasureStore, Order, ReadersPage, StorageError,
};
use shaku::Component;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, FromRow, MySql, MySqlConnection, Row};

use super::MySqlDatabase;
use crate::decode::{self, MarkedMeasureRow};
use crate::error::Fault;
use crate::measure_range::{Stretch, stretches};
use crate::sizes::{padded, repeated};

/// The measures, on MySQL.
#[derive(Component)]
#[shaku(interface = MeasureStore)]
pub struct MySqlMeasureStore {
    /// Where they are kept.
    database: MySqlDatabase,
}

#[async_trait]
impl MeasureStore for MySqlMeasureStore {
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
    connection: &mut MySqlConnection,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u32,
    page: &mut Vec<StoredMeasure>,
) -> Result<(), Fault> {
    let left = left(limit, page);
    if left == 0 {
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
    connection: &mut MySqlConnection,
    username: &Username,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u32,
    mut measures: Vec<StoredMeasure>,
) -> Result<Option<ReadersPage>, Fault> {
    let left = left(limit, &measures);
    if left == 0 {
        return Ok(None);
    }
    let username = Some(username);
    let statement = statement(query, stretch, username);
    let mut rows = bound(statement, username, query, stretch, left).fetch(connection);
    let mut reader = None;
    while let Some(row) = rows.try_next().await? {
        measures.push(measure(&row)?);
        if reader.is_none() {
            reader = Some(decode::reader((row.try_get(5)?, row.try_get(6)?, row.try_get(7)?))?);
        }
    }
    Ok(reader.map(|page| ReadersPage { measures, ..page }))
}

/// How many rows are left to read.
fn left(limit: u32, page: &[StoredMeasure]) -> u64 {
    u64::from(limit).saturating_sub(page.len() as u64)
}

fn measure(row: &MySqlRow) -> Result<StoredMeasure, sqlx::Error> {
    decode::marked_measure(MarkedMeasureRow::from_row(row)?)
}

/// What stands before the measures where their reader is asked for along with them. Each of these tables gives one row
/// at most, by a unique key, so the server looks them up before all else and still reads one range of the index in
/// order; where one of them gives none, it reads nothing.
const READER: &str = "USERS U JOIN ROLES R ON R.ID = U.ROLE JOIN USER_EXPERIMENTS A ON A.USER_ID = U.ID \
    JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID JOIN ";
/// What its tables hold to: the user is the one, and the experiment is the one of the measures.
const IS_READER: &str = "U.USERNAME = ? AND U.ERASED_AT IS NULL AND A.EXPERIMENT_ID = ? AND ";

/// The index covers all that is read. Without being told so, the optimizer sometimes prefers to read the whole
/// table and sort it, when it believes that most of it is wanted, whatever the limit.
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
        "SELECT M.ID, M.TYPE, M.TIMESTAMP, M.MEASURE_VALUE, M.IS_NEGATIVE_ZERO{columns} \
         FROM {reader}MEASURES M FORCE INDEX (IX_MEASURES_READING) \
         WHERE {is_reader}M.EXPERIMENT_ID = ? AND {condition}{types} ORDER BY {order} LIMIT ?"
    )
}

/// The statement with its values.
fn bound(
    statement: String,
    username: Option<&Username>,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u64,
) -> Query<'static, MySql, MySqlArguments> {
    let mut bound = sqlx::query(AssertSqlSafe(statement));
    if let Some(username) = username {
        bound = bound.bind(username.as_str().to_owned()).bind(query.experiment_id.get());
    }
    bound = bound.bind(query.experiment_id.get());
    bound = match stretch {
        Stretch::Moment { at, beyond } => bound.bind(at).bind(beyond),
        Stretch::Span { from, to } => bound.bind(from).bind(to),
    };
    for measure_type in padded(&query.types) {
        bound = bound.bind(measure_type.get());
    }
    bound.bind(limit)
}

#[cfg(test)]
mod tests {
    use mymonit_model::Faceted;
    use mymonit_services::ports::IngestStore;
    use mymonit_test_support::MySqlServer;
    use sqlx::Connection;

    use super::*;
    use crate::measure_shapes::{ADD_READER, measures, reader, shapes};
    use crate::mysql::MySqlIngestStore;

    const LIMIT: u32 = 10;

    /// Each statement that there is, asked for the scientist who may read.
    fn questions() -> Vec<(Username, MeasureQuery, Stretch)> {
        let stretches = |(query, after): (MeasureQuery, _)| {
            let stretches = stretches(&query, after);
            stretches.into_iter().map(move |stretch| (query.clone(), stretch))
        };
        shapes().into_iter().flat_map(stretches).map(|(query, stretch)| (reader(), query, stretch)).collect()
    }

    /// A connection to a database with measures in it, and their reader.
    async fn filled() -> MySqlConnection {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap().patient();
        database.prepare().await.unwrap();
        MySqlIngestStore::on(database).commit(&[measures()]).await.unwrap();
        let mut connection = MySqlConnection::connect(&url).await.unwrap();
        for statement in ADD_READER {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        connection
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_statement_reads_one_range_of_the_index_in_order() {
        let mut connection = filled().await;
        for (username, query, stretch) in questions() {
            for username in [None, Some(&username)] {
                let statement =
                    format!("EXPLAIN FORMAT = TRADITIONAL {}", statement(&query, stretch, username));
                let plan = bound(statement, username, &query, stretch, LIMIT.into());
                let plan = plan.fetch_all(&mut connection).await.unwrap();
                let (step, lookups) = plan.split_last().unwrap();
                let lookups: Vec<String> = lookups.iter().map(|step| step.get("type")).collect();
                assert_eq!(lookups, vec!["const"; if username.is_some() { 4 } else { 0 }]);
                let (access, key): (String, String) = (step.get("type"), step.get("key"));
                let extras = plan.iter().map(|step| step.get::<Option<String>, _>("Extra"));
                let extra = extras.flatten().collect::<Vec<_>>().join("; ");
                assert!(["range", "ref"].contains(&&*access), "{query:?} {stretch:?}: {access}");
                assert_eq!(key, "IX_MEASURES_READING");
                assert!(extra.contains("Using index"), "{query:?} {stretch:?}: {extra}");
                assert!(!extra.contains("filesort") && !extra.contains("temporary"), "{query:?}: {extra}");
            }
        }
    }

    /// What the server has read for this connection so far, in rows and index entries.
    async fn reads(connection: &mut MySqlConnection) -> u64 {
        let status =
            sqlx::query("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(connection).await.unwrap();
        status.iter().map(|row| row.get::<String, _>(1).parse::<u64>().unwrap()).sum()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_page_reads_no_more_of_the_index_than_it_returns() {
        let mut connection = filled().await;
        for (username, query, stretch) in questions() {
            if !query.types.is_empty() {
                continue;
            }
            let before = reads(&mut connection).await;
            let mut page = Vec::new();
            read(&mut connection, &query, stretch, LIMIT, &mut page).await.unwrap();
            let between = reads(&mut connection).await;
            let readers =
                read_for(&mut connection, &username, &query, stretch, LIMIT, Vec::new()).await.unwrap();
            let readers_cost = reads(&mut connection).await - between;
            let cost = between - before;
            assert!(
                cost <= u64::from(LIMIT) + 2,
                "{query:?} {stretch:?}: {cost} reads for {} rows",
                page.len()
            );
            assert!(
                readers_cost <= cost + 4,
                "{query:?} {stretch:?}: {readers_cost} reads instead of {cost}"
            );
            assert_eq!(readers.map_or(Vec::new(), |readers| readers.measures), page);
        }
    }
}
