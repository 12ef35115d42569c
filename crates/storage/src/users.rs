use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, Role, Timestamp, User, UserId, Username};
use mymonit_services::ports::{
    Access, Conflict, Erasure, Identity, StorageError, TokenDigest, TokenGrant, UserProfile, UserStore,
};
use shaku::Component;
use sqlx::AssertSqlSafe;
use tracing::warn;

use crate::connection::{Connection, Value};
use crate::database::{Database, DatabaseHandle};
use crate::decode;
use crate::error::{Fault, primary_key_is};
use crate::identity::UserLookup;

/// The users.
#[derive(Component)]
#[shaku(interface = UserStore)]
pub struct SqlUserStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

/// A user, the ID, LAST_USED_AT and IS_RESTRICTED of an API token, and an experiment of it or NULL.
type TokenRow = (String, String, String, String, String, u64, Option<i64>, bool, Option<u32>);

#[async_trait]
impl UserStore for SqlUserStore {
    async fn page(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<User>, StorageError> {
        const PAGE: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
            WHERE U.ID > ? AND U.ERASED_AT IS NULL ORDER BY U.ID LIMIT ?";
        // Every id comes after the empty text.
        let after = after.map(UserId::as_str).unwrap_or_default();
        self.database.rows(PAGE, [after.into(), limit.into()], decode::user).await
    }

    async fn find(&self, user_id: &UserId) -> Result<Option<User>, StorageError> {
        const FIND: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.ID = ? AND U.ERASED_AT IS NULL";
        self.database.row(FIND, [user_id.as_str().into()], decode::user).await
    }

    async fn find_by_username(&self, username: &Username) -> Result<Option<User>, StorageError> {
        const FIND: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.USERNAME = ? AND U.ERASED_AT IS NULL";
        self.database.row(FIND, [username.as_str().into()], decode::user).await
    }

    async fn find_by_token(
        &self,
        digest: &TokenDigest,
        at: Timestamp,
    ) -> Result<Option<(User, TokenGrant)>, StorageError> {
        // A row for each experiment that the token is restricted to.
        const FIND: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME, \
            T.ID, T.LAST_USED_AT, T.IS_RESTRICTED, X.EXPERIMENT_ID \
            FROM API_TOKENS T JOIN USERS U ON U.ID = T.USER_ID JOIN ROLES R ON R.ID = U.ROLE \
            LEFT JOIN API_TOKEN_EXPERIMENTS X ON X.TOKEN_ID = T.ID \
            WHERE T.SECRET_SHA256 = ? AND T.EXPIRES_AT > ? AND U.ERASED_AT IS NULL";
        let values = [Value::Bytes(digest.reveal().to_vec()), at.unix_nanos().into()];
        let rows = self.database.rows(FIND, values, |row: TokenRow| Ok(row)).await?;
        let experiments = rows.iter().filter_map(|row| row.8).map(ExperimentId::new).collect();
        let Some((id, name, username, email, role, token_id, last_used_at, is_restricted, _)) =
            rows.into_iter().next()
        else {
            return Ok(None);
        };
        let user = decode::user((id, name, username, email, role)).map_err(Fault::Sql)?;
        let token = decode::token_use(token_id, last_used_at).map_err(Fault::Sql)?;
        Ok(Some((user, TokenGrant { token, experiments: is_restricted.then_some(experiments) })))
    }

    async fn access(
        &self,
        identity: &Identity,
        experiment_id: ExperimentId,
    ) -> Result<Option<Access>, StorageError> {
        let user = UserLookup::of(identity, experiment_id);
        let find = format!(
            "SELECT U.ID, R.NAME, E.NAME, E.IS_FLAGGED, {} FROM {} CROSS JOIN ROLES R ON R.ID = U.ROLE \
             LEFT JOIN USER_EXPERIMENTS A ON A.USER_ID = U.ID AND A.EXPERIMENT_ID = ? {} \
             LEFT JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID WHERE {}",
            user.token_columns, user.from, user.may_read, user.condition
        );
        let mut values = user.from_values;
        values.push(experiment_id.get().into());
        values.extend(user.condition_values);
        self.database
            .read(move |mut connection| {
                async move {
                    let row = connection.row(AssertSqlSafe(find), values).await?;
                    Ok(row.map(decode::access).transpose()?)
                }
                .boxed()
            })
            .await
    }

    async fn insert(&self, user: &User) -> Result<(), StorageError> {
        let user = user.clone();
        self.database
            .write(move |mut connection| async move { insert(&mut connection, &user).await }.boxed())
            .await
    }

    async fn update(&self, user_id: &UserId, profile: &UserProfile) -> Result<bool, StorageError> {
        let (user_id, profile) = (user_id.clone(), profile.clone());
        self.database
            .write(move |mut connection| {
                async move { update(&mut connection, &user_id, &profile).await }.boxed()
            })
            .await
    }

    async fn erase(&self, user_id: &UserId) -> Result<Erasure, StorageError> {
        let user_id = user_id.clone();
        let erasure = self
            .database
            .repeated_transaction(move |mut connection| {
                let user_id = user_id.clone();
                async move { erase(&mut connection, &user_id).await }.boxed()
            })
            .await?;
        if let (Erasure::Erased, Database::Sqlite(database)) = (erasure, self.database.database()) {
            // Until the checkpoint the write-ahead log holds copies of the record.
            let reason = match database.checkpoint().await {
                Ok(true) => return Ok(erasure),
                Ok(false) => "a reader is active".to_owned(),
                Err(error) => error.to_string(),
            };
            warn!(reason, "WAL checkpoint failed; erased data remains in the WAL until the next one");
        }
        Ok(erasure)
    }
}

pub(crate) async fn insert(connection: &mut Connection<'_>, user: &User) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
        VALUES (?, ?, ?, ?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
    let email = user.email.reveal();
    let values = [
        user.user_id.as_str().into(),
        user.name.reveal().as_str().into(),
        user.username.reveal().as_str().into(),
        email.as_str().into(),
        email.uniqueness_key().into(),
        user.role.as_str().into(),
    ];
    connection.execute(INSERT, values).await.map_err(primary_key_is(Conflict::UserId))?;
    Ok(())
}

/// `false` if there is no such user.
pub(crate) async fn update(
    connection: &mut Connection<'_>,
    user_id: &UserId,
    profile: &UserProfile,
) -> Result<bool, Fault> {
    const UPDATE: &str = "UPDATE USERS SET NAME = ?, USERNAME = ?, EMAIL = ?, EMAIL_KEY = ? \
        WHERE ID = ? AND ERASED_AT IS NULL";
    let email = profile.email.reveal();
    let values = [
        profile.name.reveal().as_str().into(),
        profile.username.reveal().as_str().into(),
        email.as_str().into(),
        email.uniqueness_key().into(),
        user_id.as_str().into(),
    ];
    Ok(connection.execute(UPDATE, values).await?.rows > 0)
}

/// In a transaction.
async fn erase(connection: &mut Connection<'_>, user_id: &UserId) -> Result<Erasure, Fault> {
    const ERASE: &str = "UPDATE USERS \
        SET NAME = NULL, USERNAME = NULL, EMAIL = NULL, EMAIL_KEY = NULL, ERASED_AT = ? \
        WHERE ID = ? AND ERASED_AT IS NULL";
    if let Some(refusal) = refusal(connection, user_id).await? {
        return Ok(refusal);
    }
    // The lock on the user's row blocks a new association or API token until the commit.
    let now = Timestamp::now().unix_nanos();
    if connection.execute(ERASE, [now.into(), user_id.as_str().into()]).await?.rows == 0 {
        return Ok(Erasure::Absent);
    }
    let associations = "DELETE FROM USER_EXPERIMENTS WHERE USER_ID = ?";
    connection.execute(associations, [user_id.as_str().into()]).await?;
    let api_tokens = "DELETE FROM API_TOKENS WHERE USER_ID = ?";
    connection.execute(api_tokens, [user_id.as_str().into()]).await?;
    Ok(Erasure::Erased)
}

/// Why the user cannot be erased, if so.
async fn refusal(connection: &mut Connection<'_>, user_id: &UserId) -> Result<Option<Erasure>, Fault> {
    const ROLE: &str = "SELECT R.NAME FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
        WHERE U.ID = ? AND U.ERASED_AT IS NULL";
    const ADMINISTRATORS: &str = "SELECT U.ID FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
        WHERE R.NAME = ? AND U.ERASED_AT IS NULL";
    let role: Option<(String,)> = connection.row(ROLE, [user_id.as_str().into()]).await?;
    match role {
        None => return Ok(Some(Erasure::Absent)),
        Some((role,)) if role != Role::Admin.as_str() => return Ok(None),
        Some(_) => {}
    }
    // Erasures of administrators take this lock in turn, and then count the administrators that are
    // left.
    let lock = format!("SELECT NAME FROM ROLES WHERE NAME = ?{}", connection.for_update());
    let _: Option<(String,)> = connection.row(AssertSqlSafe(lock), [Role::Admin.as_str().into()]).await?;
    let left: Vec<(String,)> = connection.rows(ADMINISTRATORS, [Role::Admin.as_str().into()]).await?;
    Ok(match left.iter().any(|(id,)| id == user_id.as_str()) {
        false => Some(Erasure::Absent),
        true if left.len() == 1 => Some(Erasure::LastAdministrator),
        true => None,
    })
}
