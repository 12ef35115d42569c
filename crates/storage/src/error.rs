use std::sync::Arc;

use mymonit_services::ports::{Cause, StorageError};
use sqlx::migrate::MigrateError;
use thiserror::Error;

pub(crate) use crate::fault::{Fault, InvalidAddress, cause};
// They are never true of SQLite's errors: it has one writer at a time, and names the columns of a
// key.
pub(crate) use crate::mysql::errors::{is_deadlock, is_duplicate, primary_key_is};
use crate::mysql::tls;
use crate::{mysql::errors as mysql, sqlite::errors as sqlite};

/// Why the schema could not be brought up to date.
#[derive(Debug, Clone, Error)]
pub enum PrepareError {
    /// The database cannot be reached or used now; try again.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
    /// This program cannot bring the database up to date: its schema is newer, or another system's.
    /// Another attempt does not help.
    #[error("the database does not fit this program: {0}")]
    Incompatible(String),
}

/// Maps an error of the database for the services.
pub(crate) fn storage_error(error: sqlx::Error) -> StorageError {
    let Some(database_error) = error.as_database_error() else {
        if let Some(explanation) = tls::explanation(&error) {
            return StorageError::Unavailable(cause(explanation));
        }
        return match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => StorageError::Unavailable(Arc::new(error)),
            _ => StorageError::Internal(Arc::new(error)),
        };
    };
    match database_error.try_downcast_ref() {
        Some(mysql) => mysql::storage_error(mysql),
        None => sqlite::storage_error(database_error),
    }
}

/// Whether a failed preparation is worth another try.
pub(crate) fn prepare_error(error: sqlx::Error) -> PrepareError {
    storage_error(error).into()
}

impl From<StorageError> for PrepareError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(cause) => Self::Unavailable(cause),
            StorageError::RejectedFull => Self::Unavailable(Arc::new(error)),
            StorageError::Conflict(conflict) => Self::Incompatible(conflict.message().to_owned()),
            error @ StorageError::TooManySensors(_) => Self::Incompatible(error.to_string()),
            StorageError::Data(cause) | StorageError::Internal(cause) => {
                Self::Incompatible(cause.to_string())
            }
        }
    }
}

/// Maps a failed change of the schema. Another account may change it at any time.
pub(crate) fn change_error(error: sqlx::Error) -> PrepareError {
    if !mysql::is_denied(&error) {
        return prepare_error(error);
    }
    PrepareError::Unavailable(cause(format!(
        "the schema is not up to date, and this account may not change it; run `mymonit migrate` with one that may \
         ({error})"
    )))
}

/// Maps a failed migration.
pub(crate) fn migration_error(error: MigrateError) -> PrepareError {
    PrepareError::Incompatible(match error {
        MigrateError::Execute(error) => return change_error(error),
        MigrateError::ExecuteMigration(error, version) => match change_error(error) {
            PrepareError::Incompatible(message) => format!("migration {version} failed: {message}"),
            unavailable => return unavailable,
        },
        MigrateError::VersionMissing(version) => {
            format!("its schema is newer; this program does not know migration {version}")
        }
        MigrateError::VersionMismatch(version) => {
            format!("migration {version} was applied with another text than this program has")
        }
        MigrateError::Dirty(version) => {
            format!(
                "its schema is newer: migration {version}, which this program does not know, was begun and not finished; \
                 run `mymonit migrate` of the newer program"
            )
        }
        other => other.to_string(),
    })
}

impl PrepareError {
    /// The schema is not the one of this program, and the command must not change it.
    pub(crate) fn not_up_to_date() -> Self {
        Self::Incompatible("its schema is not up to date; run `mymonit migrate` first".to_owned())
    }
}

/// The answer of every store before `prepare` has succeeded.
pub(crate) fn not_prepared() -> StorageError {
    StorageError::Unavailable(cause("the database schema has not been brought up to date yet"))
}

impl From<Fault> for StorageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sql(error) => storage_error(error),
            Fault::Storage(error) => error,
        }
    }
}
