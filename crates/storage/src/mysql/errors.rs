//! Maps errors of MySQL and MariaDB to those of the services. The only place with their
//! numbers.

use mymonit_services::ports::{Conflict, StorageError};
use sqlx::Error;
use sqlx::mysql::MySqlDatabaseError;

use crate::error::{Fault, cause};

const UNKNOWN_DATABASE: u16 = 1049;
/// `GET_LOCK` is forbidden, as in Percona XtraDB Cluster.
pub(super) const FORBIDDEN: u16 = 1105;
const DUPLICATE_ENTRY: u16 = 1062;
const UNKNOWN_SESSION: u16 = 1094;
/// The account may not do this to a table, or to the database.
const DENIED: [u16; 2] = [1142, 1044];
pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;

/// Errors that may be gone at the next attempt, numbered as in
/// <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html> and
/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
const TRANSIENT: &[&[u16]] = &[
    // Disk or table full, or the disk fails.
    &[3, 1021, 1026, 1030, 1114, 1878, 3675],
    // Out of memory or threads.
    &[1037, 1038, 1041, 1135],
    // Too many connections, locks, queries of this user, prepared statements or transactions.
    &[1040, 1203, 1206, 1226, 1461, 1637],
    // Cannot connect, bad handshake, host blocked or not allowed.
    &[1042, 1043, 1129, 1130],
    // Access denied, password expired, account locked: an operator can repair that.
    &[1044, 1045, 1142, 1227, 1524, 1698, 1820, 1862, 3118, 3159, 3955],
    // A Galera node that is not ready.
    &[1047],
    // Database or table missing: a restore is running, since `prepare` has seen them.
    &[UNKNOWN_DATABASE, 1146],
    // Shutdown, connection ended.
    &[1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3168, 3169, 4031],
    // Failed commit, global read lock, definition changed, statement to be prepared again.
    &[1180, 1223, 1412, 1615],
    &[LOCK_WAIT_TIMEOUT, DEADLOCK],
    // Read-only, offline, refused by replication.
    &[1290, 1792, 1836, 1874, 3032, 3100, 3101],
    // Query interrupted or out of time.
    &[1317, 1969, 3024],
];

/// The server does not accept writes, as after a switchover to another one.
const READ_ONLY: &[u16] = &[1290, 1792, 1836];

/// Errors that this very data will always cause, besides those whose SQLSTATE begins with 22.
const REFUSED: &[u16] = &[
    1048, 1364, 1366, // a missing or incorrect value
    1118, 1153, 1162, // a row, packet or string too large
    3819, 4025, // a check constraint
];

/// The conflict of each unique key. Primary keys all have one name; see [`primary_key_is`].
const CONFLICTS: [(&str, Conflict); 4] = [
    ("UK_USERS_USERNAME", Conflict::Username),
    ("UK_USERS_EMAIL_KEY", Conflict::Email),
    ("UK_EXPERIMENTS_NAME", Conflict::ExperimentName),
    ("UK_MEASURE_TYPES_NAME", Conflict::MeasureTypeName),
];

/// What an error means to the services.
pub(crate) fn storage_error(error: &MySqlDatabaseError) -> StorageError {
    if let Some(key) = duplicate_key(error) {
        let conflict = CONFLICTS.iter().find(|(name, _)| *name == key).map(|(_, conflict)| *conflict);
        return conflict.map_or_else(
            || StorageError::Internal(cause(format!("1062: duplicate entry for key {key}"))),
            StorageError::Conflict,
        );
    }
    let message = cause(without_data(error));
    let number = error.number();
    let state = error.code().unwrap_or_default();
    if REFUSED.contains(&number) || state.starts_with("22") {
        StorageError::Data(message)
    } else if TRANSIENT.iter().any(|numbers| numbers.contains(&number)) || state.starts_with("08") {
        StorageError::Unavailable(message)
    } else {
        StorageError::Internal(message)
    }
}

/// For statements whose table has one primary key that a client's input can violate.
pub(crate) fn primary_key_is(conflict: Conflict) -> impl FnOnce(Error) -> Fault {
    move |error| match database_error(&error).and_then(duplicate_key) {
        Some("PRIMARY") => Fault::Storage(StorageError::Conflict(conflict)),
        _ => Fault::Sql(error),
    }
}

