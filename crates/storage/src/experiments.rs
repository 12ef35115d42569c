use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentDetails, ExperimentId, ExperimentName, UserId};
use mymonit_services::ports::{
    Archived, ExperimentChanges, ExperimentFilter, ExperimentStore, NamedExperiment, StorageError,
};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::{Fault, cause};
use crate::sizes::{MAX_ROWS, padded, repeated};

/// The experiments.
#[derive(Component)]
#[shaku(interface = ExperimentStore)]
pub struct SqlExperimentStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl ExperimentStore for SqlExperimentStore {
    async fn page(
        &self,
        filter: &ExperimentFilter,
        after: Option<ExperimentId>,
        limit: u32,
    ) -> Result<Vec<Experiment>, StorageError> {
        const PAGE: &str = "SELECT ID, NAME, DESCRIPTION, ARCHIVED FROM EXPERIMENTS \
            WHERE ID > ? AND ARCHIVED IN (?, ?) ORDER BY ID LIMIT ?";
        const PAGE_OF: &str = "SELECT E.ID, E.NAME, E.DESCRIPTION, E.ARCHIVED \
            FROM USER_EXPERIMENTS A JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID \
            WHERE A.USER_ID = ? AND A.EXPERIMENT_ID > ? AND E.ARCHIVED IN (?, ?) \
            ORDER BY A.EXPERIMENT_ID LIMIT ?";
        // Every id comes after 0.
        let after = Value::from(after.map_or(0, ExperimentId::get));
        let [one, other] = states(filter.archived);
        match &filter.of {
            None => self.database.rows(PAGE, [after, one, other, limit.into()], decode::experiment).await,
            Some(user_id) => {
                let values = [user_id.as_str().into(), after, one, other, limit.into()];
                self.database.rows(PAGE_OF, values, decode::experiment).await
            }
        }
    }

    async fn names(&self) -> Result<Vec<ExperimentName>, StorageError> {
        const NAMES: &str = "SELECT NAME FROM EXPERIMENTS";
        self.database.rows(NAMES, [], |(name,)| decode::experiment_name(name)).await
    }

    async fn find(&self, experiment_id: ExperimentId) -> Result<Option<Experiment>, StorageError> {
        const FIND: &str = "SELECT ID, NAME, DESCRIPTION, ARCHIVED FROM EXPERIMENTS WHERE ID = ?";
        self.database.row(FIND, [experiment_id.get().into()], decode::experiment).await
    }

    async fn find_of(
        &self,
        user_id: &UserId,
        experiment_id: ExperimentId,
    ) -> Result<Option<Experiment>, StorageError> {
        const FIND: &str = "SELECT E.ID, E.NAME, E.DESCRIPTION, E.ARCHIVED \
            FROM USER_EXPERIMENTS A JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID \
            WHERE A.USER_ID = ? AND A.EXPERIMENT_ID = ?";
        let values = [user_id.as_str().into(), experiment_id.get().into()];
        self.database.row(FIND, values, decode::experiment).await
    }

    async fn ids_by_name(
        &self,
        names: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, NamedExperiment>, StorageError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let names = names.to_vec();
        self.database
            .read(move |mut connection| async move { ids_by_name(&mut connection, &names).await }.boxed())
            .await
    }

    async fn insert(&self, details: &ExperimentDetails) -> Result<Experiment, StorageError> {
        let details = details.clone();
        self.database
            .write(move |mut connection| {
                async move {
                    let inserted = insert(&mut connection, None, &details).await?;
                    Ok(details.numbered(inserted))
                }
                .boxed()
            })
            .await
    }

    async fn update(
        &self,
        experiment_id: ExperimentId,
        changes: &ExperimentChanges,
    ) -> Result<Option<Experiment>, StorageError> {
        let changes = changes.clone();
        self.database
            .transaction(move |mut connection| {
                async move {
                    let find = format!(
                        "SELECT ID, NAME, DESCRIPTION, ARCHIVED FROM EXPERIMENTS WHERE ID = ?{}",
                        connection.for_update()
                    );
                    let found = connection.row(AssertSqlSafe(find), [experiment_id.get().into()]).await?;
                    let Some(row) = found else { return Ok(None) };
                    let before = decode::experiment(row)?;
                    replace(&mut connection, &changes.applied_to(&before)).await?;
                    Ok(Some(before))
                }
                .boxed()
            })
            .await
    }
}

/// The selected values of ARCHIVED.
fn states(archived: Archived) -> [Value; 2] {
    match archived {
        Archived::Exclude => [0, 0],
        Archived::Include => [0, 1],
        Archived::Only => [1, 1],
    }
    .map(|state: u32| state.into())
}

/// Adds an experiment with that number or, without one, the next.
pub(crate) async fn insert(
    connection: &mut Connection<'_>,
    id: Option<ExperimentId>,
    details: &ExperimentDetails,
) -> Result<ExperimentId, Fault> {
    const INSERT: &str = "INSERT INTO EXPERIMENTS (ID, NAME, DESCRIPTION, ARCHIVED) VALUES (?, ?, ?, ?)";
    let values = [
        id.map(ExperimentId::get).into(),
        details.name.as_str().into(),
        details.description.as_str().into(),
        u32::from(details.archived).into(),
    ];
    let inserted = connection.execute(INSERT, values).await?;
    Ok(match id {
        Some(id) => id,
        None => new_id(inserted.last_id)?,
    })
}

/// Replaces the changeable fields of an experiment; `false` if the id is unknown.
pub(crate) async fn replace(connection: &mut Connection<'_>, experiment: &Experiment) -> Result<bool, Fault> {
    const UPDATE: &str = "UPDATE EXPERIMENTS SET NAME = ?, DESCRIPTION = ?, ARCHIVED = ? WHERE ID = ?";
    let values = [
        experiment.name.as_str().into(),
        experiment.description.as_str().into(),
        u32::from(experiment.archived).into(),
        experiment.experiment_id.get().into(),
    ];
    Ok(connection.execute(UPDATE, values).await?.rows > 0)
}

/// The number that the database has given to a new experiment.
fn new_id(id: u64) -> Result<ExperimentId, StorageError> {
    let id = u32::try_from(id);
    Ok(ExperimentId::new(id.map_err(|_| {
        StorageError::Internal(cause("no experiment id is left; the greatest is 4294967295"))
    })?))
}

async fn ids_by_name(
    connection: &mut Connection<'_>,
    names: &[ExperimentName],
) -> Result<HashMap<ExperimentName, NamedExperiment>, Fault> {
    let mut ids = HashMap::with_capacity(names.len());
    for names in names.chunks(MAX_ROWS) {
        let values: Vec<_> = padded(names).map(|name| name.as_str().into()).collect();
        let select = format!(
            "SELECT ID, NAME, ARCHIVED FROM EXPERIMENTS WHERE NAME IN ({})",
            repeated("?", values.len())
        );
        let rows = connection.rows::<(u32, String, bool)>(AssertSqlSafe(select), values).await?;
        for (id, name, archived) in rows {
            let found = NamedExperiment { experiment_id: ExperimentId::new(id), archived };
            ids.insert(decode::experiment_name(name)?, found);
        }
    }
    // MySQL's collation ignores trailing spaces; the names do not.
    ids.retain(|name, _| names.contains(name));
    Ok(ids)
}
