use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentId, UserId};
use mymonit_services::directory::{Change, Directory, ExperimentChange};
use mymonit_services::ports::{Conflict, DirectoryStore, StorageError};
use shaku::Component;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, query, query_as};

use super::{MySqlDatabase, errors};
use crate::decode::{self, ErasedUserRow, ExperimentRow, MeasureTypeRow, UserRow};
use crate::directory_order::{Ordered, SET_ASIDE};
use crate::error::{Fault, cause};

/// Everything that administrators manage, on MySQL.
#[derive(Component)]
#[shaku(interface = DirectoryStore)]
pub struct MySqlDirectoryStore {
    /// Where it is kept.
    database: MySqlDatabase,
}

#[async_trait]
impl DirectoryStore for MySqlDirectoryStore {
    async fn read(&self) -> Result<Directory, StorageError> {
        self.database
            .write(|connection| {
                async {
                    // Only so do several statements see one moment; it holds for the next transaction alone.
                    query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                        .execute(&mut *connection)
                        .await?;
                    let mut transaction = connection.begin().await?;
                    let directory = read(&mut transaction, "").await?;
                    transaction.commit().await?;
                    Ok(directory)
                }
                .boxed()
            })
            .await
    }

    async fn apply(
        &self,
        seen: &Directory,
        changes: &[Change],
    ) -> Result<Option<Vec<Experiment>>, StorageError> {
        let (seen, changes) = (seen.clone(), changes.to_vec());
        self.database
            .write(move |connection| {
                async move {
                    match apply(connection, seen, &changes).await {
                        // Who changes the same things at the same moment has been faster.
                        Err(Fault::Sql(error)) if errors::is_deadlock(&error) => Ok(None),
                        other => other,
                    }
                }
                .boxed()
            })
            .await
    }
}

/// Dropping the transaction without a commit rolls it back.
async fn apply(
    connection: &mut MySqlConnection,
    mut seen: Directory,
    changes: &[Change],
) -> Result<Option<Vec<Experiment>>, Fault> {
    let mut transaction = connection.begin().await?;
    // What is there stays as it is until the commit. What others add meanwhile runs against a unique key, or is not in
    // the way.
    let mut found = read(&mut transaction, " FOR UPDATE").await?;
    found.sort();
    seen.sort();
    if found != seen {
        return Ok(None);
    }
    let ordered = Ordered::new(changes, &seen);
    set_aside(&mut transaction, &ordered).await?;
    for change in ordered.changes {
        make(&mut transaction, change).await?;
    }
    let experiments = experiments(&mut transaction, "").await?;
    transaction.commit().await?;
    Ok(Some(experiments))
}

