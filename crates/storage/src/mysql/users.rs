use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentId, Role, Timestamp, User, UserId, Username};
use mymonit_services::ports::{Conflict, Erasure, StorageError, UserProfile, UserStore};
use shaku::Component;
use sqlx::{Connection, MySqlConnection, query, query_as, query_scalar};

use super::{MySqlDatabase, errors};
use crate::decode::{self, UserRow, UserWithExperimentRow};
use crate::error::Fault;

/// The users, on MySQL.
#[derive(Component)]
#[shaku(interface = UserStore)]
pub struct MySqlUserStore {
    /// Where they are kept.
    database: MySqlDatabase,
}

#[async_trait]
impl UserStore for MySqlUserStore {
    async fn list(&self) -> Result<Vec<User>, StorageError> {
        const LIST: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.ERASED_AT IS NULL ORDER BY U.ID";
        self.database
            .read(|connection| {
                async {
                    let rows = query_as::<_, UserRow>(LIST).fetch_all(connection).await?;
                    Ok(rows.into_iter().map(decode::user).collect::<Result<_, _>>()?)
                }
                .boxed()
            })
            .await
    }

    async fn find(&self, user_id: &UserId) -> Result<Option<User>, StorageError> {
        const FIND: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.ID = ? AND U.ERASED_AT IS NULL";
        self.find_one(FIND, user_id.as_str().to_owned()).await
    }

    async fn find_by_username(&self, username: &Username) -> Result<Option<User>, StorageError> {
        const FIND: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.USERNAME = ? AND U.ERASED_AT IS NULL";
        self.find_one(FIND, username.as_str().to_owned()).await
    }

    async fn find_with_experiment(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
    ) -> Result<Option<(User, Option<Experiment>)>, StorageError> {
        const FIND: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME, E.ID, E.NAME \
            FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
            LEFT JOIN USER_EXPERIMENTS A ON A.USER_ID = U.ID AND A.EXPERIMENT_ID = ? \
            LEFT JOIN EXPERIMENTS E ON E.ID = A.EXPERIMENT_ID \
            WHERE U.USERNAME = ? AND U.ERASED_AT IS NULL";
        let username = username.clone();
        self.database
            .read(move |connection| {
                async move {
                    let row = query_as::<_, UserWithExperimentRow>(FIND)
                        .bind(experiment_id.get())
                        .bind(username.as_str())
                        .fetch_optional(connection)
                        .await?;
                    Ok(row.map(decode::user_with_experiment).transpose()?)
                }
                .boxed()
            })
            .await
    }

    async fn insert(&self, user: &User) -> Result<(), StorageError> {
        const INSERT: &str = "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
            VALUES (?, ?, ?, ?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
        let user = user.clone();
        self.database
            .write(move |connection| {
                async move {
                    query(INSERT)
                        .bind(user.user_id.as_str())
                        .bind(user.name.reveal().as_str())
                        .bind(user.username.reveal().as_str())
                        .bind(user.email.reveal().as_str())
                        .bind(user.email.reveal().uniqueness_key())
                        .bind(user.role.as_str())
                        .execute(connection)
                        .await
                        .map_err(errors::primary_key_is(Conflict::UserId))?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    async fn update(&self, user_id: &UserId, profile: &UserProfile) -> Result<bool, StorageError> {
        const UPDATE: &str = "UPDATE USERS SET NAME = ?, USERNAME = ?, EMAIL = ?, EMAIL_KEY = ? \
            WHERE ID = ? AND ERASED_AT IS NULL";
        let (user_id, profile) = (user_id.clone(), profile.clone());
        self.database
            .write(move |connection| {
                async move {
                    let found = query(UPDATE)
                        .bind(profile.name.reveal().as_str())
                        .bind(profile.username.reveal().as_str())
                        .bind(profile.email.reveal().as_str())
                        .bind(profile.email.reveal().uniqueness_key())
                        .bind(user_id.as_str())
                        .execute(connection)
                        .await?;
                    Ok(found.rows_affected() > 0)
                }
                .boxed()
            })
            .await
    }

    async fn erase(&self, user_id: &UserId) -> Result<Erasure, StorageError> {
        let user_id = user_id.clone();
        self.database.write(move |connection| async move { erase(connection, &user_id).await }.boxed()).await
    }
}

impl MySqlUserStore {
    async fn find_one(&self, statement: &'static str, key: String) -> Result<Option<User>, StorageError> {
        self.database
            .read(move |connection| {
                async move {
                    let row = query_as::<_, UserRow>(statement).bind(key).fetch_optional(connection).await?;
                    Ok(row.map(decode::user).transpose()?)
                }
                .boxed()
            })
            .await
    }
}

/// Dropping the transaction without a commit rolls it back.
async fn erase(connection: &mut MySqlConnection, user_id: &UserId) -> Result<Erasure, Fault> {
    const ERASE: &str = "UPDATE USERS \
        SET NAME = NULL, USERNAME = NULL, EMAIL = NULL, EMAIL_KEY = NULL, ERASED_AT = ? \
        WHERE ID = ? AND ERASED_AT IS NULL";
    let mut transaction = connection.begin().await?;
    if let Some(refusal) = refusal(&mut transaction, user_id).await? {
        return Ok(refusal);
    }
    // The lock on the user's row keeps a new association out until the commit.
    let erased = query(ERASE)
        .bind(Timestamp::now().unix_nanos())
        .bind(user_id.as_str())
        .execute(&mut *transaction)
        .await?;
    if erased.rows_affected() == 0 {
        return Ok(Erasure::Absent);
    }
    query("DELETE FROM USER_EXPERIMENTS WHERE USER_ID = ?")
        .bind(user_id.as_str())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Erasure::Erased)
}

/// Why the user cannot be erased, if so.
async fn refusal(connection: &mut MySqlConnection, user_id: &UserId) -> Result<Option<Erasure>, Fault> {
    const ROLE: &str = "SELECT R.NAME FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
        WHERE U.ID = ? AND U.ERASED_AT IS NULL";
    // One row stands for the right to lessen the number of administrators: whoever wants to erase one waits
    // here for all others who do, and then counts what they left.
    const LOCK: &str = "SELECT ID FROM ROLES WHERE NAME = ? FOR UPDATE";
    const ADMINISTRATORS: &str = "SELECT ID FROM USERS WHERE ROLE = ? AND ERASED_AT IS NULL";
    let role: Option<String> =
        query_scalar(ROLE).bind(user_id.as_str()).fetch_optional(&mut *connection).await?;
    if role.as_deref() != Some(Role::Admin.as_str()) {
        return Ok(role.is_none().then_some(Erasure::Absent));
    }
    let role: u8 = query_scalar(LOCK).bind(Role::Admin.as_str()).fetch_one(&mut *connection).await?;
    let left: Vec<String> = query_scalar(ADMINISTRATORS).bind(role).fetch_all(connection).await?;
    Ok(match left.iter().any(|id| id == user_id.as_str()) {
        false => Some(Erasure::Absent),
        true if left.len() == 1 => Some(Erasure::LastAdministrator),
        true => None,
    })
}
