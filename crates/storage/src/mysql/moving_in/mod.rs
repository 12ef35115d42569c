//! Moving in: a database that the Python system made becomes one of this system, in place.
//!
//! 1. **Look.** Every row is checked against the rules of this system. If anything is wrong, all of it is said
//!    and nothing has been changed.
//! 2. **Set aside.** The six tables are renamed to `PYTHON_…` in one statement, which the server does as a whole or
//!    not at all. From then on nobody writes to them: a Python system that still runs finds no tables. They are
//!    looked at once more, since rows may have come during the first look; if something is wrong now they are
//!    renamed back.
//! 3. **Make** the tables of this system, by the same migrations as anywhere.
//! 4. **Copy**, users and experiments in one transaction, measures in portions, each a statement of its own, in the
//!    order of their ids.
//! 5. **Compare** everything with the originals, and note that it is done.
//!
//! A process may be killed at any point and another one goes on: MySQL and MariaDB commit each change of the schema at
//! once, so each step leaves a state that tells how far it went. Before the users are copied the new tables hold nothing
//! and are made afresh; after that the greatest id among the new measures says where to go on. The originals are only
//! ever read, and stay until an operator drops them.

mod directory;
mod measures;
mod originals;
mod shape;
mod survey;

use mymonit_model::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, MySqlConnection, query, query_scalar};
use tracing::{info, warn};

use super::errors::prepare_error;
use crate::error::{Fault, MIGRATIONS_TABLE, PrepareError, TABLES};
use originals::{Found, Originals};
use survey::Survey;

/// The step, among those that are done once in the life of a database, that all has been moved in and compared.
const DONE: &str = "moving_in";
/// The step that all but the measures has been copied.
const DIRECTORY_COPIED: &str = "moving_in.directory";

/// Tables of this system that nobody can have written to while moving in, whatever else went wrong.
const EMPTY_BEFORE_COPYING: [&str; 5] =
    ["USERS", "EXPERIMENTS", "MEASURES", "MESSAGE_IDS", "REJECTED_MESSAGES"];

/// A move under way, whose originals have been set aside.
pub(super) struct MovingIn {
    originals: Originals,
    survey: Survey,
}

/// Makes way for the tables of this system, if this is a database of the Python system that has not been moved in to
/// its end.
///
/// # Errors
/// If something in it cannot be moved in. Then everything is as it was.
pub(super) async fn begin(
    connection: &mut MySqlConnection,
    migrations: &Migrator,
) -> Result<Option<MovingIn>, PrepareError> {
    let names = table_names(connection).await.map_err(prepare_error)?;
    let is_ours = names.iter().any(|name| name.eq_ignore_ascii_case(MIGRATIONS_TABLE));
    let originals = match originals::find(&names, is_ours) {
        Found::None => return Ok(None),
        Found::Incomplete(missing) => {
            if has_done(connection, &names, DONE).await.map_err(prepare_error)? {
                return Ok(None);
            }
            return Err(PrepareError::Incompatible(format!(
                "it was being moved in from the Python system, and of that system's tables {missing} is gone"
            )));
        }
        Found::All(originals) => originals,
    };
    if is_ours && has_done(connection, &names, DONE).await.map_err(prepare_error)? {
        warn!(
            "the Python system's tables are still kept as {}; they hold personal data, which erasing a user does not \
             reach: {}",
            originals.kept().join(", "),
            originals.drop_statement()
        );
        return Ok(None);
    }
    set_aside(connection, originals, &names, migrations).await.map(Some)
}

/// Whether a move in has been begun and not ended.
pub(super) async fn is_under_way(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let names = table_names(connection).await?;
    Ok(!matches!(originals::find(&names, true), Found::None) && !has_done(connection, &names, DONE).await?)
}

async fn set_aside(
    connection: &mut MySqlConnection,
    mut originals: Originals,
    names: &[String],
    migrations: &Migrator,
) -> Result<MovingIn, PrepareError> {
    if !originals.are_set_aside() {
        info!("this database was made by the Python system; looking whether it can be moved in");
        let survey = look(connection, &originals, migrations).await?;
        survey.refuse_problems()?;
        survey.announce();
        originals.set_aside(connection).await.map_err(prepare_error)?;
    }
    let survey = look(connection, &originals, migrations).await?;
    let is_begun = has_done(connection, names, DIRECTORY_COPIED).await.map_err(prepare_error)?;
    if !is_begun {
        remove_new_tables(connection, names).await?;
    }
    if let Err(refusal) = survey.refuse_problems() {
        if !is_begun {
            originals.put_back(connection).await.map_err(prepare_error)?;
        }
        return Err(refusal);
    }
    Ok(MovingIn { originals, survey })
}

