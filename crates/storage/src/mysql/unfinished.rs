//! Finishes a migration that a process has begun and not finished.
//!
//! MySQL and MariaDB commit each change of the schema at once, and each as a whole. A process that
//! ends in the middle of a migration leaves its first statements done and the others not, and an
//! unsuccessful row in the migrations' table. Its statements are then executed again: what is there
//! already is skipped. `migrations/README.md` says what follows from that for their text.
//!
//! The server continues a statement whose client has disconnected, and keeps the migration lock
//! until it ends.

use sqlx::migrate::MigrateError;
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, query, query_as, query_scalar};
use tracing::info;

use super::errors;
use crate::error::{PrepareError, migration_error, prepare_error};
use crate::migrations::{MIGRATIONS_TABLE, MYSQL};

/// A table, a column or a key that is to be created exists.
const ALREADY_EXISTS: [u16; 3] = [1050, 1060, 1061];
/// A column or a key that is to be dropped does not exist.
const ALREADY_DROPPED: u16 = 1091;
/// The key of a row exists.
const DUPLICATE_ENTRY: u16 = 1062;

/// Finishes a migration that was begun.
pub(super) async fn finish(connection: &mut MySqlConnection) -> Result<(), PrepareError> {
    let Some((version, checksum)) = begun(connection).await.map_err(prepare_error)? else { return Ok(()) };
    let known = MYSQL.iter().find(|migration| migration.version == version);
    let migration = known.ok_or_else(|| migration_error(MigrateError::Dirty(version)))?;
    if *migration.checksum != *checksum {
        return Err(migration_error(MigrateError::VersionMismatch(version)));
    }
    info!(version, "finishing a migration that another process has begun");
    for statement in statements(migration.sql.as_str()) {
        match connection.execute(AssertSqlSafe(statement.clone())).await {
            Err(error) if !is_done_already(&error, &statement) => {
                return Err(migration_error(MigrateError::ExecuteMigration(error, version)));
            }
            _ => {}
        }
    }
    let done = format!("UPDATE {MIGRATIONS_TABLE} SET success = TRUE WHERE version = ?");
    query(AssertSqlSafe(done)).bind(version).execute(connection).await.map_err(prepare_error)?;
    Ok(())
}

/// The version and the checksum of the migration that was begun.
async fn begun(connection: &mut MySqlConnection) -> Result<Option<(i64, Vec<u8>)>, sqlx::Error> {
    const HAS_TABLE: &str = "SELECT COUNT(*) FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    let has_table: i64 = query_scalar(HAS_TABLE).bind(MIGRATIONS_TABLE).fetch_one(&mut *connection).await?;
    if has_table == 0 {
        return Ok(None);
    }
    let begun =
        format!("SELECT version, checksum FROM {MIGRATIONS_TABLE} WHERE NOT success ORDER BY version");
    query_as(AssertSqlSafe(begun)).fetch_optional(connection).await
}

/// The statements of a migration, in which no text and no comment holds a semicolon that is
/// followed by the end of a line.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    text.split(";\n").map(|statement| statement.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn is_done_already(error: &sqlx::Error, statement: &str) -> bool {
    errors::number(error).is_some_and(|number| match number {
        // For any other statement it means that the data violate a new key.
        DUPLICATE_ENTRY => statement.starts_with("INSERT"),
        number => number == ALREADY_DROPPED || ALREADY_EXISTS.contains(&number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_every_migration_can_be_repeated() {
        for migration in MYSQL.iter() {
            let text = migration.sql.as_str();
            let statements = statements(text);
            assert_eq!(statements.len(), text.lines().filter(|line| line.ends_with(';')).count());
            for statement in &statements {
                // The servers do these as a whole or not at all, and refuse them the second time.
                let kind = ["CREATE TABLE ", "INSERT INTO ", "CREATE INDEX ", "ALTER TABLE "];
                assert!(kind.iter().any(|kind| statement.starts_with(kind)), "{statement}");
                // A table that the same migration makes is empty unless the statement was done;
                // then its rows, with the same keys, refuse it the second time.
                if statement.starts_with("INSERT INTO ") && statement.contains("SELECT ") {
                    let table = statement.split_whitespace().nth(2).unwrap();
                    let create = format!("CREATE TABLE {table} (");
                    let created = statements.iter().find(|made| made.starts_with(&create)).unwrap();
                    assert!(created.contains("PRIMARY KEY"), "{statement}");
                    let is_first =
                        statements.iter().filter(|other| other.starts_with(&format!("INSERT INTO {table}")));
                    assert_eq!(is_first.count(), 1, "{statement}");
                }
            }
        }
    }
}
