use std::collections::HashMap;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentId, ExperimentName, UserId};
use mymonit_services::ports::{ExperimentStore, StorageError};
use shaku::Component;
use sqlx::{AssertSqlSafe, SqliteConnection, query, query_as};

use super::SqliteDatabase;
use crate::decode::{self, ExperimentRow};
use crate::error::{Fault, cause};
use crate::sizes::{MAX_ROWS, padded, repeated};

/// The experiments, on SQLite.
#[derive(Component)]
#[shaku(interface = ExperimentStore)]
pub struct SqliteExperimentStore {
    /// Where they are kept.
    database: SqliteDatabase,
}

#[async_trait]
impl ExperimentStore for SqliteExperimentStore {
    async fn list(&self) -> Result<Vec<Experiment>, StorageError> {
        self.database
            .read(|connection| {
                async {
                    let rows = query_as::<_, ExperimentRow>("SELECT ID, NAME FROM EXPERIMENTS ORDER BY ID")
                        .fetch_all(connection)
                        .await?;
                    Ok(rows.into_iter().map(decode::experiment).collect::<Result<_, _>>()?)
                }
                .boxed()
            })
            .await
    }

    async fn list_of(&self, user_id: &UserId) -> Result<Vec<Experiment>, StorageError> {
        const LIST: &str = "SELECT E.ID, E.NAME \
            FROM USER_EXPERIMENTS A JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID \
            WHERE A.USER_ID = ? ORDER BY E.ID";
        let user_id = user_id.clone();
        self.database
            .read(move |connection| {
                async move {
                    let rows = query_as::<_, ExperimentRow>(LIST)
                        .bind(user_id.as_str())
                        .fetch_all(connection)
                        .await?;
                    Ok(rows.into_iter().map(decode::experiment).collect::<Result<_, _>>()?)
                }
                .boxed()
            })
            .await
    }

    async fn find(&self, experiment_id: ExperimentId) -> Result<Option<Experiment>, StorageError> {
        self.database
            .read(move |connection| {
                async move {
                    let row = query_as::<_, ExperimentRow>("SELECT ID, NAME FROM EXPERIMENTS WHERE ID = ?")
                        .bind(experiment_id.get())
                        .fetch_optional(connection)
                        .await?;
                    Ok(row.map(decode::experiment).transpose()?)
                }
                .boxed()
            })
            .await
    }

    async fn find_of(
        &self,
        user_id: &UserId,
        experiment_id: ExperimentId,
    ) -> Result<Option<Experiment>, StorageError> {
        const FIND: &str = "SELECT E.ID, E.NAME \
            FROM USER_EXPERIMENTS A JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID \
            WHERE A.USER_ID = ? AND A.EXPERIMENT_ID = ?";
        let user_id = user_id.clone();
        self.database
            .read(move |connection| {
                async move {
                    let row = query_as::<_, ExperimentRow>(FIND)
                        .bind(user_id.as_str())
                        .bind(experiment_id.get())
                        .fetch_optional(connection)
                        .await?;
                    Ok(row.map(decode::experiment).transpose()?)
                }
                .boxed()
            })
            .await
    }

    async fn ids_by_name(
        &self,
        names: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, ExperimentId>, StorageError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let names = names.to_vec();
        self.database
            .read(move |connection| async move { ids_by_name(connection, &names).await }.boxed())
            .await
    }

    async fn insert(&self, name: &ExperimentName) -> Result<Experiment, StorageError> {
        let name = name.clone();
        self.database
            .write(move |connection| {
                async move {
                    let inserted = query("INSERT INTO EXPERIMENTS (NAME) VALUES (?)")
                        .bind(name.as_str())
                        .execute(connection)
                        .await?;
                    let id = u32::try_from(inserted.last_insert_rowid())
                        .map_err(|_| StorageError::Internal(cause("the experiment ids are used up")))?;
                    Ok(Experiment { experiment_id: ExperimentId::new(id), name })
                }
                .boxed()
            })
            .await
    }

    async fn rename(&self, experiment: &Experiment) -> Result<bool, StorageError> {
        let experiment = experiment.clone();
        self.database
            .write(move |connection| {
                async move {
                    let found = query("UPDATE EXPERIMENTS SET NAME = ? WHERE ID = ?")
                        .bind(experiment.name.as_str())
                        .bind(experiment.experiment_id.get())
                        .execute(connection)
                        .await?;
                    Ok(found.rows_affected() > 0)
                }
                .boxed()
            })
            .await
    }
}

async fn ids_by_name(
    connection: &mut SqliteConnection,
    names: &[ExperimentName],
) -> Result<HashMap<ExperimentName, ExperimentId>, Fault> {
    let mut ids = HashMap::with_capacity(names.len());
    for names in names.chunks(MAX_ROWS) {
        let values: Vec<_> = padded(names).collect();
        let statement =
            format!("SELECT ID, NAME FROM EXPERIMENTS WHERE NAME IN ({})", repeated("?", values.len()));
        let mut select = query_as::<_, ExperimentRow>(AssertSqlSafe(statement));
        for name in values {
            select = select.bind(name.as_str());
        }
        for row in select.fetch_all(&mut *connection).await? {
            let experiment = decode::experiment(row)?;
            ids.insert(experiment.name, experiment.experiment_id);
        }
    }
    Ok(ids)
}
