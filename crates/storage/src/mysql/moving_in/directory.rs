//! Users, experiments, associations and measure types: few rows, copied in one transaction.

use std::collections::{HashMap, HashSet};

use mymonit_model::{Experiment, ExperimentId, UserId};
use mymonit_services::ports::StorageError;
use sqlx::{Connection, MySqlConnection, query, query_as, query_scalar};

use super::survey::Directory;
use super::{DIRECTORY_COPIED, note};
use crate::decode::{self, ExperimentRow, UserRow};
use crate::error::{Fault, PrepareError, cause};
use crate::mysql::errors::prepare_error;

/// The Python system's ids of measure types, and what they are here.
pub(super) type TypeIds = Vec<(i64, u16)>;

/// Copies everything, unless that has been done.
pub(super) async fn copy(connection: &mut MySqlConnection, directory: &Directory) -> Result<(), Fault> {
    let mut transaction = connection.begin().await?;
    let copied: i64 = query_scalar("SELECT COUNT(*) FROM ONE_TIME_STEPS WHERE NAME = ?")
        .bind(DIRECTORY_COPIED)
        .fetch_one(&mut *transaction)
        .await?;
    if copied > 0 {
        return Ok(());
    }
    insert_users(&mut transaction, directory).await?;
    insert_experiments(&mut transaction, directory).await?;
    insert_measure_types(&mut transaction, directory).await?;
    note(&mut transaction, DIRECTORY_COPIED).await?;
    transaction.commit().await?;
    Ok(())
}

async fn insert_users(connection: &mut MySqlConnection, directory: &Directory) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
        VALUES (?, ?, ?, ?, ?, (SELECT ID FROM ROLES WHERE NAME = ?))";
    for user in &directory.users {
        query(INSERT)
            .bind(user.user_id.as_str())
            .bind(user.name.reveal().as_str())
            .bind(user.username.reveal().as_str())
            .bind(user.email.reveal().as_str())
            .bind(user.email.reveal().uniqueness_key())
            .bind(user.role.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert_experiments(connection: &mut MySqlConnection, directory: &Directory) -> Result<(), Fault> {
    for experiment in &directory.experiments {
        query("INSERT INTO EXPERIMENTS (ID, NAME) VALUES (?, ?)")
            .bind(experiment.experiment_id.get())
            .bind(experiment.name.as_str())
            .execute(&mut *connection)
            .await?;
    }
    for (user_id, experiment_id) in &directory.associations {
        query("INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES (?, ?)")
            .bind(user_id.as_str())
            .bind(experiment_id.get())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Adds those that this system does not have. Of those that it has, its own symbol and quantity stay.
async fn insert_measure_types(connection: &mut MySqlConnection, directory: &Directory) -> Result<(), Fault> {
    let mut known: HashSet<_> = known_types(connection).await?.into_keys().collect();
    for (_, measure_type) in &directory.measure_types {
        if known.insert(measure_type.name.as_str().to_owned()) {
            query("INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) VALUES (?, ?, ?)")
                .bind(measure_type.name.as_str())
                .bind(measure_type.symbol.as_str())
                .bind(measure_type.quantity.as_str())
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

async fn known_types(connection: &mut MySqlConnection) -> Result<HashMap<String, u16>, sqlx::Error> {
    let rows: Vec<(u16, String)> =
        query_as("SELECT ID, NAME FROM MEASURE_TYPES").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(id, name)| (name, id)).collect())
}

/// What the Python system's measure types are here, by their names.
pub(super) async fn measure_types(
    connection: &mut MySqlConnection,
    directory: &Directory,
) -> Result<TypeIds, Fault> {
    let known = known_types(connection).await?;
    let id = |(old, measure_type): &(i64, super::survey::OldMeasureType)| {
        let missing = || {
            Fault::Storage(StorageError::Internal(cause(format!(
                "the measure type {} is gone",
                measure_type.name
            ))))
        };
        Ok((*old, known.get(measure_type.name.as_str()).copied().ok_or_else(missing)?))
    };
    directory.measure_types.iter().map(id).collect()
}

/// Reads everything as the stores do, and compares.
///
/// # Errors
/// If anything is not as it was read from the originals.
pub(super) async fn compare(
    connection: &mut MySqlConnection,
    directory: &Directory,
) -> Result<(), PrepareError> {
    const USERS: &str = "SELECT U.ID, U.NAME, U.USERNAME, U.EMAIL, R.NAME \
        FROM USERS U JOIN ROLES R ON R.ID = U.ROLE WHERE U.ERASED_AT IS NULL";
    let read = async {
        let users: Vec<UserRow> = query_as(USERS).fetch_all(&mut *connection).await?;
        let users = users.into_iter().map(decode::user).collect::<Result<Vec<_>, _>>()?;
        let experiments: Vec<ExperimentRow> =
            query_as("SELECT ID, NAME FROM EXPERIMENTS").fetch_all(&mut *connection).await?;
        let experiments = experiments.into_iter().map(decode::experiment).collect::<Result<Vec<_>, _>>()?;
        let associations: Vec<(String, u32)> =
            query_as("SELECT USER_ID, EXPERIMENT_ID FROM USER_EXPERIMENTS")
                .fetch_all(&mut *connection)
                .await?;
        Ok::<_, sqlx::Error>((users, experiments, associations))
    };
    let (mut users, mut experiments, mut associations) = read.await.map_err(prepare_error)?;
    let wanted = |(user_id, experiment_id): &(UserId, ExperimentId)| {
        (user_id.as_str().to_owned(), experiment_id.get())
    };
    let mut wanted_users = directory.users.clone();
    let mut wanted_experiments = directory.experiments.clone();
    let mut wanted: Vec<_> = directory.associations.iter().map(wanted).collect();
    for users in [&mut users, &mut wanted_users] {
        users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
    }
    for experiments in [&mut experiments, &mut wanted_experiments] {
        experiments.sort_by_key(|experiment: &Experiment| experiment.experiment_id);
    }
    associations.sort_unstable();
    wanted.sort_unstable();
    for (table, is_equal) in [
        ("USERS", users == wanted_users),
        ("EXPERIMENTS", experiments == wanted_experiments),
        ("USER_EXPERIMENTS", associations == wanted),
    ] {
        if !is_equal {
            return Err(PrepareError::Incompatible(format!(
                "after it was moved in, {table} differs from PYTHON_{table}; docs/migrating.md says how to go back"
            )));
        }
    }
    Ok(())
}