/// Takes from rows what others may get, which unique keys would forbid in whatever order.
async fn set_aside(connection: &mut MySqlConnection, ordered: &Ordered<'_>) -> Result<(), Fault> {
    const USER: &str = "UPDATE USERS SET USERNAME = CONCAT(?, ID), EMAIL_KEY = CONCAT(?, ID) \
        WHERE ID = ? AND ERASED_AT IS NULL";
    const EXPERIMENT: &str = "UPDATE EXPERIMENTS SET NAME = CONCAT(?, ID) WHERE ID = ?";
    for user_id in &ordered.users_in_the_way {
        let statement = query(USER).bind(SET_ASIDE).bind(SET_ASIDE).bind(user_id.as_str());
        statement.execute(&mut *connection).await?;
    }
    for experiment in &ordered.experiments_in_the_way {
        query(EXPERIMENT).bind(SET_ASIDE).bind(experiment.get()).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn make(connection: &mut MySqlConnection, change: &Change) -> Result<(), Fault> {
    const ADD_USER: &str = "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
        VALUES (?, ?, ?, ?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
    const UPDATE_USER: &str = "UPDATE USERS SET NAME = ?, USERNAME = ?, EMAIL = ?, EMAIL_KEY = ? \
        WHERE ID = ? AND ERASED_AT IS NULL";
    const ADD_ERASED: &str =
        "INSERT INTO USERS (ID, ERASED_AT, ROLE) VALUES (?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
    const ASSOCIATE: &str = "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) \
        SELECT ?, ID FROM EXPERIMENTS WHERE NAME = ?";
    let statement = match change {
        Change::AddUser(user) => query(ADD_USER)
            .bind(user.user_id.as_str())
            .bind(user.name.reveal().as_str())
            .bind(user.username.reveal().as_str())
            .bind(user.email.reveal().as_str())
            .bind(user.email.reveal().uniqueness_key())
            .bind(user.role.as_str()),
        Change::UpdateUser(user_id, profile) => query(UPDATE_USER)
            .bind(profile.name.reveal().as_str())
            .bind(profile.username.reveal().as_str())
            .bind(profile.email.reveal().as_str())
            .bind(profile.email.reveal().uniqueness_key())
            .bind(user_id.as_str()),
        Change::AddErasedUser(erased) => query(ADD_ERASED)
            .bind(erased.user_id.as_str())
            .bind(erased.erased_at.unix_nanos())
            .bind(erased.role.as_str()),
        Change::Experiment(ExperimentChange::Add(id, name)) => {
            query("INSERT INTO EXPERIMENTS (ID, NAME) VALUES (?, ?)")
                .bind(id.map(ExperimentId::get))
                .bind(name.as_str())
        }
        Change::Experiment(ExperimentChange::Rename(experiment)) => {
            query("UPDATE EXPERIMENTS SET NAME = ? WHERE ID = ?")
                .bind(experiment.name.as_str())
                .bind(experiment.experiment_id.get())
        }
        Change::AddMeasureType(name, symbol, quantity) => {
            query("INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) VALUES (?, ?, ?)")
                .bind(name.as_str())
                .bind(symbol.as_str())
                .bind(quantity.as_str())
        }
        Change::Associate(experiment, user_id) => {
            query(ASSOCIATE).bind(user_id.as_str()).bind(experiment.as_str())
        }
    };
    let rows = statement.execute(connection).await.map_err(errors::primary_key_is(Conflict::UserId))?;
    match rows.rows_affected() {
        1 => Ok(()),
        count => {
            Err(Fault::Storage(StorageError::Internal(cause(format!("a change concerned {count} rows")))))
        }
    }
}

/// Everything; `lock` stands at the end of each statement.
async fn read(connection: &mut MySqlConnection, lock: &str) -> Result<Directory, Fault> {
    let users = format!(
        "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
         WHERE U.ERASED_AT IS NULL{lock}"
    );
    let erased = format!(
        "SELECT U.ID, R.NAME, U.ERASED_AT FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
         WHERE U.ERASED_AT IS NOT NULL{lock}"
    );
    let associations = format!("SELECT EXPERIMENT_ID, USER_ID FROM USER_EXPERIMENTS{lock}");
    let types = format!("SELECT ID, NAME, SYMBOL, QUANTITY FROM MEASURE_TYPES{lock}");
    let users: Vec<UserRow> = query_as(AssertSqlSafe(users)).fetch_all(&mut *connection).await?;
    let erased: Vec<ErasedUserRow> = query_as(AssertSqlSafe(erased)).fetch_all(&mut *connection).await?;
    let experiments = experiments(&mut *connection, lock).await?;
    let associations: Vec<(u32, String)> =
        query_as(AssertSqlSafe(associations)).fetch_all(&mut *connection).await?;
    let types: Vec<MeasureTypeRow> = query_as(AssertSqlSafe(types)).fetch_all(connection).await?;
    let association = |(experiment, user): (u32, String)| {
        Ok::<_, sqlx::Error>((ExperimentId::new(experiment), decode::field(UserId::new(&user))?))
    };
    Ok(Directory {
        users: users.into_iter().map(decode::user).collect::<Result<_, _>>()?,
        erased_users: erased.into_iter().map(decode::erased_user).collect::<Result<_, _>>()?,
        experiments,
        associations: associations.into_iter().map(association).collect::<Result<_, _>>()?,
        measure_types: types.into_iter().map(decode::measure_type).collect::<Result<_, _>>()?,
    })
}

async fn experiments(connection: &mut MySqlConnection, lock: &str) -> Result<Vec<Experiment>, Fault> {
    let statement = format!("SELECT ID, NAME FROM EXPERIMENTS{lock}");
    let rows: Vec<ExperimentRow> = query_as(AssertSqlSafe(statement)).fetch_all(connection).await?;
    Ok(rows.into_iter().map(decode::experiment).collect::<Result<_, _>>()?)
}
