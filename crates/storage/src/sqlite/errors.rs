//! What an error of SQLite means to the services. The one place that knows SQLite's codes.

use std::sync::Arc;

use mymonit_services::ports::{Conflict, StorageError};
use sqlx::error::{DatabaseError, Error};

use crate::error::{PrepareError, cause};

// Result codes, https://www.sqlite.org/rescode.html; the extended ones tell constraints apart.
const ERROR: u32 = 1;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NO_MEMORY: u32 = 7;
const READ_ONLY: u32 = 8;
const INTERRUPTED: u32 = 9;
const IO_ERROR: u32 = 10;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;
const PROTOCOL: u32 = 15;
const TOO_BIG: u32 = 18;
const MISMATCH: u32 = 20;
const CONSTRAINT_CHECK: u32 = 275;
const CONSTRAINT_NOT_NULL: u32 = 1299;
const CONSTRAINT_PRIMARY_KEY: u32 = 1555;
const CONSTRAINT_UNIQUE: u32 = 2067;
const CONSTRAINT_TYPE: u32 = 3091;

/// Which uniqueness stands for which conflict, as SQLite names it.
const CONFLICTS: [(&str, Conflict); 5] = [
    ("USERS.ID", Conflict::UserId),
    ("USERS.USERNAME", Conflict::Username),
    ("USERS.EMAIL_KEY", Conflict::Email),
    ("EXPERIMENTS.NAME", Conflict::ExperimentName),
    ("USER_EXPERIMENTS.USER_ID, USER_EXPERIMENTS.EXPERIMENT_ID", Conflict::Association),
];

/// Says in the services' terms what went wrong. SQLite's messages name tables and columns, never values.
pub(super) fn storage_error(error: Error) -> StorageError {
    let Error::Database(said) = &error else {
        return driver_error(error);
    };
    let code = code_of(&**said);
    if let Some(conflict) = conflict(code, said.message()) {
        return StorageError::Conflict(conflict);
    }
    let message = cause(said.to_string());
    match (code, code & 0xff) {
        (CONSTRAINT_CHECK | CONSTRAINT_NOT_NULL | CONSTRAINT_TYPE, _) | (_, TOO_BIG | MISMATCH) => {
            StorageError::Data(message)
        }
        (
            _,
            BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPTED | IO_ERROR | FULL | CANNOT_OPEN | PROTOCOL,
        ) => StorageError::Unavailable(message),
        // A file that is being restored or was removed: the health check says so, too.
        (_, ERROR) if said.message().starts_with("no such table") => StorageError::Unavailable(message),
        _ => StorageError::Internal(message),
    }
}

/// Says whether a failed preparation is worth another try.
pub(super) fn prepare_error(error: Error) -> PrepareError {
    match storage_error(error) {
        StorageError::Unavailable(cause) => PrepareError::Unavailable(cause),
        StorageError::Conflict(conflict) => PrepareError::Incompatible(conflict.message().to_owned()),
        StorageError::Data(cause) | StorageError::Internal(cause) => {
            PrepareError::Incompatible(cause.to_string())
        }
    }
}

/// Whether another connection holds a lock that this one needs.
pub(super) fn is_busy(error: &Error) -> bool {
    error.as_database_error().is_some_and(|said| matches!(code_of(said) & 0xff, BUSY | LOCKED))
}

fn driver_error(error: Error) -> StorageError {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
            StorageError::Unavailable(Arc::new(error))
        }
        _ => StorageError::Internal(Arc::new(error)),
    }
}

fn code_of(said: &dyn DatabaseError) -> u32 {
    said.code().and_then(|code| code.parse().ok()).unwrap_or_default()
}

fn conflict(code: u32, message: &str) -> Option<Conflict> {
    if !matches!(code, CONSTRAINT_PRIMARY_KEY | CONSTRAINT_UNIQUE) {
        return None;
    }
    let columns = message.strip_prefix("UNIQUE constraint failed: ")?;
    CONFLICTS.iter().find(|(names, _)| *names == columns).map(|(_, conflict)| *conflict)
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

    use super::*;

    const TABLE: &str = "CREATE TABLE T (A TEXT NOT NULL CHECK (A <> 'x'), N INTEGER UNIQUE) STRICT";

    async fn meaning(connection: &mut SqliteConnection, statement: &str) -> StorageError {
        let failed = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await;
        storage_error(failed.expect_err(statement))
    }

    #[tokio::test]
    async fn data_that_breaks_a_rule_of_the_schema_are_refused_for_good() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(TABLE).execute(&mut connection).await.unwrap();
        for statement in [
            "INSERT INTO T (A) VALUES ('x')",
            "INSERT INTO T (A) VALUES (NULL)",
            "INSERT INTO T (A, N) VALUES ('y', 'z')",
        ] {
            let error = meaning(&mut connection, statement).await;
            assert!(matches!(error, StorageError::Data(_)), "{statement}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_full_a_read_only_and_a_missing_database_are_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mymonit.db");
        let options = SqliteConnectOptions::new().filename(&file);
        let missing = storage_error(options.clone().connect().await.unwrap_err());
        assert!(matches!(missing, StorageError::Unavailable(_)), "{missing:?}");

        let mut connection = options.clone().create_if_missing(true).connect().await.unwrap();
        sqlx::raw_sql(TABLE).execute(&mut connection).await.unwrap();
        sqlx::raw_sql("PRAGMA max_page_count = 5").execute(&mut connection).await.unwrap();
        let full = meaning(&mut connection, "INSERT INTO T (A) VALUES (hex(randomblob(100000)))").await;
        assert!(matches!(full, StorageError::Unavailable(_)), "{full:?}");
        let no_table = meaning(&mut connection, "SELECT * FROM NOWHERE").await;
        assert!(matches!(no_table, StorageError::Unavailable(_)), "{no_table:?}");

        let mut reader = options.read_only(true).connect().await.unwrap();
        let read_only = meaning(&mut reader, "INSERT INTO T (A) VALUES ('y')").await;
        assert!(matches!(read_only, StorageError::Unavailable(_)), "{read_only:?}");
    }

    #[tokio::test]
    async fn a_defect_is_internal() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(TABLE).execute(&mut connection).await.unwrap();
        sqlx::raw_sql("INSERT INTO T (A, N) VALUES ('y', 1)").execute(&mut connection).await.unwrap();
        for statement in ["SELEKT", "SELECT NOTHING FROM T", "INSERT INTO T (A, N) VALUES ('y', 1)"] {
            let error = meaning(&mut connection, statement).await;
            assert!(matches!(error, StorageError::Internal(_)), "{statement}: {error:?}");
        }
    }
}
