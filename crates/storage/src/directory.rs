use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Experiment, ExperimentId, UserId};
use mymonit_services::directory::{Change, Directory, ExperimentChange};
use mymonit_services::ports::{Conflict, DirectoryStore, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::{Columns, Connection};
use crate::database::DatabaseHandle;
use crate::decode;
use crate::directory_order::{Ordered, TEMPORARY_PREFIX};
use crate::error::{Fault, cause, is_deadlock, primary_key_is};
use crate::{experiments, sensors, users};

/// Everything that administrators manage.
#[derive(Component)]
#[shaku(interface = DirectoryStore)]
pub struct SqlDirectoryStore {
    /// Where it is kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl DirectoryStore for SqlDirectoryStore {
    async fn read(&self) -> Result<Directory, StorageError> {
        self.database.snapshot(|mut connection| async move { read(&mut connection, "").await }.boxed()).await
    }

    async fn apply(
        &self,
        seen: &Directory,
        changes: &[Change],
    ) -> Result<Option<Vec<Experiment>>, StorageError> {
        let (seen, changes) = (seen.clone(), changes.to_vec());
        self.database
            .transaction(move |mut connection| {
                async move {
                    match apply(&mut connection, seen, &changes).await {
                        // Another writer has changed the same rows.
                        Err(Fault::Sql(error)) if is_deadlock(&error) => Ok(None),
                        other => other,
                    }
                }
                .boxed()
            })
            .await
    }
}

async fn apply(
    connection: &mut Connection<'_>,
    mut seen: Directory,
    changes: &[Change],
) -> Result<Option<Vec<Experiment>>, Fault> {
    // Rows that are read here cannot change before the commit. Rows that others add run against a
    // unique key, or do not matter.
    let mut found = read(connection, connection.for_update()).await?;
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
    Ok(Some(all_experiments(connection, "").await?))
}

/// Frees unique values that other rows are to get, as where two users exchange their usernames.
async fn set_aside(connection: &mut Connection<'_>, ordered: &Ordered<'_>) -> Result<(), Fault> {
    const USER: &str = "UPDATE USERS SET USERNAME = CONCAT(?, ID), EMAIL_KEY = CONCAT(?, ID) \
        WHERE ID = ? AND ERASED_AT IS NULL";
    const EXPERIMENT: &str = "UPDATE EXPERIMENTS SET NAME = CONCAT(?, ID) WHERE ID = ?";
    for user_id in &ordered.users_in_the_way {
        connection
            .execute(USER, [TEMPORARY_PREFIX.into(), TEMPORARY_PREFIX.into(), user_id.as_str().into()])
            .await?;
    }
    for experiment in &ordered.experiments_in_the_way {
        connection.execute(EXPERIMENT, [TEMPORARY_PREFIX.into(), experiment.get().into()]).await?;
    }
    Ok(())
}

async fn make(connection: &mut Connection<'_>, change: &Change) -> Result<(), Fault> {
    const ADD_ERASED: &str =
        "INSERT INTO USERS (ID, ERASED_AT, ROLE) VALUES (?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
    const ADD_TYPE: &str = "INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) VALUES (?, ?, ?)";
    const ADD_SENSOR: &str = "INSERT INTO SENSORS (EXPERIMENT_ID, NAME, DESCRIPTION) \
        SELECT ID, ?, ? FROM EXPERIMENTS WHERE NAME = ?";
    const ASSOCIATE: &str = "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) \
        SELECT ?, ID FROM EXPERIMENTS WHERE NAME = ?";
    let executed = match change {
        Change::AddUser(user) => return users::insert(connection, user).await,
        Change::UpdateUser(user_id, profile) => {
            return users::update(connection, user_id, profile).await.and_then(|found| one_row(found.into()));
        }
        Change::AddErasedUser(erased) => {
            let values = [
                erased.user_id.as_str().into(),
                erased.erased_at.unix_nanos().into(),
                erased.role.as_str().into(),
            ];
            connection.execute(ADD_ERASED, values).await
        }
        Change::Experiment(ExperimentChange::Add(id, details)) => {
            return experiments::insert(connection, *id, details).await.map(drop);
        }
        Change::Experiment(ExperimentChange::Update(experiment)) => {
            return experiments::replace(connection, experiment)
                .await
                .and_then(|found| one_row(found.into()));
        }
        Change::AddMeasureType(name, symbol, quantity) => {
            let values = [name.as_str().into(), symbol.as_str().into(), quantity.as_str().into()];
            connection.execute(ADD_TYPE, values).await
        }
        Change::AddSensor(experiment, name, description) => {
            let values = [name.as_str().into(), description.as_str().into(), experiment.as_str().into()];
            connection.execute(ADD_SENSOR, values).await
        }
        Change::DescribeSensor(experiment_id, name, description) => {
            let is_there = sensors::describe(connection, *experiment_id, name, description).await?;
            return one_row(is_there.into());
        }
        Change::Associate(experiment, user_id) => {
            connection.execute(ASSOCIATE, [user_id.as_str().into(), experiment.as_str().into()]).await
        }
    };
    one_row(executed.map_err(primary_key_is(Conflict::UserId))?.rows)
}

fn one_row(rows: u64) -> Result<(), Fault> {
    match rows {
        1 => Ok(()),
        _ => {
            Err(StorageError::Internal(cause(format!("a change affected {rows} rows instead of one"))).into())
        }
    }
}

/// Everything; `lock` ends each statement.
async fn read(connection: &mut Connection<'_>, lock: &str) -> Result<Directory, Fault> {
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
    let sensors = format!("SELECT EXPERIMENT_ID, NAME, DESCRIPTION FROM SENSORS{lock}");
    let association = |(experiment, user): (u32, String)| {
        Ok::<_, sqlx::Error>((ExperimentId::new(experiment), decode::field(UserId::existing(&user))?))
    };
    Ok(Directory {
        users: all(connection, users, decode::user).await?,
        erased_users: all(connection, erased, decode::erased_user).await?,
        experiments: all_experiments(connection, lock).await?,
        associations: all(connection, associations, association).await?,
        measure_types: all(connection, types, decode::measure_type).await?,
        sensors: all(connection, sensors, decode::described_sensor).await?,
    })
}

async fn all_experiments(connection: &mut Connection<'_>, lock: &str) -> Result<Vec<Experiment>, Fault> {
    let select = format!("SELECT ID, NAME, DESCRIPTION, ARCHIVED FROM EXPERIMENTS{lock}");
    all(connection, select, decode::experiment).await
}

async fn all<R: Columns, T>(
    connection: &mut Connection<'_>,
    select: String,
    decode: impl Fn(R) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, Fault> {
    let rows = connection.rows(AssertSqlSafe(select), []).await?;
    Ok(rows.into_iter().map(decode).collect::<Result<_, _>>()?)
}
