use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::StoredMeasure;
use mymonit_services::ports::{MeasurePosition, MeasureQuery, MeasureStore, Order, StorageError};
use shaku::Component;
use sqlx::mysql::MySqlArguments;
use sqlx::query::QueryAs;
use sqlx::{AssertSqlSafe, MySql, MySqlConnection, query_as};

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
    let statement = statement(query, stretch);
    let mut rows = bound(&statement, query, stretch, left).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        page.push(decode::marked_measure(row)?);
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
    statement: &str,
    query: &MeasureQuery,
    stretch: Stretch,
    limit: u64,
) -> QueryAs<'static, MySql, MarkedMeasureRow, MySqlArguments> {
    let mut bound = query_as(AssertSqlSafe(statement)).bind(query.experiment_id.get());
    bound = match stretch {
        Stretch::Moment { at, beyond } => bound.bind(at).bind(beyond),
        Stretch::Span { from, to } => bound.bind(from).bind(to),
    };
    for measure_type in padded(&query.types) {
        bound = bound.bind(measure_type.get());
    }
    bound.bind(limit)
}
