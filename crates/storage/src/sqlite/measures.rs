use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::StoredMeasure;
use mymonit_services::ports::{MeasurePosition, MeasureQuery, MeasureStore, Order, StorageError};
use shaku::Component;
use sqlx::query::QueryAs;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query_as};

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
    let statement = statement(query, stretch);
    let mut rows = bound(&statement, query, stretch, left).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        page.push(decode::measure(row)?);
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
    statement: &str,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: i64,
) -> QueryAs<'static, Sqlite, MeasureRow, SqliteArguments> {
    let mut bound = query_as(AssertSqlSafe(statement)).bind(query.experiment_id.get());
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
