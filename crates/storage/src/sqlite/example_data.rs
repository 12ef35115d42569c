use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, Role, Timestamp, User, UserId};
use mymonit_services::example_data::{ExampleData, ExampleExperiment, ExampleMeasure};
use mymonit_services::ports::{ExampleDataStore, StorageError};
use shaku::Component;
use sqlx::{SqliteConnection, query, query_scalar};

use super::SqliteDatabase;
use crate::error::{Fault, cause};

/// The name of this step among those that are done once in the life of a database.
const STEP: &str = "example_data";

/// The way of the example data into SQLite.
#[derive(Component)]
#[shaku(interface = ExampleDataStore)]
pub struct SqliteExampleDataStore {
    /// Where they go.
    database: SqliteDatabase,
}

#[async_trait]
impl ExampleDataStore for SqliteExampleDataStore {
    async fn install(&self, data: &ExampleData) -> Result<(), StorageError> {
        let data = data.clone();
        self.database.write(move |connection| async move { install(connection, &data).await }.boxed()).await
    }
}

async fn install(connection: &mut SqliteConnection, data: &ExampleData) -> Result<(), Fault> {
    if exists(connection, "SELECT COUNT(*) FROM ONE_TIME_STEPS WHERE NAME = ?", STEP).await? {
        return Ok(());
    }
    for user in &data.users {
        insert_user(connection, user).await?;
    }
    insert_experiments(connection, &data.experiments).await?;
    query("INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES (?, ?)")
        .bind(STEP)
        .bind(Timestamp::now().unix_nanos())
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds the user unless the id, the username or the e-mail address is taken.
async fn insert_user(connection: &mut SqliteConnection, user: &User) -> Result<(), Fault> {
    const TAKEN: &str = "SELECT COUNT(*) FROM USERS WHERE ID = ? OR USERNAME = ? OR EMAIL_KEY = ?";
    const INSERT: &str = "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
        VALUES (?, ?, ?, ?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
    let (username, email) = (user.username.reveal(), user.email.reveal());
    let taken: i64 = query_scalar(TAKEN)
        .bind(user.user_id.as_str())
        .bind(username.as_str())
        .bind(email.uniqueness_key())
        .fetch_one(&mut *connection)
        .await?;
    if taken > 0 {
        return Ok(());
    }
    query(INSERT)
        .bind(user.user_id.as_str())
        .bind(user.name.reveal().as_str())
        .bind(username.as_str())
        .bind(email.as_str())
        .bind(email.uniqueness_key())
        .bind(user.role.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds those of the experiments that are missing, with all that belongs to them. In a database without
/// experiments they get the ids from 1, even if the counter has run on because of an insert that failed.
async fn insert_experiments(
    connection: &mut SqliteConnection,
    experiments: &[ExampleExperiment],
) -> Result<(), Fault> {
    let stored: i64 = query_scalar("SELECT COUNT(*) FROM EXPERIMENTS").fetch_one(&mut *connection).await?;
    for (number, experiment) in (1_u32..).zip(experiments) {
        let name = experiment.name.as_str();
        if exists(&mut *connection, "SELECT COUNT(*) FROM EXPERIMENTS WHERE NAME = ?", name).await? {
            continue;
        }
        let inserted = query("INSERT INTO EXPERIMENTS (ID, NAME) VALUES (?, ?)")
            .bind((stored == 0).then_some(number))
            .bind(name)
            .execute(&mut *connection)
            .await?;
        let id = match stored {
            0 => number,
            _ => u32::try_from(inserted.last_insert_rowid())
                .map_err(|_| StorageError::Internal(cause("the experiment ids are used up")))?,
        };
        associate(&mut *connection, ExperimentId::new(id), &experiment.scientist).await?;
        for measure in &experiment.measures {
            insert_measure(&mut *connection, ExperimentId::new(id), measure).await?;
        }
    }
    Ok(())
}

/// Associates the scientist, if there is one of that id.
async fn associate(
    connection: &mut SqliteConnection,
    experiment_id: ExperimentId,
    scientist: &UserId,
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) \
        SELECT U.ID, ? FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
        WHERE U.ID = ? AND U.ERASED_AT IS NULL AND R.NAME = ?";
    query(INSERT)
        .bind(experiment_id.get())
        .bind(scientist.as_str())
        .bind(Role::Scientist.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_measure(
    connection: &mut SqliteConnection,
    experiment_id: ExperimentId,
    measure: &ExampleMeasure,
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) \
        VALUES ((SELECT ID FROM MEASURE_TYPES WHERE NAME = ?), ?, ?, ?)";
    query(INSERT)
        .bind(measure.measure_type.as_str())
        .bind(measure.timestamp.unix_nanos())
        .bind(experiment_id.get())
        .bind(measure.value.get())
        .execute(connection)
        .await?;
    Ok(())
}

async fn exists(connection: &mut SqliteConnection, count: &'static str, name: &str) -> Result<bool, Fault> {
    let count: i64 = query_scalar(count).bind(name).fetch_one(connection).await?;
    Ok(count > 0)
}
