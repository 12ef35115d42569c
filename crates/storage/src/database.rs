//! The database handle, which all stores share, and what stores do with it on either engine.

use std::fmt;
use std::future::pending;

use futures::FutureExt;
use futures::future::BoxFuture;
use mymonit_services::ports::StorageError;
use shaku::{Component, Interface};

use crate::connection::{Columns, Connection, Executed, Value, in_transaction};
use crate::error::{Fault, PrepareError};
use crate::known_sensors::KnownSensors;
use crate::measure_ids::{self, MeasureIds};
use crate::mysql::{self, MySqlDatabase};
use crate::pool_use::PoolUse;
use crate::sqlite::SqliteDatabase;

/// Attempts at a transaction that deadlocks with others.
const ATTEMPTS: u32 = 5;

/// The handle of a database on either engine. Clones are the same handle.
#[derive(Clone)]
pub enum Database {
    /// MySQL or MariaDB.
    MySql(MySqlDatabase),
    /// A SQLite file.
    Sqlite(SqliteDatabase),
}

impl Database {
    /// Brings the schema up to date, creating the database where that is possible. Several
    /// processes may do so at once: one does it, the others wait.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] is worth another try, [`PrepareError::Incompatible`] is not.
    pub async fn prepare(&self) -> Result<(), PrepareError> {
        self.prepare_unless(pending()).await.map(drop)
    }

    /// [`Self::prepare`], unless `stop` comes while it waits for another process: then nothing is
    /// done, and the answer is false. A migration that has begun is finished.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub async fn prepare_unless(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<bool, PrepareError> {
        match self {
            Self::MySql(database) => database.prepare_unless(stop).await,
            Self::Sqlite(database) => database.prepare_unless(stop).await,
        }
    }

    /// Uses the database as it is: creates nothing and changes no schema.
    ///
    /// # Errors
    /// [`PrepareError::Incompatible`] if the schema is not up to date,
    /// [`PrepareError::Unavailable`] if the database does not answer.
    pub async fn attach(&self) -> Result<(), PrepareError> {
        match self {
            Self::MySql(database) => database.attach().await,
            Self::Sqlite(database) => database.attach().await,
        }
    }

    /// Finishes running work, refuses new work, and closes all connections.
    pub async fn close(&self) {
        match self {
            Self::MySql(database) => database.close(),
            Self::Sqlite(database) => database.close().await,
        }
    }

    /// The ids that this process has reserved for measures.
    pub(crate) fn measure_ids(&self) -> &MeasureIds {
        match self {
            Self::MySql(database) => database.measure_ids(),
            Self::Sqlite(database) => database.measure_ids(),
        }
    }

    /// The sensors that this process has seen.
    pub(crate) fn known_sensors(&self) -> &KnownSensors {
        match self {
            Self::MySql(database) => database.known_sensors(),
            Self::Sqlite(database) => database.known_sensors(),
        }
    }

    /// Use of the connection pool. Of SQLite: of the connections for reading.
    pub fn pool_use(&self) -> PoolUse {
        match self {
            Self::MySql(database) => database.pool_use(),
            Self::Sqlite(database) => database.pool_use(),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self {
            Self::MySql(_) => "MySql",
            Self::Sqlite(_) => "Sqlite",
        };
        f.debug_tuple(engine).field(&self.pool_use()).finish()
    }
}

/// The component that is injected into all stores.
pub trait DatabaseHandle: Interface {
    /// The handle.
    fn database(&self) -> &Database;
}

/// The database handle as a component.
#[derive(Component)]
#[shaku(interface = DatabaseHandle)]
pub struct DatabaseComponent {
    /// The handle.
    database: Database,
}

impl DatabaseHandle for DatabaseComponent {
    fn database(&self) -> &Database {
        &self.database
    }
}

#[cfg(test)]
impl DatabaseHandle for Database {
    fn database(&self) -> &Database {
        self
    }
}

impl dyn DatabaseHandle {
    /// The first of `count` consecutive unused ids. Must not be called while holding a connection,
    /// since there may be only one.
    pub(crate) async fn take_measure_ids(&self, count: usize) -> Result<u64, StorageError> {
        let reserve = |count, least| {
            self.transaction(move |mut connection| {
                async move { measure_ids::reserve(&mut connection, count, least).await }.boxed()
            })
        };
        self.database().measure_ids().take(count, reserve).await
    }

    /// Work with several reading statements, each of which sees the data committed at its start.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        match self.database() {
            Database::MySql(database) => {
                database.read(|connection| work(Connection::MySql(connection))).await
            }
            Database::Sqlite(database) => {
                database.read(|connection| work(Connection::Sqlite(connection))).await
            }
        }
    }

    /// Work with several statements on one snapshot.
    pub(crate) async fn snapshot<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        const NEXT_TRANSACTION: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        self.read(|mut connection| {
            async move {
                if let Connection::MySql(_) = connection {
                    connection.execute(NEXT_TRANSACTION, []).await?;
                }
                in_transaction(connection, work).await
            }
            .boxed()
        })
        .await
    }

    /// Work in one transaction. It is committed if `work` succeeds and rolled back otherwise.
    pub(crate) async fn transaction<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        match self.database() {
            Database::MySql(_) => self.write(|connection| in_transaction(connection, work).boxed()).await,
            // Each write is a transaction already.
            Database::Sqlite(_) => self.write(work).await,
        }
    }

    /// [`Self::transaction`], repeated after a deadlock, which rolls back one of those that wait
    /// for each other.
    pub(crate) async fn repeated_transaction<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> Fn(Connection<'c>) -> BoxFuture<'c, Result<T, Fault>> + Send + Sync + 'static,
    {
        self.write(|mut connection| {
            async move {
                if let Connection::Sqlite(_) = connection {
                    return work(connection).await;
                }
                for _ in 1..ATTEMPTS {
                    match in_transaction(connection.reborrow(), &work).await {
                        Err(Fault::Sql(error)) if mysql::errors::is_deadlock(&error) => {}
                        done => return done,
                    }
                }
                in_transaction(connection, &work).await
            }
            .boxed()
        })
        .await
    }

    /// All rows of one statement.
    pub(crate) async fn rows<R: Columns, T: Send + 'static, const N: usize>(
        &self,
        sql: &'static str,
        values: [Value; N],
        decode: fn(R) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StorageError> {
        self.read(move |mut connection| {
            async move {
                let rows = connection.rows(sql, values).await?;
                Ok(rows.into_iter().map(decode).collect::<Result<_, _>>()?)
            }
            .boxed()
        })
        .await
    }

    /// The row of a statement that gives one at most.
    pub(crate) async fn row<R: Columns, T: Send + 'static, const N: usize>(
        &self,
        sql: &'static str,
        values: [Value; N],
        decode: fn(R) -> Result<T, sqlx::Error>,
    ) -> Result<Option<T>, StorageError> {
        Ok(self.rows(sql, values, decode).await?.pop())
    }

    /// Work with one statement that writes.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(Connection<'c>) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        match self.database() {
            Database::MySql(database) => {
                database.write(|connection| work(Connection::MySql(connection))).await
            }
            Database::Sqlite(database) => {
                database.write(|connection| work(Connection::Sqlite(connection))).await
            }
        }
    }

    /// One statement that writes.
    pub(crate) async fn execute<const N: usize>(
        &self,
        sql: &'static str,
        values: [Value; N],
    ) -> Result<Executed, StorageError> {
        self.write(move |mut connection| async move { Ok(connection.execute(sql, values).await?) }.boxed())
            .await
    }
}
