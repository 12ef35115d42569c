//! Maps errors of SQLite to those of the services. The only place with SQLite's codes.

use mymonit_services::ports::{Conflict, StorageError};
use sqlx::error::{DatabaseError, Error};

use crate::error::cause;

// Result codes, https://www.sqlite.org/rescode.html; the extended ones distinguish constraints.
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

/// The conflict of each unique key, by the columns that SQLite names.
const CONFLICTS: [(&str, Conflict); 6] = [
    ("USERS.ID", Conflict::UserId),
    ("USERS.USERNAME", Conflict::Username),
    ("USERS.EMAIL_KEY", Conflict::Email),
    ("EXPERIMENTS.NAME", Conflict::ExperimentName),
    ("MEASURE_TYPES.NAME", Conflict::MeasureTypeName),
    ("USER_EXPERIMENTS.USER_ID, USER_EXPERIMENTS.EXPERIMENT_ID", Conflict::Association),
];

/// What an error means to the services. SQLite's messages name tables and columns, never values.
pub(crate) fn storage_error(error: &dyn DatabaseError) -> StorageError {
    let code = code_of(error);
    if let Some(conflict) = conflict(code, error.message()) {
        return StorageError::Conflict(conflict);
    }
    let message = cause(error.to_string());
    match (code, code & 0xff) {
        (CONSTRAINT_CHECK | CONSTRAINT_NOT_NULL | CONSTRAINT_TYPE, _) | (_, TOO_BIG | MISMATCH) => {
            StorageError::Data(message)
        }
        (
            _,
            BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPTED | IO_ERROR | FULL | CANNOT_OPEN | PROTOCOL,
        ) => StorageError::Unavailable(message),
        // The file is being restored or was removed; the health check reports it, too.
        (_, ERROR) if error.message().starts_with("no such table") => StorageError::Unavailable(message),
        _ => StorageError::Internal(message),
    }
}

/// Whether another connection holds a lock that this one needs.
pub(super) fn is_busy(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| matches!(code_of(error) & 0xff, BUSY | LOCKED))
}

fn code_of(error: &dyn DatabaseError) -> u32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or_default()
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
    use crate::error::storage_error;

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