async fn look(
    connection: &mut MySqlConnection,
    originals: &Originals,
    migrations: &Migrator,
) -> Result<Survey, PrepareError> {
    let misshapen = shape::check(connection, originals, migrations).await.map_err(prepare_error)?;
    if misshapen.is_empty() {
        survey::look(connection, originals).await
    } else {
        Ok(Survey::of_problems(misshapen))
    }
}

/// Removes what an earlier process has made of this system's tables. None of them can hold anything.
async fn remove_new_tables(connection: &mut MySqlConnection, names: &[String]) -> Result<(), PrepareError> {
    let exists = |table: &str| names.iter().any(|name| name.eq_ignore_ascii_case(table));
    if !exists(MIGRATIONS_TABLE) {
        return Ok(());
    }
    for table in EMPTY_BEFORE_COPYING.into_iter().filter(|table| exists(table)) {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let count: i64 =
            query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await.map_err(prepare_error)?;
        if count > 0 {
            return Err(PrepareError::Incompatible(format!(
                "it is being moved in from the Python system, and {table} holds rows that something else has written; \
                 docs/migrating.md says how to go back"
            )));
        }
    }
    // In this order no table is referred to any more, and the migrations' own, by which a begun move is known, is last.
    for table in TABLES.into_iter().rev().chain([MIGRATIONS_TABLE]) {
        let drop = format!("DROP TABLE IF EXISTS {table}");
        query(AssertSqlSafe(drop)).execute(&mut *connection).await.map_err(prepare_error)?;
    }
    Ok(())
}

impl MovingIn {
    /// Copies everything into the tables of this system, which are there now, and compares it.
    pub(super) async fn finish(self, connection: &mut MySqlConnection) -> Result<(), PrepareError> {
        let Self { originals, survey } = self;
        explained(directory::copy(connection, &survey.directory).await)?;
        let types = explained(directory::measure_types(connection, &survey.directory).await)?;
        measures::copy(connection, &originals, &types, survey.measures).await.map_err(prepare_error)?;
        directory::compare(connection, &survey.directory).await?;
        measures::compare(connection, &originals, &types, survey.measures).await?;
        note(connection, DONE).await.map_err(prepare_error)?;
        info!(
            users = survey.directory.users.len(),
            experiments = survey.directory.experiments.len(),
            associations = survey.directory.associations.len(),
            measures = survey.measures,
            "everything of the Python system has been moved in and compared. Its tables are kept as {}; \
             when you are sure: {}",
            originals.kept().join(", "),
            originals.drop_statement()
        );
        Ok(())
    }
}

fn explained<T>(result: Result<T, Fault>) -> Result<T, PrepareError> {
    result.map_err(|fault| match fault {
        Fault::Sql(error) => prepare_error(error),
        Fault::Storage(error) => PrepareError::Incompatible(error.to_string()),
    })
}

async fn table_names(connection: &mut MySqlConnection) -> Result<Vec<String>, sqlx::Error> {
    const NAMES: &str = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME";
    query_scalar(NAMES).fetch_all(connection).await
}

/// Whether a step was noted; of the tables there are those `names`.
async fn has_done(
    connection: &mut MySqlConnection,
    names: &[String],
    step: &str,
) -> Result<bool, sqlx::Error> {
    if !names.iter().any(|name| name.eq_ignore_ascii_case("ONE_TIME_STEPS")) {
        return Ok(false);
    }
    let count: i64 = query_scalar("SELECT COUNT(*) FROM ONE_TIME_STEPS WHERE NAME = ?")
        .bind(step)
        .fetch_one(connection)
        .await?;
    Ok(count > 0)
}

async fn note(connection: &mut MySqlConnection, step: &str) -> Result<(), sqlx::Error> {
    query("INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES (?, ?)")
        .bind(step)
        .bind(Timestamp::now().unix_nanos())
        .execute(connection)
        .await?;
    Ok(())
}
