use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentId, Role, Timestamp, User, UserId, Username};
use mymonit_services::ports::{Erasure, StorageError, UserProfile, UserStore};
use shaku::Component;
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use tracing::warn;

use super::SqliteDatabase;
use crate::decode::{self, UserRow, UserWithExperimentRow};
use crate::error::Fault;

/// The users, on SQLite.
#[derive(Component)]
#[shaku(interface = UserStore)]
pub struct SqliteUserStore {
    /// Where they are kept.
    database: SqliteDatabase,
}

#[async_trait]
impl UserStore for SqliteUserStore {
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
                        .await?;
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
        let erasure = self
            .database
            .write(move |connection| async move { erase(connection, &user_id).await }.boxed())
            .await?;
        if erasure == Erasure::Erased {
            self.empty_log().await;
        }
        Ok(erasure)
    }
}

impl SqliteUserStore {
    /// Erases the copies of the user's record that stand in the write-ahead log. The user is erased whatever becomes of
    /// this; if it cannot be done now, it is done by the next erasure, or when the service stops.
    async fn empty_log(&self) {
        let why = match self.database.empty_log().await {
            Ok(true) => return,
            Ok(false) => "somebody is reading".to_owned(),
            Err(error) => error.to_string(),
        };
        warn!(why, "what was erased still stands in the write-ahead log, until the next erasure or the stop");
    }

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

/// There is one writer at a time, so between the look and the change nobody else changes anything.
async fn erase(connection: &mut SqliteConnection, user_id: &UserId) -> Result<Erasure, Fault> {
    const ERASE: &str = "UPDATE USERS \
        SET NAME = NULL, USERNAME = NULL, EMAIL = NULL, EMAIL_KEY = NULL, ERASED_AT = ? WHERE ID = ?";
    if let Some(refusal) = refusal(connection, user_id).await? {
        return Ok(refusal);
    }
    query(ERASE).bind(Timestamp::now().unix_nanos()).bind(user_id.as_str()).execute(&mut *connection).await?;
    query("DELETE FROM USER_EXPERIMENTS WHERE USER_ID = ?")
        .bind(user_id.as_str())
        .execute(connection)
        .await?;
    Ok(Erasure::Erased)
}

/// Why the user cannot be erased, if so.
async fn refusal(connection: &mut SqliteConnection, user_id: &UserId) -> Result<Option<Erasure>, Fault> {
    const ROLE: &str = "SELECT R.NAME FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
        WHERE U.ID = ? AND U.ERASED_AT IS NULL";
    const ADMINISTRATORS: &str = "SELECT COUNT(*) FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
        WHERE R.NAME = ? AND U.ERASED_AT IS NULL";
    let role: Option<String> =
        query_scalar(ROLE).bind(user_id.as_str()).fetch_optional(&mut *connection).await?;
    if role.as_deref() != Some(Role::Admin.as_str()) {
        return Ok(role.is_none().then_some(Erasure::Absent));
    }
    let left: i64 = query_scalar(ADMINISTRATORS).bind(Role::Admin.as_str()).fetch_one(connection).await?;
    Ok((left == 1).then_some(Erasure::LastAdministrator))
}
