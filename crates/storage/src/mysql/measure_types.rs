use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::MeasureType;
use mymonit_services::ports::{MeasureTypeStore, StorageError};
use shaku::Component;
use sqlx::query_as;

use super::MySqlDatabase;
use crate::decode::{self, MeasureTypeRow};

/// The measure types, on MySQL.
#[derive(Component)]
#[shaku(interface = MeasureTypeStore)]
pub struct MySqlMeasureTypeStore {
    /// Where they are kept.
    database: MySqlDatabase,
}

#[async_trait]
impl MeasureTypeStore for MySqlMeasureTypeStore {
    async fn list(&self) -> Result<Vec<MeasureType>, StorageError> {
        const LIST: &str = "SELECT ID, NAME, SYMBOL, QUANTITY FROM MEASURE_TYPES ORDER BY ID";
        self.database
            .read(|connection| {
                async {
                    let rows = query_as::<_, MeasureTypeRow>(LIST).fetch_all(connection).await?;
                    Ok(rows.into_iter().map(decode::measure_type).collect::<Result<_, _>>()?)
                }
                .boxed()
            })
            .await
    }
}
