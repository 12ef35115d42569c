//! The schema migrations, embedded in the program. `migrations/README.md` says how one is written.

use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Error, SqlSafeStr};
use tracing::info;

use crate::connection::Connection;
use crate::default_measure_types;
use crate::error::{PrepareError, migration_error, prepare_error};

/// The migrations of one engine. Not by `sqlx::migrate!`: that macro would compile both drivers a
/// second time.
macro_rules! embedded {
    ($engine:literal) => {
        $crate::migrations::migrator([
            (1, "users", include_str!(concat!("../../../migrations/", $engine, "/0001_users.sql"))),
            (
                2,
                "experiments",
                include_str!(concat!("../../../migrations/", $engine, "/0002_experiments.sql")),
            ),
            (3, "measures", include_str!(concat!("../../../migrations/", $engine, "/0003_measures.sql"))),
            (4, "messages", include_str!(concat!("../../../migrations/", $engine, "/0004_messages.sql"))),
            (
                5,
                "one time steps",
                include_str!(concat!("../../../migrations/", $engine, "/0005_one_time_steps.sql")),
            ),
            (6, "sensors", include_str!(concat!("../../../migrations/", $engine, "/0006_sensors.sql"))),
            (
                7,
                "experiment details",
                include_str!(concat!("../../../migrations/", $engine, "/0007_experiment_details.sql")),
            ),
            (9, "api tokens", include_str!(concat!("../../../migrations/", $engine, "/0009_api_tokens.sql"))),
            (
                10,
                "publishers",
                include_str!(concat!("../../../migrations/", $engine, "/0010_publishers.sql")),
            ),
            (
                11,
                "measure blocks",
                include_str!(concat!("../../../migrations/", $engine, "/0011_measure_blocks.sql")),
            ),
            (12, "flags", include_str!(concat!("../../../migrations/", $engine, "/0012_flags.sql"))),
        ])
    };
}

/// The migrations in `migrations/mysql`. Without sqlx's lock, which does not work on MariaDB; see
/// [`crate::mysql::MySqlDatabase`].
pub(crate) static MYSQL: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = embedded!("mysql");
    migrator.set_locking(false);
    migrator
});

/// The migrations in `migrations/sqlite`.
pub(crate) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| embedded!("sqlite"));

/// Where sqlx records which migrations were applied.
pub(crate) const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// The version of the schema.
const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";

/// The tables of this system, which a database that was never prepared must not have.
const TABLES: [&str; 21] = [
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
    "SENSORS",
    "SERIES",
    "MEASURE_IDS",
    "API_TOKENS",
    "API_TOKEN_EXPERIMENTS",
    "PUBLISHERS",
    "PUBLISHER_EXPERIMENTS",
    "MEASURE_BLOCKS",
    "MEASURE_BLOCK_SERIES",
    "SEALING_LEASE",
    "FLAGS",
];

/// The first of [`TABLES`], which the Python system has as well.
const PYTHON_TABLES: usize = 6;

/// The mark of an incomplete copy in ONE_TIME_STEPS.
pub(crate) const UNFINISHED: &str = "import_legacy.unfinished";
/// How an operator empties the target.
pub(crate) const HOW_TO_EMPTY: &str = "empty the target database (MySQL: `DROP DATABASE`; SQLite: delete the file, also the ones \
    with `-wal` and `-shm`) and run `mymonit import-legacy` again";

/// The migration that writes all measures anew.
const REWRITES_MEASURES: i64 = 6;
/// Measures that a slow server rewrites in a second.
const REWRITTEN_A_SECOND: i64 = 80_000;

/// Logs that the migrations to come take long, where they do.
pub(crate) async fn announce(connection: &mut Connection<'_>) -> Result<(), Error> {
    // An estimate on MySQL: counting takes long itself.
    let estimate = match connection {
        Connection::MySql(_) => {
            "SELECT CAST(COALESCE(MAX(TABLE_ROWS), 0) AS SIGNED) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'MEASURES'"
        }
        Connection::Sqlite(_) => "SELECT COALESCE(MAX(ID), 0) FROM MEASURES",
    };
    let names = table_names(connection).await?;
    if !names.iter().any(|name| name == MIGRATIONS_TABLE) || !names.iter().any(|name| name == "MEASURES") {
        return Ok(());
    }
    let (applied,): (Option<i64>,) = connection.row(VERSION, []).await?.unwrap_or_default();
    if applied >= Some(REWRITES_MEASURES) {
        return Ok(());
    }
    let measures = connection.number(estimate, []).await?;
    let seconds = measures / REWRITTEN_A_SECOND + 1;
    info!(measures, seconds, "rewriting the table of measures; an interrupted rewrite begins again");
    Ok(())
}

/// Applies the migrations that are missing.
pub(crate) async fn run(mut connection: Connection<'_>) -> Result<(), PrepareError> {
    // `run` would do, but its signature keeps this function from being called in a spawned task.
    let ran = match &mut connection {
        Connection::MySql(connection) => MYSQL.run_direct(None, &mut **connection, false).await,
        Connection::Sqlite(connection) => SQLITE.run_direct(None, &mut **connection, false).await,
    };
    ran.map_err(migration_error)?;
    complete(connection).await
}

