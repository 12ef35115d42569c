// shaku derives a public, undocumented parameter struct from every component with a default.
#![allow(missing_docs)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::Timestamp;
use mymonit_services::ports::{IngestMessage, IngestOutcome, IngestStore, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::Connection;
use crate::database::DatabaseHandle;
use crate::ingest_plan::Plan;
use crate::new_sensors::SensorIds;
use crate::{mysql, sqlite, task};

/// The store of delivered messages.
#[derive(Component)]
#[shaku(interface = IngestStore)]
pub struct SqlIngestStore {
    /// The database.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
    /// Whether MySQL has no ids any more that match any publisher. None is ever added.
    #[shaku(default)]
    no_old_ids: Arc<AtomicBool>,
}

#[cfg(test)]
impl SqlIngestStore {
    pub(crate) fn of(database: crate::Database) -> Self {
        Self { database: Arc::new(database), no_old_ids: Arc::default() }
    }
}

#[async_trait]
impl IngestStore for SqlIngestStore {
    async fn commit(&self, batch: Vec<IngestMessage>) -> Result<Vec<IngestOutcome>, StorageError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let (plan, database) = (Plan::new(batch), self.database.clone());
        let no_old_ids = self.no_old_ids.clone();
        task::run_to_end(async move {
            let first_id = database.take_measure_ids(plan.measure_count()).boxed().await?;
            let handle = database.database().clone();
            let written = database.write(move |connection| {
                async move {
                    let known = handle.known_sensors();
                    match connection {
                        Connection::MySql(connection) => {
                            let outcomes =
                                mysql::ingest::write(connection, &plan, known, first_id, &no_old_ids).await?;
                            Ok((outcomes, SensorIds::default()))
                        }
                        Connection::Sqlite(connection) => {
                            sqlite::ingest::write(connection, &plan, known, first_id).await
                        }
                    }
                }
                .boxed()
            });
            let (outcomes, sensors) = written.boxed().await?;
            sensors.committed(database.database().known_sensors());
            Ok(outcomes)
        })
        .await
    }

    async fn forget_message_ids(&self, seen_before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        // Ids of rejected messages have NULL, which no comparison matches.
        const OLDEST: &str = "WHERE SEEN_AT < ? ORDER BY SEEN_AT LIMIT ?";
        self.database
            .write(move |mut connection| {
                async move {
                    let forget = match connection {
                        Connection::MySql(_) => format!("DELETE FROM MESSAGE_IDS {OLDEST}"),
                        Connection::Sqlite(_) => format!(
                            "DELETE FROM MESSAGE_IDS WHERE (PUBLISHER, MESSAGE_ID) IN \
                             (SELECT PUBLISHER, MESSAGE_ID FROM MESSAGE_IDS {OLDEST})"
                        ),
                    };
                    let values = [seen_before.unix_nanos().into(), limit.into()];
                    Ok(connection.execute(AssertSqlSafe(forget), values).await?.rows)
                }
                .boxed()
            })
            .await
    }
}
