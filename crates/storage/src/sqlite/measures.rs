use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::StoredMeasure;
use mymonit_services::ports::{MeasurePosition, MeasureQuery, MeasureStore, Order, StorageError};
use shaku::Component;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, FromRow, Sqlite, SqliteConnection};

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
}

/// Reads on into `page`, until it holds `limit` measures or the stretch ends.
async fn read(
    connection: &mut SqliteConnection,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u32,
    page: &mut Vec<StoredMeasure>,
) -> Result<(), Fault> {
    let left = i64::from(limit) - i64::try_from(page.len()).unwrap_or(i64::MAX);
    if left <= 0 {
        return Ok(());
    }
    let mut rows = bound(statement(query, stretch), query, stretch, left).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        page.push(decode::measure(MeasureRow::from_row(&row)?)?);
    }
    Ok(())
}

/// The index covers all that is read. Being told to use it, SQLite fails rather than read the whole table.
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
        "SELECT ID, TYPE, TIMESTAMP, MEASURE_VALUE FROM MEASURES INDEXED BY IX_MEASURES_READING \
         WHERE EXPERIMENT_ID = ? AND {condition}{types} ORDER BY {order} LIMIT ?"
    )
}

/// The statement with its values.
fn bound(
    statement: String,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: i64,
) -> Query<'static, Sqlite, SqliteArguments> {
    let mut bound = sqlx::query(AssertSqlSafe(statement)).bind(query.experiment_id.get());
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
    use sqlx::{ConnectOptions, Row};

    use super::*;
    use crate::measure_shapes::{measures, shapes};
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
        for (query, after) in shapes() {
            for stretch in stretches(&query, after) {
                let statement = format!("EXPLAIN QUERY PLAN {}", statement(&query, stretch));
                let plan = bound(statement, &query, stretch, 10).fetch_all(&mut connection).await.unwrap();
                let [step] = plan.as_slice() else { panic!("{query:?} {stretch:?}: {} steps", plan.len()) };
                let step: String = step.get("detail");
                let expected = match stretch {
                    Stretch::Moment { .. } => "(EXPERIMENT_ID=? AND TIMESTAMP=? AND ID",
                    Stretch::Span { .. } => "(EXPERIMENT_ID=? AND TIMESTAMP>? AND TIMESTAMP<?)",
                };
                let search = "SEARCH MEASURES USING COVERING INDEX IX_MEASURES_READING ";
                assert!(step.starts_with(&format!("{search}{expected}")), "{query:?} {stretch:?}: {step}");
            }
        }
    }
}