/// What follows the migrations. It changes rows, and not the schema.
pub(crate) async fn complete(mut connection: Connection<'_>) -> Result<(), PrepareError> {
    default_measure_types::add(&mut connection).await?;
    let names = table_names(&mut connection).await.map_err(prepare_error)?;
    refuse_unfinished(&mut connection, &names).await
}

/// Whether the migrations of this program have been applied, and no others: then an account needs
/// no right to change the schema.
pub(crate) async fn are_applied(mut connection: Connection<'_>) -> Result<bool, Error> {
    const APPLIED: &str = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
    if !table_names(&mut connection).await?.iter().any(|name| name == MIGRATIONS_TABLE) {
        return Ok(false);
    }
    let applied: Vec<(i64, Vec<u8>, bool)> = connection.rows(APPLIED, []).await?;
    let known = match connection {
        Connection::MySql(_) => &MYSQL,
        Connection::Sqlite(_) => &SQLITE,
    };
    let known = known.iter().map(|migration| (migration.version, migration.checksum.to_vec(), true));
    Ok(applied.into_iter().eq(known))
}

/// Refuses a database with tables that the migrations have not made.
pub(crate) async fn refuse_foreign_tables(mut connection: Connection<'_>) -> Result<(), PrepareError> {
    let mut names = table_names(&mut connection).await.map_err(prepare_error)?;
    if names.iter().any(|name| name == MIGRATIONS_TABLE) {
        return Ok(());
    }
    names.retain(|name| TABLES.contains(&name.to_uppercase().as_str()));
    if names.is_empty() { Ok(()) } else { Err(foreign_tables(&names)) }
}

/// Refuses a database that is not ready for use as it is.
pub(crate) async fn refuse_outdated(mut connection: Connection<'_>) -> Result<(), PrepareError> {
    let names = table_names(&mut connection).await.map_err(prepare_error)?;
    let is_migrated = names.iter().any(|name| name == MIGRATIONS_TABLE);
    if !is_migrated || !is_current(&mut connection).await.map_err(prepare_error)? {
        return Err(PrepareError::not_up_to_date());
    }
    refuse_unfinished(&mut connection, &names).await
}

/// Whether all migrations of this program have been applied, or newer ones.
pub(crate) async fn is_current(connection: &mut Connection<'_>) -> Result<bool, Error> {
    let (applied,): (Option<i64>,) = connection.row(VERSION, []).await?.unwrap_or_default();
    let migrator = match connection {
        Connection::MySql(_) => &MYSQL,
        Connection::Sqlite(_) => &SQLITE,
    };
    Ok(applied >= migrator.iter().map(|migration| migration.version).max())
}

fn foreign_tables(names: &[String]) -> PrepareError {
    let list = names.join(", ");
    let has = |table: &&str| names.iter().any(|name| name.eq_ignore_ascii_case(table));
    let is_python = TABLES[..PYTHON_TABLES].iter().all(has);
    PrepareError::Incompatible(if is_python {
        format!(
            "it holds the tables of the Python system ({list}); run `mymonit import-legacy --from mysql://…` \
             to copy them into an empty database (docs/migrating.md)"
        )
    } else {
        format!("it holds tables of another system: {list}")
    })
}

/// Refuses a database that holds an incomplete copy.
async fn refuse_unfinished(connection: &mut Connection<'_>, names: &[String]) -> Result<(), PrepareError> {
    const STEPS: &str = "SELECT COUNT(*) FROM ONE_TIME_STEPS WHERE NAME = ?";
    if connection.number(STEPS, [UNFINISHED.into()]).await.map_err(prepare_error)? > 0 {
        return Err(PrepareError::Incompatible(format!(
            "it holds an incomplete copy of a Python system's database: {HOW_TO_EMPTY}"
        )));
    }
    // Earlier releases converted the Python system's tables in place and noted the end of it.
    let is_set_aside = names.iter().any(|name| name.eq_ignore_ascii_case("PYTHON_MEASURES"));
    if is_set_aside && connection.number(STEPS, ["moving_in".into()]).await.map_err(prepare_error)? == 0 {
        return Err(PrepareError::Incompatible(
            "an earlier release began to convert its tables of the Python system (PYTHON_…) and did not finish; \
             docs/migrating.md says how to restore them"
                .to_owned(),
        ));
    }
    Ok(())
}

async fn table_names(connection: &mut Connection<'_>) -> Result<Vec<String>, Error> {
    let select = match connection {
        Connection::MySql(_) => {
            "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME"
        }
        Connection::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    };
    let names: Vec<(String,)> = connection.rows(select, []).await?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

fn migrator<const N: usize>(files: [(i64, &'static str, &'static str); N]) -> Migrator {
    let migration = |(version, description, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(files.map(migration).into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_both_engines_is_embedded() {
        for (engine, migrator) in [("mysql", &*MYSQL), ("sqlite", &*SQLITE)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(engine);
            let mut files: Vec<_> = folder
                .read_dir()
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let embedded: Vec<_> = migrator
                .iter()
                .map(|migration| {
                    format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"))
                })
                .collect();
            assert_eq!(files, embedded);
        }
    }
}
