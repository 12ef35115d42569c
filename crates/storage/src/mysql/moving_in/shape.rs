//! Whether the tables are those that the Python system makes. A column that it does not have would be left behind, so it
//! is refused as well.

use std::collections::BTreeMap;

use sqlx::migrate::Migrator;
use sqlx::{MySqlConnection, query_as, query_scalar};

use super::originals::{Originals, PYTHON_TABLES};

const NUMBER: &[&str] = &["tinyint", "smallint", "mediumint", "int", "bigint"];
const TEXT: &[&str] = &["varchar", "char", "text", "tinytext"];
/// `datetime` is read as UTC.
const TIME: &[&str] = &["timestamp", "datetime"];
/// Nothing else keeps a double to the bit.
const DOUBLE: &[&str] = &["double"];

type Column = (&'static str, &'static [&'static str]);

fn columns(table: &str) -> &'static [Column] {
    match table {
        "ROLES" | "EXPERIMENTS" => &[("ID", NUMBER), ("NAME", TEXT)],
        "USERS" => &[("ID", TEXT), ("NAME", TEXT), ("USERNAME", TEXT), ("EMAIL", TEXT), ("ROLE", NUMBER)],
        "USER_EXPERIMENTS" => &[("USER_ID", TEXT), ("EXPERIMENT_ID", NUMBER)],
        "MEASURE_TYPES" => &[("ID", NUMBER), ("NAME", TEXT), ("SYMBOL", TEXT), ("QUANTITY", TEXT)],
        "MEASURES" => &[
            ("ID", NUMBER),
            ("TYPE", NUMBER),
            ("TIMESTAMP", TIME),
            ("EXPERIMENT_ID", NUMBER),
            ("MEASURE_VALUE", DOUBLE),
        ],
        _ => &[],
    }
}

/// What is not as the Python system makes it.
pub(super) async fn check(
    connection: &mut MySqlConnection,
    originals: &Originals,
    migrations: &Migrator,
) -> Result<Vec<String>, sqlx::Error> {
    let mut problems = Vec::new();
    for table in PYTHON_TABLES {
        let found = found_columns(connection, originals.name(table)).await?;
        problems.extend(differences(table, &found));
        problems.extend(names_in_use(connection, originals.name(table), migrations).await?);
    }
    if primary_key(connection, originals.name("MEASURES")).await? != ["ID"] {
        problems.push("MEASURES: the primary key must be ID".to_owned());
    }
    Ok(problems)
}

async fn found_columns(
    connection: &mut MySqlConnection,
    table: &str,
) -> Result<BTreeMap<String, String>, sqlx::Error> {
    const COLUMNS: &str = "SELECT CAST(COLUMN_NAME AS CHAR), CAST(DATA_TYPE AS CHAR) \
        FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    let rows: Vec<(String, String)> = query_as(COLUMNS).bind(table).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(name, kind)| (name.to_uppercase(), kind.to_lowercase())).collect())
}

fn differences(table: &str, found: &BTreeMap<String, String>) -> Vec<String> {
    let expected = columns(table);
    let wrong = expected.iter().filter_map(|(name, kinds)| match found.get(*name) {
        None => Some(format!("{table}: the column {name} is missing")),
        Some(kind) if !kinds.contains(&&**kind) => Some(format!(
            "{table}: the column {name} is of type {kind}; it must be one of {}",
            kinds.join(", ")
        )),
        Some(_) => None,
    });
    let unknown =
        found.keys().filter(|name| !expected.iter().any(|(expected, _)| *expected == name.as_str()));
    let unknown = unknown.map(|name| {
        format!("{table}: the column {name} is none of the Python system's and has no place here; keep it elsewhere")
    });
    wrong.chain(unknown).collect()
}

async fn primary_key(connection: &mut MySqlConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    const KEY: &str = "SELECT UPPER(CAST(COLUMN_NAME AS CHAR)) FROM information_schema.STATISTICS \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX";
    query_scalar(KEY).bind(table).fetch_all(connection).await
}

/// Constraints have names that are unique in the database and stay when a table is renamed. Those that the server has
/// made up are renamed with it.
async fn names_in_use(
    connection: &mut MySqlConnection,
    table: &str,
    migrations: &Migrator,
) -> Result<Vec<String>, sqlx::Error> {
    const NAMES: &str = "SELECT CAST(CONSTRAINT_NAME AS CHAR) FROM information_schema.TABLE_CONSTRAINTS \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND CONSTRAINT_TYPE IN ('FOREIGN KEY', 'CHECK')";
    let names: Vec<String> = query_scalar(NAMES).bind(table).fetch_all(connection).await?;
    let is_taken = |name: &String| {
        let wanted = format!("CONSTRAINT {name} ").to_uppercase();
        migrations.iter().any(|migration| migration.sql.as_str().to_uppercase().contains(&wanted))
    };
    let taken = names.into_iter().filter(is_taken);
    Ok(taken.map(|name| format!("{table}: the constraint {name} has a name that is needed here")).collect())
}
