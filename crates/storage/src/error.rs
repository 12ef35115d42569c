use std::sync::Arc;

use mymonit_services::ports::{Cause, StorageError};
use sqlx::migrate::MigrateError;
use thiserror::Error;

/// Why the schema could not be brought up to date.
#[derive(Debug, Clone, Error)]
pub enum PrepareError {
    /// The database cannot be reached or used for now; try again.
    #[error("the database is unavailable for now")]
    Unavailable(#[source] Cause),
    /// The database is not one that this program can bring up to date: its schema is newer than the
    /// program, or it was changed by somebody else. Trying again does not help.
    #[error("the database does not fit this program: {0}")]
    Incompatible(String),
}

/// The tables of this system, which a database that was never prepared must not have.
pub(crate) const TABLES: [&str; 10] = [
    "ROLES",
    "USERS",
    "EXPERIMENTS",
    "USER_EXPERIMENTS",
    "MEASURE_TYPES",
    "MEASURES",
    "MESSAGE_IDS",
    "REJECTED_MESSAGES",
    "REJECTED_MESSAGE_BODIES",
    "ONE_TIME_STEPS",
];

/// What a failed migration means, where `explain` says what the database's own errors mean.
pub(crate) fn migration_error(error: MigrateError, explain: fn(sqlx::Error) -> PrepareError) -> PrepareError {
    PrepareError::Incompatible(match error {
        MigrateError::Execute(error) => return explain(error),
        MigrateError::ExecuteMigration(error, version) => match explain(error) {
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
                "its schema is newer and half made: migration {version}, which this program does not know, was begun and not \
                 finished; `mymonit migrate` of the newer program brings it to its end"
            )
        }
        other => other.to_string(),
    })
}

/// Where sqlx remembers which migrations were applied.
pub(crate) const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

impl PrepareError {
    /// The schema is not the one of this program, and nobody has asked to change it.
    pub(crate) fn not_up_to_date() -> Self {
        Self::Incompatible("its schema is not up to date; run `mymonit migrate` first".to_owned())
    }

    /// The database has tables of these names that the migrations have not made, and that are not those of the Python
    /// system either. Nothing of it may be touched, not even by a migration that fails at its first table.
    pub(crate) fn foreign_tables(names: &[String]) -> Self {
        let names = names.join(", ");
        Self::Incompatible(format!("it holds tables of another system: {names}"))
    }
}

impl From<PrepareError> for StorageError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Unavailable(cause) => Self::Unavailable(cause),
            incompatible => Self::Internal(Arc::new(incompatible)),
        }
    }
}

/// Why a database address cannot be used. Never repeats the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidAddress(pub(crate) String);

impl InvalidAddress {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What went wrong, in words for the log. It never holds data of a row, which may be personal.
#[derive(Debug, Error)]
#[error("{0}")]
struct Failure(String);

/// A cause that is said in words.
pub(crate) fn cause(message: impl Into<String>) -> Cause {
    Arc::new(Failure(message.into()))
}

/// The answer of every store before `prepare` has succeeded.
pub(crate) fn not_prepared() -> StorageError {
    StorageError::Unavailable(cause("the database schema has not been brought up to date yet"))
}

/// Why work on a connection failed. What the database said is explained by the dialect's own function.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database or its driver said so.
    Sql(sqlx::Error),
    /// The work itself found that it cannot go on.
    Storage(StorageError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Fault {
    /// The fault in the services' terms.
    pub(crate) fn explained(self, explain: fn(sqlx::Error) -> StorageError) -> StorageError {
        match self {
            Self::Sql(error) => explain(error),
            Self::Storage(error) => error,
        }
    }
}
