use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use mymonit_model::Faceted;
use mymonit_services::ports::StorageError;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Executor, MySqlConnection, query_scalar};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::connections::{Connections, PooledConnection, connect};
use super::{MySqlTls, errors, unfinished};
use crate::PoolUse;
use crate::connection::Connection;
use crate::error::{Fault, InvalidAddress, PrepareError, cause, change_error, not_prepared, prepare_error};
use crate::known_sensors::KnownSensors;
use crate::measure_ids::MeasureIds;
use crate::{migrations, task};

/// The limit of a read. Pages are bounded, so only a silently lost server or network takes that
/// long, or the search for a type that is rare among very many measures.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// Time for an abandoned read to end by itself, which keeps its connection.
const ABANDONED_READ_LIMIT: Duration = Duration::from_secs(1);
/// The limit of a write. A rejected message of 100 MiB takes some seconds.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// The limit of connecting for a preparation.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// The timeout of one request for the migration lock. The server may continue one whose client
/// has disconnected.
const LOCK_TIMEOUT_SECONDS: i64 = 5;
/// Requests for the lock between two log lines.
const REQUESTS_BETWEEN_LINES: u32 = 6;

/// Where a MySQL database is, and how to sign in.
#[derive(Debug, Clone)]
pub struct MySqlSettings {
    /// The database user.
    pub user: String,
    /// The user's password; empty means none.
    pub password: Faceted<String>,
    /// Name or address of the server.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// The database's name. It is created if it is missing and the user may create it.
    pub database: String,
    /// How the server is authenticated.
    pub tls: MySqlTls,
}

/// The handle of a MySQL or MariaDB database. Clones are the same handle.
#[derive(Clone)]
pub struct MySqlDatabase(Arc<Inner>);

struct Inner {
    options: MySqlConnectOptions,
    connections: Connections,
    prepared: AtomicBool,
    measure_ids: MeasureIds,
    known_sensors: KnownSensors,
}

impl MySqlDatabase {
    /// A handle with that many pooled connections. Touches no network yet. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If the server is to be verified without a trusted authority.
    pub fn new(settings: &MySqlSettings, pool_size: u32) -> Result<Self, InvalidAddress> {
        let mut options = MySqlConnectOptions::new()
            .username(&settings.user)
            .host(&settings.host)
            .port(settings.port)
            .database(&settings.database);
        if !settings.password.reveal().is_empty() {
            options = options.password(settings.password.reveal());
        }
        Ok(Self::with_options(settings.tls.options(options)?, pool_size))
    }

    /// [`Self::from_url_with`] the default TLS.
    ///
    /// # Errors
    /// As [`Self::from_url_with`].
    pub fn from_url(url: &Faceted<String>, pool_size: u32) -> Result<Self, InvalidAddress> {
        Self::from_url_with(url, &MySqlTls::default(), pool_size)
    }

    /// A handle of the database at that `mysql://` URL, whose parameters `ssl-mode` and `ssl-ca`
    /// override `tls`. Touches no network yet. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If the URL is invalid or names no database, or if the server is to be verified without a
    /// trusted authority.
    pub fn from_url_with(
        url: &Faceted<String>,
        tls: &MySqlTls,
        pool_size: u32,
    ) -> Result<Self, InvalidAddress> {
        Ok(Self::with_options(tls.options_of(url.reveal())?, pool_size))
    }

    fn with_options(options: MySqlConnectOptions, pool_size: u32) -> Self {
        let options = options
            .charset("utf8mb4")
            .timezone(Some("+00:00".to_owned()))
            // `SESSION` sets the whole SQL mode.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        let connections = Connections::new(options.clone(), pool_size);
        Self(Arc::new(Inner {
            options,
            connections,
            prepared: AtomicBool::new(false),
            measure_ids: MeasureIds::default(),
            known_sensors: KnownSensors::default(),
        }))
    }

