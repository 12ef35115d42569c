use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentId, UserId};
use mymonit_services::directory::{Change, Directory, ExperimentChange};
use mymonit_services::ports::{DirectoryStore, StorageError};
use shaku::Component;
use sqlx::{Connection, SqliteConnection, query, query_as};

use super::SqliteDatabase;
use crate::decode::{self, ErasedUserRow, ExperimentRow, MeasureTypeRow, UserRow};
use crate::directory_order::{Ordered, SET_ASIDE};
use crate::error::{Fault, cause};

/// Everything that administrators manage, on SQLite.
#[derive(Component)]
#[shaku(interface = DirectoryStore)]
pub struct SqliteDirectoryStore {
    /// Where it is kept.
    database: SqliteDatabase,
}

#[async_trait]
impl DirectoryStore for SqliteDirectoryStore {
    async fn read(&self) -> Result<Directory, StorageError> {
        self.database
            .read(|connection| {
                async {
                    // Several statements see one moment only in a transaction.
                    let mut transaction = connection.begin().await?;
                    let directory = read(&mut transaction).await?;
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
            .write(move |connection| async move { apply(connection, seen, &changes).await }.boxed())
            .await
    }
}

/// There is one writer at a time, so between the look and the changes nobody else changes anything.
async fn apply(
    connection: &mut SqliteConnection,
    mut seen: Directory,
    changes: &[Change],
) -> Result<Option<Vec<Experiment>>, Fault> {
    let mut found = read(connection).await?;
    found.sort();
    seen.sort();
    if found != seen {
        return Ok(None);
    }
    let ordered = Ordered::new(changes, &seen);
    set_aside(connection, &ordered).await?;
    for change in ordered.changes {
        make(connection, change).await?;
    }
    Ok(Some(experiments(connection).await?))
}

/// Takes from rows what others may get, which unique keys would forbid in whatever order.
async fn set_aside(connection: &mut SqliteConnection, ordered: &Ordered<'_>) -> Result<(), Fault> {
    const USER: &str = "UPDATE USERS SET USERNAME = ? || ID, EMAIL_KEY = ? || ID \
        WHERE ID = ? AND ERASED_AT IS NULL";
    const EXPERIMENT: &str = "UPDATE EXPERIMENTS SET NAME = ? || ID WHERE ID = ?";
    for user_id in &ordered.users_in_the_way {
        let statement = query(USER).bind(SET_ASIDE).bind(SET_ASIDE).bind(user_id.as_str());
        statement.execute(&mut *connection).await?;
    }
    for experiment in &ordered.experiments_in_the_way {
        query(EXPERIMENT).bind(SET_ASIDE).bind(experiment.get()).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn make(connection: &mut SqliteConnection, change: &Change) -> Result<(), Fault> {
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
    let rows = statement.execute(connection).await?;
    match rows.rows_affected() {
        1 => Ok(()),
        count => {
            Err(Fault::Storage(StorageError::Internal(cause(format!("a change concerned {count} rows")))))
        }
    }
}

async fn read(connection: &mut SqliteConnection) -> Result<Directory, Fault> {
    const USERS: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
        FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.ERASED_AT IS NULL";
    const ERASED: &str = "SELECT U.ID, R.NAME, U.ERASED_AT \
        FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.ERASED_AT IS NOT NULL";
    const ASSOCIATIONS: &str = "SELECT EXPERIMENT_ID, USER_ID FROM USER_EXPERIMENTS";
    const TYPES: &str = "SELECT ID, NAME, SYMBOL, QUANTITY FROM MEASURE_TYPES";
    let users: Vec<UserRow> = query_as(USERS).fetch_all(&mut *connection).await?;
    let erased: Vec<ErasedUserRow> = query_as(ERASED).fetch_all(&mut *connection).await?;
    let experiments = experiments(&mut *connection).await?;
    let associations: Vec<(u32, String)> = query_as(ASSOCIATIONS).fetch_all(&mut *connection).await?;
    let types: Vec<MeasureTypeRow> = query_as(TYPES).fetch_all(connection).await?;
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

async fn experiments(connection: &mut SqliteConnection) -> Result<Vec<Experiment>, Fault> {
    let rows: Vec<ExperimentRow> = query_as("SELECT ID, NAME FROM EXPERIMENTS").fetch_all(connection).await?;
    Ok(rows.into_iter().map(decode::experiment).collect::<Result<_, _>>()?)
}
