use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, Role, User, UserId};
use mymonit_services::ports::{AssociationStore, Conflict, StorageError};
use shaku::Component;
use sqlx::{Connection, MySqlConnection, query, query_as, query_scalar};

use super::{MySqlDatabase, errors};
use crate::decode;
use crate::error::Fault;

/// Which scientists may read which experiments, on MySQL.
#[derive(Component)]
#[shaku(interface = AssociationStore)]
pub struct MySqlAssociationStore {
    /// Where that is kept.
    database: MySqlDatabase,
}

/// EXPERIMENT_ID, and the columns of a user.
type Row = (u32, String, String, String, String, String);

#[async_trait]
impl AssociationStore for MySqlAssociationStore {
    async fn list(&self) -> Result<Vec<(ExperimentId, User)>, StorageError> {
        const LIST: &str = "SELECT A.EXPERIMENT_ID, U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USER_EXPERIMENTS A JOIN USERS U ON U.ID = A.USER_ID JOIN ROLES R ON R.ID = U.ROLE \
            WHERE U.ERASED_AT IS NULL ORDER BY A.EXPERIMENT_ID, U.ID";
        let decode = |(experiment_id, id, name, username, email, role): Row| {
            let user = decode::user((id, name, username, email, role))?;
            Ok((ExperimentId::new(experiment_id), user))
        };
        self.database
            .read(move |connection| {
                async move {
                    let rows = query_as::<_, Row>(LIST).fetch_all(connection).await?;
                    rows.into_iter().map(decode).collect()
                }
                .boxed()
            })
            .await
    }

    async fn insert(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError> {
        let user_id = user_id.clone();
        self.database
            .write(move |connection| async move { insert(connection, experiment_id, &user_id).await }.boxed())
            .await
    }

    async fn delete(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError> {
        const DELETE: &str = "DELETE FROM USER_EXPERIMENTS WHERE USER_ID = ? AND EXPERIMENT_ID = ?";
        let user_id = user_id.clone();
        self.database
            .write(move |connection| {
                async move {
                    let deleted = query(DELETE)
                        .bind(user_id.as_str())
                        .bind(experiment_id.get())
                        .execute(connection)
                        .await?;
                    Ok(deleted.rows_affected() > 0)
                }
                .boxed()
            })
            .await
    }
}

/// Holds the scientist's row from the look to the commit, so that the scientist cannot be erased in between.
/// Experiments are never deleted and need no such care.
async fn insert(
    connection: &mut MySqlConnection,
    experiment_id: ExperimentId,
    user_id: &UserId,
) -> Result<bool, Fault> {
    const SCIENTIST: &str = "SELECT 1 FROM USERS WHERE ID = ? AND ERASED_AT IS NULL \
        AND ROLE = (SELECT ID FROM ROLES WHERE NAME = ?) FOR UPDATE";
    const EXPERIMENT: &str = "SELECT 1 FROM EXPERIMENTS WHERE ID = ?";
    const INSERT: &str = "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES (?, ?)";
    let mut transaction = connection.begin().await?;
    let scientist: Option<i64> = query_scalar(SCIENTIST)
        .bind(user_id.as_str())
        .bind(Role::Scientist.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    let experiment: Option<i64> =
        query_scalar(EXPERIMENT).bind(experiment_id.get()).fetch_optional(&mut *transaction).await?;
    if scientist.is_none() || experiment.is_none() {
        return Ok(false);
    }
    query(INSERT)
        .bind(user_id.as_str())
        .bind(experiment_id.get())
        .execute(&mut *transaction)
        .await
        .map_err(errors::primary_key_is(Conflict::Association))?;
    transaction.commit().await?;
    Ok(true)
}