/// Whether a row violates a unique key.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    number(error) == Some(DUPLICATE_ENTRY)
}

/// Whether the session is unknown to the server or has ended.
pub(super) fn is_unknown_session(error: &Error) -> bool {
    number(error) == Some(UNKNOWN_SESSION)
}

/// Whether the account lacks a right.
pub(crate) fn is_denied(error: &sqlx::Error) -> bool {
    number(error).is_some_and(|number| DENIED.contains(&number))
}

/// Whether the server rolled this transaction back to end a deadlock.
pub(crate) fn is_deadlock(error: &Error) -> bool {
    number(error) == Some(DEADLOCK)
}

/// Whether the server does not accept writes.
pub(super) fn is_read_only(error: &Error) -> bool {
    number(error).is_some_and(|number| READ_ONLY.contains(&number))
}

/// Whether the server has no database of that name.
pub(super) fn is_unknown_database(error: &Error) -> bool {
    number(error) == Some(UNKNOWN_DATABASE)
}

/// The server's number of the error.
pub(super) fn number(error: &Error) -> Option<u16> {
    database_error(error).map(MySqlDatabaseError::number)
}

fn database_error(error: &Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref())
}

/// The name of the unique key that a row violates. MySQL puts the table before it, MariaDB does
/// not.
fn duplicate_key(error: &MySqlDatabaseError) -> Option<&str> {
    if error.number() != DUPLICATE_ENTRY {
        return None;
    }
    // The message repeats the row's value first, so that the key is what comes last.
    let key = error.message().rsplit("for key ").next()?.trim_matches('\'');
    Some(key.rsplit('.').next().unwrap_or(key))
}

