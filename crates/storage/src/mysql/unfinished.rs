//! A migration that a process has begun and not brought to its end.
//!
//! MySQL and MariaDB commit each change of the schema at once, and each as a whole. So a process that ends in the middle of a
//! migration leaves its first statements done and the others not, and in the migrations' own table a row that says so. The statements
//! are gone through again then: what is there already is passed over, the rest is made. `migrations/README.md` says what
//! follows from that for their text, and the tests hold every migration to it.
//!
//! The statement that was under way goes on in the server although its client is gone, and so does the lock under which the schema is
//! changed: whoever comes here has waited for its end.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, query, query_as, query_scalar};
use tracing::info;

use super::errors::prepare_error;
use crate::error::{MIGRATIONS_TABLE, PrepareError, migration_error};

/// What the server says of a table, a column or a key that is to be made and is there already.
const THERE_ALREADY: [u16; 3] = [1050, 1060, 1061];
/// What it says of a column or a key that is to be dropped and is not there.
const GONE_ALREADY: u16 = 1091;
/// What it says of a row whose key is there already.
const DUPLICATE_ENTRY: u16 = 1062;

/// Brings a migration to its end that somebody has begun, if there is one that this program knows.
pub(super) async fn finish(
    connection: &mut MySqlConnection,
    migrations: &Migrator,
) -> Result<(), PrepareError> {
    let Some((version, checksum)) = begun(connection).await.map_err(prepare_error)? else { return Ok(()) };
    let refused = |error| migration_error(error, prepare_error);
    let known = migrations.iter().find(|migration| migration.version == version);
    let migration = known.ok_or_else(|| refused(MigrateError::Dirty(version)))?;
    if *migration.checksum != *checksum {
        return Err(refused(MigrateError::VersionMismatch(version)));
    }
    info!(version, "another process has begun this migration and ended on the way; bringing it to its end");
    for statement in statements(migration.sql.as_str()) {
        match connection.execute(AssertSqlSafe(statement.clone())).await {
            Err(error) if !is_done_already(&error, &statement) => {
                return Err(refused(MigrateError::ExecuteMigration(error, version)));
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

/// The statements of a migration, in which no text and no comment holds a semicolon that is followed by the end of a line.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    text.split(";\n").map(|statement| statement.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn is_done_already(error: &sqlx::Error, statement: &str) -> bool {
    let said = error.as_database_error().and_then(|said| said.try_downcast_ref::<MySqlDatabaseError>());
    said.is_some_and(|said| match said.number() {
        // Of any other statement it says that the data do not fit a new key.
        DUPLICATE_ENTRY => statement.starts_with("INSERT"),
        number => number == GONE_ALREADY || THERE_ALREADY.contains(&number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_every_migration_is_of_a_kind_that_can_be_gone_through_again() {
        for migration in sqlx::migrate!("../../migrations/mysql").iter() {
            let text = migration.sql.as_str();
            let statements = statements(text);
            assert_eq!(statements.len(), text.lines().filter(|line| line.ends_with(';')).count());
            for statement in statements {
                // Those that the servers do as a whole or not at all, and refuse the second time.
                let kind = ["CREATE TABLE ", "INSERT INTO ", "CREATE INDEX ", "ALTER TABLE "];
                assert!(kind.iter().any(|kind| statement.starts_with(kind)), "{statement}");
            }
        }
    }
}
