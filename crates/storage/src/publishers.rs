use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, ExperimentName, Publisher, PublisherName};
use mymonit_services::ports::{Binding, PublisherStore, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::Fault;
use crate::sizes::{MAX_ROWS, padded, repeated};

/// The publishers.
#[derive(Component)]
#[shaku(interface = PublisherStore)]
pub struct SqlPublisherStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

/// NAME, IS_BOUND, EXPERIMENT_ID.
type Row = (Vec<u8>, bool, Option<u32>);
/// A publisher's NAME, the ID and NAME of an experiment that it may publish to, or NULL.
type BindingRow = (Vec<u8>, Option<u32>, Option<String>);

#[async_trait]
impl PublisherStore for SqlPublisherStore {
    async fn list(&self) -> Result<Vec<Publisher>, StorageError> {
        const LIST: &str = "SELECT P.NAME, P.IS_BOUND, E.EXPERIMENT_ID FROM PUBLISHERS P \
            LEFT JOIN PUBLISHER_EXPERIMENTS E ON E.PUBLISHER = P.NAME ORDER BY P.NAME, E.EXPERIMENT_ID";
        Ok(publishers(self.database.rows(LIST, [], Ok::<Row, _>).await?))
    }

    async fn find(&self, name: &PublisherName) -> Result<Option<Publisher>, StorageError> {
        const FIND: &str = "SELECT P.NAME, P.IS_BOUND, E.EXPERIMENT_ID FROM PUBLISHERS P \
            LEFT JOIN PUBLISHER_EXPERIMENTS E ON E.PUBLISHER = P.NAME \
            WHERE P.NAME = ? ORDER BY E.EXPERIMENT_ID";
        Ok(publishers(self.database.rows(FIND, [key(name)], Ok::<Row, _>).await?).pop())
    }

    async fn put(&self, publisher: &Publisher) -> Result<(), StorageError> {
        let publisher = publisher.clone();
        self.database
            .transaction(move |mut connection| async move { put(&mut connection, &publisher).await }.boxed())
            .await
    }

    async fn delete(&self, name: &PublisherName) -> Result<bool, StorageError> {
        // Its experiments go with it.
        const DELETE: &str = "DELETE FROM PUBLISHERS WHERE NAME = ?";
        Ok(self.database.execute(DELETE, [key(name)]).await?.rows > 0)
    }

    async fn bindings(
        &self,
        names: &[PublisherName],
    ) -> Result<HashMap<PublisherName, Binding>, StorageError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let names = names.to_vec();
        self.database
            .read(move |mut connection| async move { bindings(&mut connection, &names).await }.boxed())
            .await
    }
}

/// Bytes, since MySQL's collations ignore trailing spaces and those of a `user-id` count.
fn key(name: &PublisherName) -> Value {
    Value::Bytes(name.as_str().as_bytes().to_vec())
}

/// Rows of one publisher follow each other.
fn publishers(rows: Vec<Row>) -> Vec<Publisher> {
    let mut publishers = Vec::<Publisher>::new();
    for (name, is_bound, experiment) in rows {
        let Some(name) = PublisherName::from_user_id(&name) else { continue };
        if publishers.last().is_none_or(|last| last.name != name) {
            publishers.push(Publisher { name, experiments: is_bound.then(BTreeSet::new) });
        }
        let experiments = publishers.last_mut().and_then(|last| last.experiments.as_mut());
        if let (Some(experiments), Some(id)) = (experiments, experiment) {
            experiments.insert(ExperimentId::new(id));
        }
    }
    publishers
}

async fn put(connection: &mut Connection<'_>, publisher: &Publisher) -> Result<(), Fault> {
    const DELETE: &str = "DELETE FROM PUBLISHERS WHERE NAME = ?";
    const INSERT: &str = "INSERT INTO PUBLISHERS (NAME, IS_BOUND) VALUES (?, ?)";
    const INSERT_EXPERIMENT: &str =
        "INSERT INTO PUBLISHER_EXPERIMENTS (PUBLISHER, EXPERIMENT_ID) VALUES (?, ?)";
    // Every database has role 1, whose row serves as the lock: two that add the same publisher
    // would deadlock.
    let lock = format!("SELECT NAME FROM ROLES WHERE ID = 1{}", connection.for_update());
    connection.rows::<(String,)>(AssertSqlSafe(lock), []).await?;
    connection.execute(DELETE, [key(&publisher.name)]).await?;
    let is_bound = i64::from(publisher.experiments.is_some());
    connection.execute(INSERT, [key(&publisher.name), is_bound.into()]).await?;
    for id in publisher.experiments.iter().flatten() {
        connection.execute(INSERT_EXPERIMENT, [key(&publisher.name), id.get().into()]).await?;
    }
    Ok(())
}

async fn bindings(
    connection: &mut Connection<'_>,
    names: &[PublisherName],
) -> Result<HashMap<PublisherName, Binding>, Fault> {
    let mut bindings = HashMap::<PublisherName, Binding>::new();
    for names in names.chunks(MAX_ROWS) {
        let values: Vec<_> = padded(names).map(key).collect();
        let select = format!(
            "SELECT P.NAME, E.ID, E.NAME FROM PUBLISHERS P \
             LEFT JOIN PUBLISHER_EXPERIMENTS B ON B.PUBLISHER = P.NAME \
             LEFT JOIN EXPERIMENTS E ON E.ID = B.EXPERIMENT_ID \
             WHERE P.IS_BOUND = 1 AND P.NAME IN ({})",
            repeated("?", values.len())
        );
        for (name, id, experiment) in connection.rows::<BindingRow>(AssertSqlSafe(select), values).await? {
            let Some(name) = PublisherName::from_user_id(&name) else { continue };
            let binding = bindings.entry(name).or_default();
            if let (Some(id), Some(experiment)) = (id, experiment) {
                let experiment = decode::field(ExperimentName::new(&experiment))?;
                binding.insert(experiment, ExperimentId::new(id));
            }
        }
    }
    Ok(bindings)
}