/// The server's message, without the values of rows that some messages repeat.
fn without_data(error: &MySqlDatabaseError) -> String {
    let message = match error.number() {
        // "Incorrect string value: '…' for column …"
        1292 | 1366 | 1367 | 1411 => match error.message().rsplit_once(" for column ") {
            Some((_, column)) => format!("incorrect value for column {column}"),
            None => "incorrect value".to_owned(),
        },
        // These repeat the connection string.
        1044 | 1045 | 1049 | 1698 => "the server refuses the user, the password or the database".to_owned(),
        _ => error.message().to_owned(),
    };
    format!("{} ({}): {message}", error.number(), error.code().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use mymonit_test_support::MySqlServer;
    use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

    use super::*;
    use crate::error::storage_error;

    async fn connection() -> MySqlConnection {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        MySqlConnection::connect(&url).await.unwrap()
    }

    /// What the server's answer to a statement that fails means.
    async fn meaning(connection: &mut MySqlConnection, statement: &str) -> StorageError {
        let failed = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await;
        storage_error(failed.expect_err(statement))
    }

    fn kind(error: &StorageError) -> &'static str {
        match error {
            StorageError::Conflict(_) => "conflict",
            StorageError::Unavailable(_) => "unavailable",
            StorageError::Data(_) => "data",
            StorageError::RejectedFull => "full",
            StorageError::Internal(_) | StorageError::TooManySensors(_) => "internal",
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_error_of_the_server_means_what_the_caller_should_do() {
        let mut connection = connection().await;
        for (state, number, expected) in [
            ("HY000", 1021, "unavailable"), // disk full
            ("HY000", 1114, "unavailable"), // table full
            ("08004", 1040, "unavailable"), // too many connections
            ("42000", 1203, "unavailable"), // too many connections of this user
            ("42000", 1044, "unavailable"), // access to the database denied
            ("28000", 1045, "unavailable"), // password refused
            ("42000", 1142, "unavailable"), // privilege missing
            ("42000", 1049, "unavailable"), // no such database
            ("42S02", 1146, "unavailable"), // no such table
            ("08S01", 1053, "unavailable"), // shutdown
            ("HY000", 1205, "unavailable"), // lock wait timeout
            ("40001", 1213, "unavailable"), // deadlock
            ("HY000", 1290, "unavailable"), // read-only
            ("25006", 1792, "unavailable"), // read-only transaction
            ("HY000", 1836, "unavailable"), // read-only mode
            ("HY000", 1114, "unavailable"), // disk full, MariaDB
            ("HY000", 3675, "unavailable"), // disk full, MySQL
            ("HY000", 3159, "unavailable"), // TLS wanted
            ("70100", 1317, "unavailable"), // interrupted
            ("70100", 1927, "unavailable"), // connection killed
            ("22001", 1406, "data"),        // too long
            ("22003", 1264, "data"),        // out of range
            ("22007", 1366, "data"),        // incorrect value
            ("HY000", 1366, "data"),        // the same from MySQL
            ("08S01", 1153, "data"),        // packet too large
            ("23000", 1048, "data"),        // must not be null
            ("23000", 4025, "data"),        // check constraint, MariaDB
            ("HY000", 3819, "data"),        // check constraint, MySQL
            ("42000", 1064, "internal"),    // syntax
            ("42S22", 1054, "internal"),    // no such column
            ("23000", 1452, "internal"),    // foreign key
            ("HY000", 1105, "internal"),    // unknown
        ] {
            let statement =
                format!("SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'said'");
            let error = meaning(&mut connection, &statement).await;
            assert_eq!(kind(&error), expected, "{number}: {error:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keys_are_distinguished_by_the_names_of_either_server() {
        let mut connection = connection().await;
        for (message, expected) in [
            ("Duplicate entry ''x'' for key ''UK_USERS_USERNAME''", Some(Conflict::Username)),
            ("Duplicate entry ''x'' for key ''USERS.UK_USERS_USERNAME''", Some(Conflict::Username)),
            ("Duplicate entry ''x'' for key ''USERS.UK_USERS_EMAIL_KEY''", Some(Conflict::Email)),
            (
                "Duplicate entry ''for key ''UK_USERS_USERNAME'' for key ''UK_EXPERIMENTS_NAME''",
                Some(Conflict::ExperimentName),
            ),
            ("Duplicate entry ''x'' for key ''PRIMARY''", None),
            ("anything", None),
        ] {
            let statement =
                format!("SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = '{message}'");
            let conflict = match meaning(&mut connection, &statement).await {
                StorageError::Conflict(conflict) => Some(conflict),
                StorageError::Internal(_) => None,
                other => panic!("{message}: {other:?}"),
            };
            assert_eq!(conflict, expected, "{message}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_value_of_a_row_gets_into_the_log() {
        let mut connection = connection().await;
        let table = "CREATE TABLE T (A VARCHAR(20) CHARACTER SET ascii, D DATE, N INT, UNIQUE KEY UK_T (A)); \
            INSERT INTO T (A) VALUES ('canary')";
        sqlx::raw_sql(table).execute(&mut connection).await.unwrap();
        sqlx::raw_sql(crate::mysql::connections::SESSION).execute(&mut connection).await.unwrap();
        for statement in [
            "INSERT INTO T (A) VALUES ('canary')",
            "INSERT INTO T (A) VALUES (_utf8mb4'canary\u{1f600}')",
            "INSERT INTO T (N) VALUES ('canary')",
            "INSERT INTO T (D) VALUES ('canary')",
            "INSERT INTO T (A) VALUES ('canarycanarycanarycanary')",
            "UPDATE T SET N = 1 WHERE A = 'canary' AND N = CAST('canary' AS SIGNED)",
            "SELECT CAST('canary' AS DOUBLE) FROM T WHERE N = CONCAT(A, '')",
        ] {
            let failed = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
            let Err(error) = failed else { continue };
            let meaning = storage_error(error);
            let said = match &meaning {
                StorageError::Unavailable(cause)
                | StorageError::Data(cause)
                | StorageError::Internal(cause) => {
                    format!("{meaning} {cause} {cause:?}")
                }
                StorageError::Conflict(_) | StorageError::RejectedFull | StorageError::TooManySensors(_) => {
                    meaning.to_string()
                }
            };
            assert!(!said.contains("canary"), "{statement}: {said}");
        }
    }
}
