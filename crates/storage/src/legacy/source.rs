//! The Python system's database, which is only read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mymonit_model::Faceted;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, FromRow, MySqlConnection, query_as};
use tokio::time::timeout;

use super::source_failed;
use crate::MySqlTls;

/// Limit of connecting.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

const NUMBER: &[&str] = &["tinyint", "smallint", "mediumint", "int", "bigint"];
const TEXT: &[&str] = &["varchar", "char", "text", "tinytext"];
/// `datetime` is read as UTC.
const TIME: &[&str] = &["timestamp", "datetime"];
/// No other type keeps a double to the bit.
const DOUBLE: &[&str] = &["double"];

type Columns = &'static [(&'static str, &'static [&'static str])];

/// The tables, with the types that each column may have.
pub(super) const TABLES: [(&str, Columns); 6] = [
    ("ROLES", &[("ID", NUMBER), ("NAME", TEXT)]),
    ("USERS", &[("ID", TEXT), ("NAME", TEXT), ("USERNAME", TEXT), ("EMAIL", TEXT), ("ROLE", NUMBER)]),
    ("EXPERIMENTS", &[("ID", NUMBER), ("NAME", TEXT)]),
    ("USER_EXPERIMENTS", &[("USER_ID", TEXT), ("EXPERIMENT_ID", NUMBER)]),
    ("MEASURE_TYPES", &[("ID", NUMBER), ("NAME", TEXT), ("SYMBOL", TEXT), ("QUANTITY", TEXT)]),
    (
        "MEASURES",
        &[
            ("ID", NUMBER),
            ("TYPE", NUMBER),
            ("TIMESTAMP", TIME),
            ("EXPERIMENT_ID", NUMBER),
            ("MEASURE_VALUE", DOUBLE),
        ],
    ),
];

/// ID, TYPE, nanoseconds, EXPERIMENT_ID, MEASURE_VALUE.
pub(super) type MeasureRow = (i64, i64, i64, i64, f64);

/// An open database in a read-only snapshot.
pub(super) struct Source {
    connection: MySqlConnection,
    /// Each table's name in the server's spelling, in backquotes.
    names: HashMap<&'static str, String>,
}

impl Source {
    /// Opens the database at that URL, whose error never repeats it.
    pub(super) async fn open(url: &Faceted<String>, tls: &MySqlTls) -> Result<Self, String> {
        let wrong = |error| format!("--from must be `mysql://user:password@host:port/database`: {error}");
        let options = tls
            .options_of(url.reveal())
            .map_err(wrong)?
            .charset("utf8mb4")
            .timezone(Some("+00:00".to_owned()))
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        let connected = timeout(CONNECT_LIMIT, options.connect()).await;
        let connected = connected.map_err(|_| "the Python system's database does not answer".to_owned())?;
        let mut source = Self { connection: connected.map_err(source_failed)?, names: HashMap::new() };
        for statement in [
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ] {
            source.connection.execute(statement).await.map_err(source_failed)?;
        }
        source.check_shape().await?;
        Ok(source)
    }

    pub(super) async fn close(self) {
        let _ = self.connection.close().await;
    }

    /// The rows of a statement, in which `{TABLE}` is replaced by the name of that table.
    pub(super) async fn rows<R>(&mut self, sql: &str) -> Result<Vec<R>, String>
    where
        R: for<'r> FromRow<'r, MySqlRow> + Send + Unpin,
    {
        let named = |sql: String, (table, name): (&&str, &String)| sql.replace(&format!("{{{table}}}"), name);
        let sql = self.names.iter().fold(sql.to_owned(), named);
        query_as(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await.map_err(source_failed)
    }

    /// The measures that follow an id. A TIMESTAMP holds an instant, and UNIX_TIMESTAMP gives just
    /// that, whatever the time zone of the server; the product is an exact decimal.
    pub(super) async fn measures(
        &mut self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<MeasureRow>, String> {
        let after = after.map_or(String::new(), |id| format!("WHERE ID > {id}"));
        self.rows(&format!(
            "SELECT CAST(ID AS SIGNED), CAST(TYPE AS SIGNED), CAST(UNIX_TIMESTAMP(TIMESTAMP) * 1000000000 AS SIGNED), \
             CAST(EXPERIMENT_ID AS SIGNED), MEASURE_VALUE FROM {{MEASURES}} {after} ORDER BY ID LIMIT {limit}"
        ))
        .await
    }

    /// Refuses tables that the Python system has not made: a column that it does not have would be
    /// lost.
    async fn check_shape(&mut self) -> Result<(), String> {
        let mut problems = Vec::new();
        for (table, columns) in TABLES {
            let found = self.columns(table).await?;
            match &found[..] {
                [(name, found)] => {
                    self.names.insert(table, format!("`{name}`"));
                    problems.extend(differences(table, columns, found));
                }
                [] => problems.push(format!("{table}: the table is missing")),
                _ => problems.push(format!("{table}: there are several tables of that name")),
            }
        }
        if problems.is_empty() && self.primary_key().await? != [("ID".to_owned(),)] {
            problems.push("MEASURES: the primary key must be ID".to_owned());
        }
        refuse(&problems)
    }

    /// Each table of that name, in any case, with its columns and their types.
    async fn columns(&mut self, table: &str) -> Result<Vec<(String, BTreeMap<String, String>)>, String> {
        let rows: Vec<(String, String, String)> = self
            .rows(&format!(
                "SELECT CAST(TABLE_NAME AS CHAR), CAST(COLUMN_NAME AS CHAR), CAST(DATA_TYPE AS CHAR) \
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND UPPER(TABLE_NAME) = '{table}'"
            ))
            .await?;
        let mut tables = BTreeMap::<String, BTreeMap<String, String>>::new();
        for (name, column, kind) in rows {
            tables.entry(name).or_default().insert(column.to_uppercase(), kind.to_lowercase());
        }
        Ok(tables.into_iter().collect())
    }

    async fn primary_key(&mut self) -> Result<Vec<(String,)>, String> {
        self.rows(
            "SELECT UPPER(CAST(COLUMN_NAME AS CHAR)) FROM information_schema.STATISTICS \
             WHERE TABLE_SCHEMA = DATABASE() AND UPPER(TABLE_NAME) = 'MEASURES' AND INDEX_NAME = 'PRIMARY' \
             ORDER BY SEQ_IN_INDEX",
        )
        .await
    }
}

/// The refusal that lists all problems, if there are any.
pub(super) fn refuse(problems: &[String]) -> Result<(), String> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the Python system's database cannot be copied as it is; problems: {}, docs/migrating.md says what to do:\n- {}",
        problems.len(),
        problems.join("\n- ")
    ))
}

fn differences(table: &str, expected: Columns, found: &BTreeMap<String, String>) -> Vec<String> {
    let wrong = expected.iter().filter_map(|(name, kinds)| match found.get(*name) {
        None => Some(format!("{table}: the column {name} is missing")),
        Some(kind) if !kinds.contains(&&**kind) => Some(format!(
            "{table}: the column {name} is of type {kind}; it must be one of {}",
            kinds.join(", ")
        )),
        Some(_) => None,
    });
    let is_unknown = |name: &&String| !expected.iter().any(|(expected, _)| *expected == name.as_str());
    let unknown = found.keys().filter(is_unknown);
    let unknown = unknown
        .map(|name| format!("{table}: the column {name} is not the Python system's and would be lost"));
    wrong.chain(unknown).collect()
}
