use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ApiToken, ApiTokenId, ApiTokenName, ExperimentId, Timestamp, UserId};
use mymonit_services::ports::{ApiTokenStore, Conflict, NewApiToken, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::Fault;

/// The API tokens.
#[derive(Component)]
#[shaku(interface = ApiTokenStore)]
pub struct SqlApiTokenStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

/// ID, NAME, CREATED_AT, EXPIRES_AT, LAST_USED_AT, IS_RESTRICTED.
type Row = (u64, String, i64, i64, Option<i64>, bool);

#[async_trait]
impl ApiTokenStore for SqlApiTokenStore {
    async fn list(&self, user_id: &UserId) -> Result<Vec<ApiToken>, StorageError> {
        let user_id = user_id.clone();
        self.database
            .snapshot(move |mut connection| async move { list(&mut connection, &user_id).await }.boxed())
            .await
    }

    async fn insert(&self, token: &NewApiToken, limit: u32) -> Result<Option<ApiTokenId>, StorageError> {
        let token = token.clone();
        self.database
            .transaction(move |mut connection| {
                async move { insert(&mut connection, &token, limit).await }.boxed()
            })
            .await
    }

    async fn delete(&self, user_id: &UserId, id: ApiTokenId) -> Result<bool, StorageError> {
        const DELETE: &str = "DELETE FROM API_TOKENS WHERE ID = ? AND USER_ID = ?";
        // No id is greater than the greatest signed integer.
        let Ok(id) = i64::try_from(id.get()) else { return Ok(false) };
        Ok(self.database.execute(DELETE, [id.into(), user_id.as_str().into()]).await?.rows > 0)
    }

    async fn note_use(&self, id: ApiTokenId, hour: Timestamp) -> Result<(), StorageError> {
        const NOTE: &str = "UPDATE API_TOKENS SET LAST_USED_AT = ? \
            WHERE ID = ? AND (LAST_USED_AT IS NULL OR LAST_USED_AT < ?)";
        let Ok(id) = i64::try_from(id.get()) else { return Ok(()) };
        let hour = Value::from(hour.unix_nanos());
        self.database.execute(NOTE, [hour.clone(), id.into(), hour]).await.map(drop)
    }
}

/// In one snapshot.
async fn list(connection: &mut Connection<'_>, user_id: &UserId) -> Result<Vec<ApiToken>, Fault> {
    const TOKENS: &str = "SELECT ID, NAME, CREATED_AT, EXPIRES_AT, LAST_USED_AT, IS_RESTRICTED \
        FROM API_TOKENS WHERE USER_ID = ? ORDER BY ID";
    const EXPERIMENTS: &str = "SELECT X.TOKEN_ID, X.EXPERIMENT_ID \
        FROM API_TOKENS T JOIN API_TOKEN_EXPERIMENTS X ON X.TOKEN_ID = T.ID \
        WHERE T.USER_ID = ? ORDER BY X.EXPERIMENT_ID";
    let rows: Vec<Row> = connection.rows(TOKENS, [user_id.as_str().into()]).await?;
    let mut experiments = HashMap::<u64, Vec<ExperimentId>>::new();
    for (id, experiment) in connection.rows::<(u64, u32)>(EXPERIMENTS, [user_id.as_str().into()]).await? {
        experiments.entry(id).or_default().push(ExperimentId::new(experiment));
    }
    let token = |(id, name, created_at, expires_at, last_used_at, is_restricted): Row| {
        let experiments = experiments.remove(&id).unwrap_or_default();
        Ok(ApiToken {
            id: ApiTokenId::new(id),
            name: decode::field(ApiTokenName::new(&name))?,
            created_at: decode::timestamp("created_at", created_at)?,
            expires_at: decode::timestamp("expires_at", expires_at)?,
            experiments: is_restricted.then_some(experiments),
            last_used_at: last_used_at.map(|at| decode::timestamp("last_used_at", at)).transpose()?,
        })
    };
    rows.into_iter().map(token).collect()
}

/// In a transaction. The lock on the user's row keeps the user from being erased, and from getting
/// another token at the same time.
async fn insert(
    connection: &mut Connection<'_>,
    token: &NewApiToken,
    limit: u32,
) -> Result<Option<ApiTokenId>, Fault> {
    const COUNT: &str = "SELECT COUNT(*) FROM API_TOKENS WHERE USER_ID = ?";
    const INSERT: &str = "INSERT INTO API_TOKENS \
        (USER_ID, NAME, SECRET_SHA256, CREATED_AT, EXPIRES_AT, IS_RESTRICTED) VALUES (?, ?, ?, ?, ?, ?)";
    const EXPERIMENT: &str = "INSERT INTO API_TOKEN_EXPERIMENTS (TOKEN_ID, EXPERIMENT_ID) VALUES (?, ?)";
    let user_id = Value::from(token.user_id.as_str());
    let user = format!("SELECT ID FROM USERS WHERE ID = ? AND ERASED_AT IS NULL{}", connection.for_update());
    if connection.row::<(String,)>(AssertSqlSafe(user), [user_id.clone()]).await?.is_none() {
        return Ok(None);
    }
    if connection.number(COUNT, [user_id.clone()]).await? >= i64::from(limit) {
        return Err(StorageError::Conflict(Conflict::TooManyApiTokens).into());
    }
    let values = [
        user_id,
        token.name.as_str().into(),
        Value::Bytes(token.digest.reveal().to_vec()),
        token.created_at.unix_nanos().into(),
        token.expires_at.unix_nanos().into(),
        u32::from(token.experiments.is_some()).into(),
    ];
    let id = connection.execute(INSERT, values).await?.last_id;
    for experiment in token.experiments.iter().flatten() {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        connection.execute(EXPERIMENT, [id.into(), experiment.get().into()]).await?;
    }
    Ok(Some(ApiTokenId::new(id)))
}