    /// See [`crate::Database::prepare_unless`].
    pub(crate) async fn prepare_unless(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<bool, PrepareError> {
        let database = self.clone();
        task::run_to_end(async move {
            let mut connection = database.connect().await?;
            let applied = migrations::are_applied(Connection::MySql(&mut connection)).await;
            let outcome = if applied.map_err(prepare_error)? {
                migrations::complete(Connection::MySql(&mut connection)).await
            } else {
                // The lock ends with its connection, this one or the other one.
                let lock = tokio::select! {
                    locked = database.lock(&mut connection) => locked?,
                    () = stop => return Ok(false),
                };
                let outcome = migrate(&mut connection).await;
                drop(lock);
                outcome
            };
            let _ = connection.close().await;
            outcome?;
            database.0.prepared.store(true, Ordering::Release);
            Ok(true)
        })
        .await
    }

    /// See [`crate::Database::attach`].
    pub(crate) async fn attach(&self) -> Result<(), PrepareError> {
        let database = self.clone();
        task::run_to_end(async move {
            let connected = timeout(CONNECT_LIMIT, connect(&database.0.options));
            let mut connection = match connected.await.map_err(|_| no_server())? {
                Err(error) if errors::is_unknown_database(&error) => {
                    return Err(PrepareError::not_up_to_date());
                }
                connected => connected.map_err(prepare_error)?,
            };
            let checked = migrations::refuse_outdated(Connection::MySql(&mut connection)).await;
            let _ = connection.close().await;
            checked?;
            database.0.prepared.store(true, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Finishes running work, refuses new work, and closes all connections.
    pub(crate) fn close(&self) {
        self.0.connections.close();
    }

    /// See [`crate::Database::known_sensors`].
    pub(crate) fn known_sensors(&self) -> &KnownSensors {
        &self.0.known_sensors
    }

    /// See [`crate::Database::measure_ids`].
    pub(crate) fn measure_ids(&self) -> &MeasureIds {
        &self.0.measure_ids
    }

    /// Use of the pool.
    pub(crate) fn pool_use(&self) -> PoolUse {
        self.0.connections.pool_use()
    }

    /// Reads on a pooled connection, without a transaction. Each statement sees all that is
    /// committed when it begins. An abandoned read is killed, at the server too.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::run_unless_abandoned(|abandoned| async move {
            let (connection, outcome) = database.run(READ_LIMIT, &abandoned, work).await?;
            match &outcome {
                Ok(_) => connection.release(),
                Err(_) => connection.reset_and_release().await,
            }
            outcome
        })
        .await
    }

    /// Writes with one statement, or with statements that `work` puts into a transaction of its
    /// own.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::run_to_end(async move {
            let (connection, outcome) = database.run(WRITE_LIMIT, &CancellationToken::new(), work).await?;
            connection.reset_and_release().await;
            outcome
        })
        .await
    }

    /// Does the work and returns its outcome with the connection. Work that exceeds the limit, or
    /// is abandoned for too long, is killed at the server, and its connection, on which an answer
    /// may still arrive, is closed.
    async fn run<T, W>(
        &self,
        limit: Duration,
        abandoned: &CancellationToken,
        work: W,
    ) -> Result<(PooledConnection, Result<T, StorageError>), StorageError>
    where
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        self.require_prepared()?;
        let connection = abandoned.run_until_cancelled(self.0.connections.acquire()).await;
        let mut connection = connection.unwrap_or_else(|| Err(is_abandoned()))?;
        let abandoned_for_long = async {
            abandoned.cancelled().await;
            sleep(ABANDONED_READ_LIMIT).await;
        };
        let outcome = tokio::select! {
            biased;
            outcome = timeout(limit, work(connection.get()?)) => outcome.map_err(|_| timed_out(limit)),
            () = abandoned_for_long => Err(is_abandoned()),
        };
        match outcome {
            Ok(outcome) => {
                if matches!(&outcome, Err(Fault::Sql(error)) if errors::is_read_only(error)) {
                    self.0.connections.renew();
                }
                Ok((connection, outcome.map_err(StorageError::from)))
            }
            Err(error) => {
                self.0.connections.kill(connection);
                Err(error)
            }
        }
    }

    /// Takes the migration lock on this connection, or on the returned one, until it is closed.
    /// Waits while another process holds it.
    ///
    /// Not sqlx's lock: it passes a timeout of -1, which MariaDB takes as zero, and ignores
    /// failure.
    async fn lock(&self, connection: &mut MySqlConnection) -> Result<Option<MySqlConnection>, PrepareError> {
        let (statement, begun) = (format!("SELECT GET_LOCK({LOCK}, ?)"), Instant::now());
        for request in 0_u32.. {
            let got = query_scalar::<_, Option<i64>>(AssertSqlSafe(statement.clone()))
                .bind(LOCK_TIMEOUT_SECONDS)
                .fetch_one(&mut *connection)
                .await;
            match got {
                Ok(Some(1)) => return Ok(None),
                Ok(Some(_)) if request.is_multiple_of(REQUESTS_BETWEEN_LINES) => {
                    log_lock_holder(connection, begun.elapsed()).await.map_err(prepare_error)?;
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if errors::number(&error) == Some(errors::FORBIDDEN) => {
                    return self.lock_row().await.map(Some);
                }
                Err(error) => return Err(prepare_error(error)),
            }
        }
        Err(PrepareError::Unavailable(cause("the database server cannot give the migration lock")))
    }

    /// The migration lock where `GET_LOCK` is forbidden: a row that the returned connection keeps
    /// locked.
    async fn lock_row(&self) -> Result<MySqlConnection, PrepareError> {
        const TABLE: &str = "CREATE TABLE IF NOT EXISTS MIGRATION_LOCK \
            (ID TINYINT UNSIGNED NOT NULL PRIMARY KEY) ENGINE = InnoDB";
        const LOCK_ROW: &str = "INSERT INTO MIGRATION_LOCK (ID) VALUES (1) ON DUPLICATE KEY UPDATE ID = ID";
        let mut connection = self.connect().await?;
        connection.execute(TABLE).await.map_err(change_error)?;
        connection.execute("START TRANSACTION").await.map_err(prepare_error)?;
        for request in 0_u32.. {
            match connection.execute(LOCK_ROW).await {
                Err(error) if errors::number(&error) == Some(errors::LOCK_WAIT_TIMEOUT) => {
                    if request.is_multiple_of(REQUESTS_BETWEEN_LINES) {
                        info!("another process is changing the database schema; waiting for it");
                    }
                }
                locked => {
                    locked.map_err(prepare_error)?;
                    break;
                }
            }
        }
        Ok(connection)
    }

    fn require_prepared(&self) -> Result<(), StorageError> {
        if self.0.prepared.load(Ordering::Acquire) { Ok(()) } else { Err(not_prepared()) }
    }

    /// A connection outside of the pool, to the database, which is created if it is missing.
    async fn connect(&self) -> Result<MySqlConnection, PrepareError> {
        let connect = async {
            match connect(&self.0.options).await {
                Err(error) if errors::is_unknown_database(&error) => {
                    self.create_database().await?;
                    connect(&self.0.options).await
                }
                other => other,
            }
        };
        let connected = timeout(CONNECT_LIMIT, connect).await;
        connected.map_err(|_| no_server())?.map_err(prepare_error)
    }

    async fn create_database(&self) -> Result<(), sqlx::Error> {
        let name = self.0.options.get_database().unwrap_or_default().replace('`', "``");
        let mut connection = self.0.options.clone().database("").connect().await?;
        let statement = format!(
            "CREATE DATABASE IF NOT EXISTS `{name}` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        );
        connection.execute(AssertSqlSafe(statement)).await?;
        connection.close().await
    }
}

fn no_server() -> PrepareError {
    PrepareError::Unavailable(cause("the database server does not answer"))
}

fn timed_out(limit: Duration) -> StorageError {
    StorageError::Unavailable(cause(format!("no answer from the database within {} s", limit.as_secs())))
}

fn is_abandoned() -> StorageError {
    StorageError::Unavailable(cause("the caller is gone"))
}

/// The name of the migration lock. Lock names are the server's, hence the database in it, and have
/// at most 64 characters, as the database's name alone may have. SHA2, since MySQL 9.7 has no MD5.
const LOCK: &str = "CONCAT('mymonit.', LEFT(SHA2(DATABASE(), 256), 32))";

async fn log_lock_holder(connection: &mut MySqlConnection, waited: Duration) -> Result<(), sqlx::Error> {
    let holder = format!("SELECT CAST(IS_USED_LOCK({LOCK}) AS CHAR)");
    let holder: Option<String> = query_scalar(AssertSqlSafe(holder)).fetch_one(connection).await?;
    // It may have been released just now.
    if let Some(connection_id) = holder {
        info!(
            connection_id,
            waited_seconds = waited.as_secs(),
            "another process is changing the database schema; waiting for it (its connection: SHOW PROCESSLIST)"
        );
    }
    Ok(())
}

async fn migrate(connection: &mut MySqlConnection) -> Result<(), PrepareError> {
    migrations::refuse_foreign_tables(Connection::MySql(connection)).await?;
    migrations::announce(&mut Connection::MySql(connection)).await.map_err(prepare_error)?;
    unfinished::finish(connection).await?;
    migrations::run(Connection::MySql(connection)).await
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use mymonit_test_support::{Make, MySqlServer, wait_until};
    use sqlx::query;

    use super::*;

    /// Keeps the server busy for days, also after the client has closed the connection.
    const LONG: &str = "SELECT BENCHMARK(1000000000000, SHA2('x', 512))";
    const TIMEOUT: Duration = Duration::from_secs(60);

    /// A database with one connection, and the name of it.
    async fn database() -> (MySqlDatabase, String) {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap();
        crate::Database::MySql(database.clone()).prepare().await.unwrap();
        (database, url.rsplit('/').next().unwrap().to_owned())
    }

    fn long(connection: &mut MySqlConnection) -> BoxFuture<'_, Result<(), Fault>> {
        async {
            query(LONG).execute(connection).await?;
            Ok(())
        }
        .boxed()
    }

    /// Waits until the server executes that many long statements for the database.
    async fn until_at_work(name: &str, statements: usize) {
        let server = MySqlServer::shared().await.unwrap();
        let at_work = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND INFO LIKE 'SELECT BENCHMARK%'"
        );
        wait_until("the server's work", TIMEOUT, async || {
            let seen = server.execute(&at_work).await.unwrap();
            if seen.trim() == statements.to_string() { Ok(()) } else { Err(seen) }
        })
        .await
        .unwrap();
    }

    /// Checks that the pool's one connection is free.
    async fn assert_is_whole(database: &MySqlDatabase) {
        let read = database.read(|connection| {
            async { Ok(query_scalar::<_, i64>("SELECT 7").fetch_one(connection).await?) }.boxed()
        });
        assert_eq!(read.await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_abandoned_read_is_killed_at_the_server() {
        let (database, name) = database().await;
        let reading = database.clone();
        let reading = tokio::spawn(async move { reading.read(long).await });
        until_at_work(&name, 1).await;
        reading.abort();
        until_at_work(&name, 0).await;
        assert_is_whole(&database).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_that_exceeds_its_limit_is_killed_at_the_server() {
        let (database, name) = database().await;
        let never = CancellationToken::new();
        let limited = database.run(Duration::from_secs(2), &never, long).await.map(drop);
        assert!(matches!(limited, Err(StorageError::Unavailable(_))), "{limited:?}");
        until_at_work(&name, 0).await;
        assert_is_whole(&database).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_abandoned_wait_for_a_connection_takes_none() {
        let (database, name) = database().await;
        let [first, second] = [database.clone(), database.clone()];
        let first = tokio::spawn(async move { first.read(long).await });
        until_at_work(&name, 1).await;
        let abandoned = CancellationToken::new();
        abandoned.cancel();
        let refused = second.run(READ_LIMIT, &abandoned, long).await.map(drop);
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
        first.abort();
        until_at_work(&name, 0).await;
        assert_is_whole(&database).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_row_lock_is_held_by_one_process_at_a_time() {
        let (database, _) = database().await;
        for _ in 0..2 {
            let holder = database.lock_row().await.unwrap();
            let mut waiting = std::pin::pin!(database.lock_row());
            assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
            // A killed process closes its connection without ending the transaction.
            drop(holder);
            timeout(TIMEOUT, waiting).await.unwrap().unwrap();
        }
    }

    /// The process may end before it can kill them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_server_limits_statements_too() {
        let (database, _) = database().await;
        let limit = match MySqlServer::shared().await.unwrap().make() {
            Make::MariaDb => "SELECT CAST(@@SESSION.max_statement_time AS SIGNED)",
            Make::MySql => "SELECT CAST(@@SESSION.max_execution_time / 1000 AS SIGNED)",
        };
        let seconds = database.read(move |connection| {
            async move { Ok(query_scalar::<_, i64>(limit).fetch_one(connection).await?) }.boxed()
        });
        assert_eq!(Duration::from_secs(u64::try_from(seconds.await.unwrap()).unwrap()), WRITE_LIMIT);
    }
}
