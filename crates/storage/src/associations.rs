use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, Role, User, UserId};
use mymonit_services::ports::{AssociationStore, Conflict, Replacement, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::{Fault, primary_key_is};
use crate::sizes::{MAX_ROWS, padded, repeated};

/// Which scientists may read which experiments.
#[derive(Component)]
#[shaku(interface = AssociationStore)]
pub struct SqlAssociationStore {
    /// Where that is kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

const INSERT: &str = "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES (?, ?)";
const DELETE: &str = "DELETE FROM USER_EXPERIMENTS WHERE USER_ID = ? AND EXPERIMENT_ID = ?";

/// EXPERIMENT_ID, and the columns of a user.
type Row = (u32, String, String, String, String, String);

#[async_trait]
impl AssociationStore for SqlAssociationStore {
    async fn list(&self) -> Result<Vec<(ExperimentId, User)>, StorageError> {
        const LIST: &str = "SELECT A.EXPERIMENT_ID, U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USER_EXPERIMENTS A JOIN USERS U ON U.ID = A.USER_ID JOIN ROLES R ON R.ID = U.ROLE \
            WHERE U.ERASED_AT IS NULL ORDER BY A.EXPERIMENT_ID, U.ID";
        let decode = |(experiment_id, id, name, username, email, role): Row| {
            Ok((ExperimentId::new(experiment_id), decode::user((id, name, username, email, role))?))
        };
        self.database.rows(LIST, [], decode).await
    }

    async fn scientists_of(&self, experiment_id: ExperimentId) -> Result<Vec<User>, StorageError> {
        const LIST: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USER_EXPERIMENTS A JOIN USERS U ON U.ID = A.USER_ID JOIN ROLES R ON R.ID = U.ROLE \
            WHERE A.EXPERIMENT_ID = ? AND U.ERASED_AT IS NULL ORDER BY U.ID";
        self.database.rows(LIST, [experiment_id.get().into()], decode::user).await
    }

    async fn replace(
        &self,
        experiment_id: ExperimentId,
        user_ids: &[UserId],
    ) -> Result<Replacement, StorageError> {
        let wanted: BTreeSet<_> = user_ids.iter().cloned().collect();
        self.database
            .repeated_transaction(move |mut connection| {
                let wanted = wanted.clone();
                async move { replace(&mut connection, experiment_id, wanted).await }.boxed()
            })
            .await
    }

    async fn insert(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError> {
        let user_id = user_id.clone();
        self.database
            .repeated_transaction(move |mut connection| {
                let user_id = user_id.clone();
                async move { insert(&mut connection, experiment_id, &user_id).await }.boxed()
            })
            .await
    }

    async fn delete(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError> {
        let values = [user_id.as_str().into(), experiment_id.get().into()];
        Ok(self.database.execute(DELETE, values).await?.rows > 0)
    }
}

/// Locks the scientist's row until the commit, so that the scientist cannot be erased in between.
/// Experiments are never deleted.
async fn insert(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    user_id: &UserId,
) -> Result<bool, Fault> {
    const EXPERIMENT: &str = "SELECT COUNT(*) FROM EXPERIMENTS WHERE ID = ?";
    let scientist = format!(
        "SELECT ID FROM USERS WHERE ID = ? AND ERASED_AT IS NULL \
         AND ROLE = (SELECT ID FROM ROLES WHERE NAME = ?){}",
        connection.for_update()
    );
    let values = [user_id.as_str().into(), Role::Scientist.as_str().into()];
    let scientist: Option<(String,)> = connection.row(AssertSqlSafe(scientist), values).await?;
    let experiments = connection.number(EXPERIMENT, [experiment_id.get().into()]).await?;
    if scientist.is_none() || experiments == 0 {
        return Ok(false);
    }
    let inserted = connection.execute(INSERT, [user_id.as_str().into(), experiment_id.get().into()]).await;
    inserted.map_err(primary_key_is(Conflict::Association))?;
    Ok(true)
}

/// Locks the scientists, then the experiment and then the associations, as an association and an
/// import do, so that none of them deadlocks with this.
async fn replace(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    wanted: BTreeSet<UserId>,
) -> Result<Replacement, Fault> {
    let id = experiment_id.get();
    let lock = connection.for_update();
    let mut scientists = BTreeSet::new();
    for part in wanted.iter().collect::<Vec<_>>().chunks(MAX_ROWS) {
        let mut values: Vec<_> = padded(part).map(|user_id| user_id.as_str().into()).collect();
        let select = format!(
            "SELECT ID FROM USERS WHERE ID IN ({}) AND ERASED_AT IS NULL \
             AND ROLE = (SELECT ID FROM ROLES WHERE NAME = ?){lock}",
            repeated("?", values.len())
        );
        values.push(Role::Scientist.as_str().into());
        scientists.extend(ids(connection, select, values).await?);
    }
    let experiment = format!("SELECT ID FROM EXPERIMENTS WHERE ID = ?{lock}");
    if connection.row::<(u32,)>(AssertSqlSafe(experiment), [id.into()]).await?.is_none() {
        return Ok(Replacement::NoSuchExperiment);
    }
    if scientists != wanted {
        return Ok(Replacement::NotScientists);
    }
    let present = format!("SELECT USER_ID FROM USER_EXPERIMENTS WHERE EXPERIMENT_ID = ?{lock}");
    let present = ids(connection, present, vec![id.into()]).await?;
    let added: Vec<_> = wanted.difference(&present).cloned().collect();
    let removed: Vec<_> = present.difference(&wanted).cloned().collect();
    for (change, user_ids) in [(INSERT, &added), (DELETE, &removed)] {
        for user_id in user_ids {
            connection.execute(change, [user_id.as_str().into(), id.into()]).await?;
        }
    }
    Ok(Replacement::Replaced { added, removed })
}

async fn ids(
    connection: &mut Connection<'_>,
    select: String,
    values: Vec<Value>,
) -> Result<BTreeSet<UserId>, Fault> {
    let rows = connection.rows::<(String,)>(AssertSqlSafe(select), values).await?;
    Ok(rows.into_iter().map(|(id,)| decode::field(UserId::existing(&id))).collect::<Result<_, _>>()?)
}
