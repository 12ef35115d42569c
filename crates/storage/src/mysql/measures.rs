use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::StoredMeasure;
use mymonit_services::ports::{MeasurePosition, MeasureQuery, MeasureStore, Order, StorageError};
use shaku::Component;
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, FromRow, MySql, MySqlConnection};

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
}

/// Reads on into `page`, until it holds `limit` measures or the stretch ends.
async fn read(
    connection: &mut MySqlConnection,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u32,
    page: &mut Vec<StoredMeasure>,
) -> Result<(), Fault> {
    let left = u64::from(limit).saturating_sub(page.len() as u64);
    if left == 0 {
        return Ok(());
    }
    let mut rows = bound(statement(query, stretch), query, stretch, left).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        page.push(decode::marked_measure(MarkedMeasureRow::from_row(&row)?)?);
    }
    Ok(())
}

/// The index covers all that is read. Without being told so, the optimizer sometimes prefers to read the whole
/// table and sort it, when it believes that most of it is wanted, whatever the limit.
fn statement(query: &MeasureQuery, stretch: Stretch) -> String {
    let (direction, beyond) = match query.order {
        Order::Ascending => ("ASC", ">"),
        Order::Descending => ("DESC", "<"),
    };
    let (condition, order) = match stretch {
        Stretch::Moment { .. } => (format!("TIMESTAMP = ? AND ID {beyond} ?"), format!("ID {direction}")),
        Stretch::Span { .. } => {
            ("TIMESTAMP BETWEEN ? AND ?".to_owned(), format!("TIMESTAMP {direction}, ID {direction}"))
        }
    };
    let types = match padded(&query.types).count() {
        0 => String::new(),
        count => format!(" AND TYPE IN ({})", repeated("?", count)),
    };
    format!(
        "SELECT ID, TYPE, TIMESTAMP, MEASURE_VALUE, IS_NEGATIVE_ZERO FROM MEASURES FORCE INDEX (IX_MEASURES_READING) \
         WHERE EXPERIMENT_ID = ? AND {condition}{types} ORDER BY {order} LIMIT ?"
    )
}

/// The statement with its values.
fn bound(
    statement: String,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u64,
) -> Query<'static, MySql, MySqlArguments> {
    let mut bound = sqlx::query(AssertSqlSafe(statement)).bind(query.experiment_id.get());
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
    use sqlx::{Connection, Row};

    use super::*;
    use crate::measure_shapes::{measures, shapes};
    use crate::mysql::MySqlIngestStore;

    const LIMIT: u32 = 10;

    /// A connection to a database with measures in it.
    async fn filled() -> MySqlConnection {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap();
        database.prepare().await.unwrap();
        MySqlIngestStore::on(database).commit(&[measures()]).await.unwrap();
        MySqlConnection::connect(&url).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_statement_reads_one_range_of_the_index_in_order() {
        let mut connection = filled().await;
        for (query, after) in shapes() {
            for stretch in stretches(&query, after) {
                let statement = format!("EXPLAIN FORMAT = TRADITIONAL {}", statement(&query, stretch));
                let plan =
                    bound(statement, &query, stretch, LIMIT.into()).fetch_all(&mut connection).await.unwrap();
                let [step] = plan.as_slice() else { panic!("{query:?} {stretch:?}: {} steps", plan.len()) };
                let (access, key): (String, String) = (step.get("type"), step.get("key"));
                let extra: String = step.get("Extra");
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
        for (query, after) in shapes().into_iter().filter(|(query, _)| query.types.is_empty()) {
            for stretch in stretches(&query, after) {
                let before = reads(&mut connection).await;
                let mut page = Vec::new();
                read(&mut connection, &query, stretch, LIMIT, &mut page).await.unwrap();
                let cost = reads(&mut connection).await - before;
                assert!(
                    cost <= u64::from(LIMIT) + 2,
                    "{query:?} {stretch:?}: {cost} reads for {} rows",
                    page.len()
                );
            }
        }
    }
}
