//! Statements that both engines understand, on a connection of either.

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::mysql::MySqlRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    Arguments, Connection as _, Database, Encode, Error, FromRow, MySql, MySqlConnection, SqlSafeStr, Sqlite,
    SqliteConnection, Type, query_as_with, query_with,
};

use crate::fault::Fault;

/// A value for a placeholder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row that is decoded from either engine: a tuple of its columns.
pub(crate) trait Columns:
    for<'r> FromRow<'r, MySqlRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin + 'static
{
}

impl<T> Columns for T where
    T: for<'r> FromRow<'r, MySqlRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin + 'static
{
}

/// What a statement has changed.
pub(crate) struct Executed {
    /// Rows that were inserted or deleted, or that an update found.
    pub(crate) rows: u64,
    /// The number that the last inserted row was given.
    pub(crate) last_id: u64,
}

/// A borrowed connection of either engine.
pub(crate) enum Connection<'c> {
    MySql(&'c mut MySqlConnection),
    Sqlite(&'c mut SqliteConnection),
}

impl Connection<'_> {
    pub(crate) fn reborrow(&mut self) -> Connection<'_> {
        match self {
            Self::MySql(connection) => Connection::MySql(connection),
            Self::Sqlite(connection) => Connection::Sqlite(connection),
        }
    }

    pub(crate) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Executed, Error> {
        match self {
            Self::MySql(connection) => {
                let done = query_with(sql, arguments::<MySql>(values)?).execute(&mut **connection).await?;
                Ok(Executed { rows: done.rows_affected(), last_id: done.last_insert_id() })
            }
            Self::Sqlite(connection) => {
                let done = query_with(sql, arguments::<Sqlite>(values)?).execute(&mut **connection).await?;
                let last_id = done.last_insert_rowid().try_into().unwrap_or_default();
                Ok(Executed { rows: done.rows_affected(), last_id })
            }
        }
    }

    /// Rows as they come, for results of any size.
    pub(crate) fn stream<R: Columns>(
        &mut self,
        sql: impl SqlSafeStr,
        values: impl IntoIterator<Item = Value>,
    ) -> BoxStream<'_, Result<R, Error>> {
        let rows = match self {
            Self::MySql(connection) => arguments::<MySql>(values)
                .map(|arguments| query_as_with(sql, arguments).fetch(&mut **connection)),
            Self::Sqlite(connection) => arguments::<Sqlite>(values)
                .map(|arguments| query_as_with(sql, arguments).fetch(&mut **connection)),
        };
        rows.unwrap_or_else(|error| stream::iter([Err(error)]).boxed())
    }

    pub(crate) async fn rows<R: Columns>(
        &mut self,
        sql: impl SqlSafeStr,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<R>, Error> {
        self.stream(sql, values).try_collect().await
    }

    pub(crate) async fn row<R: Columns>(
        &mut self,
        sql: impl SqlSafeStr,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<R>, Error> {
        Ok(self.rows(sql, values).await?.pop())
    }

    /// The single number that a query returns, such as `SELECT COUNT(*) …`.
    pub(crate) async fn number<const N: usize>(
        &mut self,
        sql: impl SqlSafeStr,
        values: [Value; N],
    ) -> Result<i64, Error> {
        Ok(self.row::<(i64,)>(sql, values).await?.ok_or(Error::RowNotFound)?.0)
    }

    /// An index hint, which follows a table's name.
    pub(crate) fn index(&self, name: &str) -> String {
        match self {
            Self::MySql(_) => format!("FORCE INDEX ({name})"),
            Self::Sqlite(_) => format!("INDEXED BY {name}"),
        }
    }

    /// Ends a `SELECT` whose rows must not change before the commit. SQLite has one writer at a
    /// time.
    pub(crate) fn for_update(&self) -> &'static str {
        match self {
            Self::MySql(_) => " FOR UPDATE",
            Self::Sqlite(_) => "",
        }
    }
}

/// Work in one transaction. It is committed if `work` succeeds and rolled back otherwise.
pub(crate) async fn in_transaction<T, W>(connection: Connection<'_>, work: W) -> Result<T, Fault>
where
    W: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, Fault>> + Send,
{
    match connection {
        Connection::MySql(connection) => {
            let mut transaction = connection.begin().await?;
            let done = work(Connection::MySql(&mut transaction)).await?;
            transaction.commit().await?;
            Ok(done)
        }
        Connection::Sqlite(connection) => {
            let mut transaction = connection.begin().await?;
            let done = work(Connection::Sqlite(&mut transaction)).await?;
            transaction.commit().await?;
            Ok(done)
        }
    }
}

pub(crate) fn arguments<D: Database>(values: impl IntoIterator<Item = Value>) -> Result<D::Arguments, Error>
where
    Option<i64>: for<'q> Encode<'q, D> + Type<D>,
    i64: for<'q> Encode<'q, D> + Type<D>,
    f64: for<'q> Encode<'q, D> + Type<D>,
    String: for<'q> Encode<'q, D> + Type<D>,
    Vec<u8>: for<'q> Encode<'q, D> + Type<D>,
{
    let mut arguments = D::Arguments::default();
    for value in values {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Integer(number) => arguments.add(number),
            Value::Real(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
        }
        .map_err(Error::Encode)?;
    }
    Ok(arguments)
}
