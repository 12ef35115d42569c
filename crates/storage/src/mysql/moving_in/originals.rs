//! Which tables of a database are the Python system's, and under which names.

use sqlx::{AssertSqlSafe, MySqlConnection, query};

use crate::error::TABLES;

/// The tables of the Python system; this one has tables of the same names.
pub(super) const PYTHON_TABLES: [&str; 6] =
    ["ROLES", "USERS", "EXPERIMENTS", "USER_EXPERIMENTS", "MEASURE_TYPES", "MEASURES"];

/// What the original tables are called once they have been set aside.
const PREFIX: &str = "PYTHON_";

/// What was found of the Python system.
pub(super) enum Found {
    /// Nothing, or not a database of the Python system.
    None,
    /// Some of its tables, set aside; this one, at least, is not there.
    Incomplete(String),
    /// All of its tables.
    All(Originals),
}

/// The six tables, wherever they stand now.
pub(super) struct Originals(Vec<Original>);

struct Original {
    /// Its name in the Python system.
    table: &'static str,
    /// What it is called now, in the server's own spelling.
    name: String,
    /// Whether it is one of [`PREFIX`] already.
    is_set_aside: bool,
}

/// Finds them among the tables of these `names`. In a database of this system (`is_ours`) what has a plain name is
/// this system's.
pub(super) fn find(names: &[String], is_ours: bool) -> Found {
    let spellings =
        |wanted: String| names.iter().filter(|name| name.eq_ignore_ascii_case(&wanted)).collect::<Vec<_>>();
    let foreign = TABLES.iter().filter(|table| !PYTHON_TABLES.contains(table));
    if !is_ours && foreign.clone().any(|table| !spellings((*table).to_owned()).is_empty()) {
        return Found::None;
    }
    let (mut found, mut missing) = (Vec::new(), None);
    for table in PYTHON_TABLES {
        let kept = spellings(format!("{PREFIX}{table}"));
        let plain = if is_ours { Vec::new() } else { spellings(table.to_owned()) };
        match (&plain[..], &kept[..]) {
            // Two of a kind: nobody can say which one is meant.
            ([name], []) => found.push(Original { table, name: (*name).clone(), is_set_aside: false }),
            ([], [name]) => found.push(Original { table, name: (*name).clone(), is_set_aside: true }),
            _ => missing = Some(format!("{PREFIX}{table}")),
        }
    }
    match missing {
        None => Found::All(Originals(found)),
        Some(missing) if is_ours && !found.is_empty() => Found::Incomplete(missing),
        Some(_) => Found::None,
    }
}

impl Originals {
    /// What a table is called now, quoted.
    pub(super) fn quoted(&self, table: &str) -> String {
        format!("`{}`", self.name(table))
    }

    /// What a table is called now.
    pub(super) fn name<'a>(&'a self, table: &'a str) -> &'a str {
        self.0.iter().find(|original| original.table == table).map_or(table, |original| &original.name)
    }

    /// Whether all of them have made way.
    pub(super) fn are_set_aside(&self) -> bool {
        self.0.iter().all(|original| original.is_set_aside)
    }

    /// The names under which they are kept.
    pub(super) fn kept(&self) -> Vec<String> {
        PYTHON_TABLES.iter().map(|table| format!("{PREFIX}{table}")).collect()
    }

    /// The statement with which an operator gets rid of them; what refers comes before what is referred to.
    pub(super) fn drop_statement(&self) -> String {
        let tables = self.kept().into_iter().rev().collect::<Vec<_>>();
        format!("DROP TABLE {}", tables.join(", "))
    }

    /// Renames all that still have their own name, in one statement.
    pub(super) async fn set_aside(&mut self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let renamed = self.0.iter().filter(|original| !original.is_set_aside);
        let renamed = renamed.map(|original| format!("`{}` TO {PREFIX}{}", original.name, original.table));
        rename(connection, renamed.collect()).await?;
        for original in &mut self.0 {
            original.name = format!("{PREFIX}{}", original.table);
            original.is_set_aside = true;
        }
        Ok(())
    }

    /// Gives all of them their own names again, in one statement.
    pub(super) async fn put_back(&self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        let renamed = self.0.iter().map(|original| format!("`{}` TO {}", original.name, original.table));
        rename(connection, renamed.collect()).await
    }
}

async fn rename(connection: &mut MySqlConnection, tables: Vec<String>) -> Result<(), sqlx::Error> {
    query(AssertSqlSafe(format!("RENAME TABLE {}", tables.join(", ")))).execute(connection).await?;
    Ok(())
}
