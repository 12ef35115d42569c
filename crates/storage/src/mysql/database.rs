use std::future::pending;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mymonit_model::Faceted;
use mymonit_services::ports::StorageError;
use sqlx::migrate::Migrator;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, query_scalar};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::connections::{Connections, Lent, connect};
use super::{errors, moving_in, unfinished};
use crate::error::{
    Fault, InvalidAddress, MIGRATIONS_TABLE, PrepareError, TABLES, cause, migration_error, not_prepared,
};
use crate::task;
use crate::{Patience, PoolUse};

/// Without sqlx's own lock, which does not work on MariaDB; see [`lock`].
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("../../migrations/mysql");
    migrator.set_locking(false);
    migrator
});

/// How long a read may take. Portions are bounded, so only a server or a network that is gone without a
/// word takes that long, or the search for a type that is rare among very many measures.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// For how long a read goes on whose caller has gone away. Nearly all end sooner, and keep their connection.
const READ_ON: Duration = Duration::from_secs(1);
/// How long a write may take; a rejected message of 100 MiB takes some seconds.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// For how long the server is asked at a time to let one process wait for another: not for longer, since it may go on with a
/// wait whose client is gone.
const LOCK_TURN_SECONDS: i64 = 5;
/// After how many of these turns it is said again what is waited for.
const TURNS_BETWEEN_LINES: u32 = 6;

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
}

/// The shared handle of a MySQL or MariaDB database. Clones are the same handle.
#[derive(Clone)]
pub struct MySqlDatabase(Arc<Inner>);

struct Inner {
    options: MySqlConnectOptions,
    connections: Connections,
    patience: Patience,
    prepared: AtomicBool,
}

impl MySqlDatabase {
    /// A handle with that many pooled connections. Touches no network yet. Has to be called within a Tokio
    /// runtime.
    pub fn new(settings: &MySqlSettings, pool_size: u32) -> Self {
        let mut options = MySqlConnectOptions::new()
            .username(&settings.user)
            .host(&settings.host)
            .port(settings.port)
            .database(&settings.database);
        if !settings.password.reveal().is_empty() {
            options = options.password(settings.password.reveal());
        }
        Self::with_options(options, pool_size)
    }

    /// A handle of the database at that `mysql://` URL, whose parameters (such as `ssl-mode` and `ssl-ca`)
    /// are heeded. Touches no network yet. Has to be called within a Tokio runtime.
    ///
    /// # Errors
    /// Where the URL is none, or names no database.
    pub fn from_url(url: &Faceted<String>, pool_size: u32) -> Result<Self, InvalidAddress> {
        let refused = |_| InvalidAddress::new("the address is no valid `mysql://` URL");
        if !url.reveal().starts_with("mysql://") {
            return Err(InvalidAddress::new("a MySQL address must begin with `mysql://`"));
        }
        let options = MySqlConnectOptions::from_str(url.reveal()).map_err(refused)?;
        if options.get_database().is_none() {
            return Err(InvalidAddress::new("a MySQL address must name a database: `mysql://host/database`"));
        }
        Ok(Self::with_options(options, pool_size))
    }

    fn with_options(options: MySqlConnectOptions, pool_size: u32) -> Self {
        let options = options
            .charset("utf8mb4")
            .timezone(Some("+00:00".to_owned()))
            // `SESSION` sets the whole SQL mode.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        Self::of(options, pool_size, Patience::default())
    }

    fn of(options: MySqlConnectOptions, pool_size: u32, patience: Patience) -> Self {
        let connections = Connections::new(options.clone(), pool_size, patience);
        Self(Arc::new(Inner { options, connections, patience, prepared: AtomicBool::new(false) }))
    }

    /// Another handle of the same database, not prepared, whose work waits for so long. Has to be called within a Tokio
    /// runtime.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self::of(self.0.options.clone(), self.pool_use().most, patience)
    }

    /// A handle for tests, whose work outlasts a machine that stands still.
    #[cfg(test)]
    pub(super) fn patient(&self) -> Self {
        self.with_patience(Patience::of_tests())
    }

    /// Brings the schema up to date, creating the database if it is missing and the user may. A database that the
    /// Python system made is moved in, which takes as long as its measures need. Several processes may do so at
    /// once: one does it, and the others wait for as long as that one lives.
    ///
    /// # Errors
    /// [`PrepareError::Unavailable`] is worth another try, [`PrepareError::Incompatible`] is not.
    pub async fn prepare(&self) -> Result<(), PrepareError> {
        self.prepare_unless(pending()).await.map(drop)
    }

    /// The same, unless `stop` comes while it waits for another process: then nothing is done, and the answer is false.
    /// What has been begun is brought to its end.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_unless(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<bool, PrepareError> {
        let database = self.clone();
        task::to_the_end(async move {
            let mut connection = database.connect().await?;
            tokio::select! {
                locked = lock(&mut connection) => locked?,
                () = stop => return Ok(false),
            }
            // The lock ends with the connection.
            let outcome = migrate(&mut connection).await;
            let _ = connection.close().await;
            outcome?;
            database.0.prepared.store(true, Ordering::Release);
            Ok(true)
        })
        .await
    }

    /// Uses the database as it is: creates nothing and changes no schema.
    ///
    /// # Errors
    /// [`PrepareError::Incompatible`] if the schema is not up to date, [`PrepareError::Unavailable`] if that cannot be
    /// told for now.
    pub async fn attach(&self) -> Result<(), PrepareError> {
        let database = self.clone();
        task::to_the_end(async move {
            let connected = timeout(database.0.patience.preparation, connect(&database.0.options));
            let connected = connected.await.map_err(|_| no_server())?;
            let mut connection = match connected {
                Err(error) if errors::is_unknown_database(&error) => {
                    return Err(PrepareError::not_up_to_date());
                }
                connected => connected.map_err(errors::prepare_error)?,
            };
            let is_current = is_current(&mut connection).await.map_err(errors::prepare_error);
            let _ = connection.close().await;
            if !is_current? {
                return Err(PrepareError::not_up_to_date());
            }
            database.0.prepared.store(true, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Lets work in hand end, begins none any more, and closes all connections.
    pub fn close(&self) {
        self.0.connections.close();
    }

    /// How the connections are used now.
    pub fn pool_use(&self) -> PoolUse {
        self.0.connections.pool_use()
    }

    /// Reads on a connection of the pool, without a transaction. Each statement sees all that is committed when it
    /// begins. When nobody waits for it any more, it is soon ended, at the server too.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::to_the_end_unless_left(|left| async move {
            let (lent, outcome) = database.run(READ_LIMIT, &left, work).await?;
            match &outcome {
                Ok(_) => lent.give_back(),
                Err(_) => lent.give_back_cleared().await,
            }
            outcome
        })
        .await
    }

    /// Writes with one statement, or with statements that `work` puts into a transaction of its own.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::to_the_end(async move {
            let (lent, outcome) = database.run(WRITE_LIMIT, &CancellationToken::new(), work).await?;
            lent.give_back_cleared().await;
            outcome
        })
        .await
    }

    /// Does the work, and hands out its outcome with the connection. If it takes too long, or goes on for nobody after
    /// its caller has left, it is ended at the server, and the connection, where an answer may still come, is closed.
    async fn run<T, W>(
        &self,
        limit: Duration,
        left: &CancellationToken,
        work: W,
    ) -> Result<(Lent, Result<T, StorageError>), StorageError>
    where
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        self.require_prepared()?;
        let lent = left.run_until_cancelled(self.0.connections.lend()).await;
        let mut lent = lent.unwrap_or_else(|| Err(left_alone()))?;
        let for_nobody = async {
            left.cancelled().await;
            sleep(READ_ON).await;
        };
        let outcome = tokio::select! {
            biased;
            outcome = timeout(limit, work(lent.connection()?)) => outcome.map_err(|_| no_answer(limit)),
            () = for_nobody => Err(left_alone()),
        };
        match outcome {
            Ok(outcome) => Ok((lent, outcome.map_err(|fault| fault.explained(errors::storage_error)))),
            Err(error) => {
                self.0.connections.end(lent);
                Err(error)
            }
        }
    }

    /// Writes while no other process changes the schema or does what goes through this function.
    pub(super) async fn exclusively<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut MySqlConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::to_the_end(async move {
            database.require_prepared()?;
            let mut connection = database.connect().await?;
            lock(&mut connection).await?;
            let outcome =
                timeout(WRITE_LIMIT, work(&mut connection)).await.map_err(|_| no_answer(WRITE_LIMIT))?;
            // The lock ends with the connection.
            let _ = connection.close().await;
            outcome.map_err(|fault| fault.explained(errors::storage_error))
        })
        .await
    }

    /// Asks the server whether it answers and has the schema that this program needs.
    pub(super) async fn check(&self) -> Result<(), StorageError> {
        const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
        let ask = self.read(|connection| {
            async { Ok(query_scalar::<_, Option<i64>>(VERSION).fetch_one(connection).await?) }.boxed()
        });
        let version = timeout(self.0.patience.check, ask).await.unwrap_or_else(|_| {
            Err(StorageError::Unavailable(cause("the database has not answered in time")))
        })?;
        match version >= MIGRATIONS.iter().map(|migration| migration.version).max() {
            true => Ok(()),
            false => Err(StorageError::Unavailable(cause("the database schema is older than the program"))),
        }
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
        let connected = timeout(self.0.patience.preparation, connect).await;
        connected.map_err(|_| no_server())?.map_err(errors::prepare_error)
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

/// Whether every migration that this program knows has been applied, and nothing is being moved in.
async fn is_current(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    const IS_MIGRATED: &str = "SELECT COUNT(*) FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '_sqlx_migrations'";
    const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
    if query_scalar::<_, i64>(IS_MIGRATED).fetch_one(&mut *connection).await? == 0 {
        return Ok(false);
    }
    let version: Option<i64> = query_scalar(VERSION).fetch_one(&mut *connection).await?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    Ok(version == newest && !moving_in::is_under_way(connection).await?)
}

fn no_answer(limit: Duration) -> StorageError {
    StorageError::Unavailable(cause(format!("no answer from the database within {} s", limit.as_secs())))
}

/// What becomes of work whose caller has gone away; nobody is told.
fn left_alone() -> StorageError {
    StorageError::Unavailable(cause("nobody waits for an answer any more"))
}

/// The name of the lock under which the schema is changed. Such names are the server's, hence the database in it, and have at
/// most 64 characters, which the database's own name may have. SHA2, since MySQL 9.7 has no MD5 any more.
const LOCK: &str = "CONCAT('mymonit.', LEFT(SHA2(DATABASE(), 256), 32))";

/// Takes the lock under which the schema is changed, on this connection, until it is closed. Waits for as long as another
/// process holds it, and says so: that one may be moving in a hundred million measures.
///
/// sqlx has such a lock, too, but asks for it with a timeout of -1, which to MariaDB is no time at all, and
/// then takes no notice that it did not get it.
async fn lock(connection: &mut MySqlConnection) -> Result<(), PrepareError> {
    let (statement, begun) = (format!("SELECT GET_LOCK({LOCK}, ?)"), Instant::now());
    for turn in 0_u32.. {
        let got = query_scalar::<_, Option<i64>>(AssertSqlSafe(statement.clone()))
            .bind(LOCK_TURN_SECONDS)
            .fetch_one(&mut *connection)
            .await
            .map_err(errors::prepare_error)?;
        match got {
            Some(1) => return Ok(()),
            Some(_) if turn.is_multiple_of(TURNS_BETWEEN_LINES) => {
                say_who_is_waited_for(connection, begun.elapsed()).await.map_err(errors::prepare_error)?;
            }
            Some(_) => {}
            None => break,
        }
    }
    Err(PrepareError::Unavailable(cause("the database server cannot give the lock for changing the schema")))
}

async fn say_who_is_waited_for(
    connection: &mut MySqlConnection,
    waited: Duration,
) -> Result<(), sqlx::Error> {
    let holder = format!("SELECT CAST(IS_USED_LOCK({LOCK}) AS CHAR)");
    let holder: Option<String> = query_scalar(AssertSqlSafe(holder)).fetch_one(connection).await?;
    // It may have let go just now.
    if let Some(connection_id) = holder {
        info!(
            connection_id,
            waited_seconds = waited.as_secs(),
            "another process is changing the database schema or moving in; waiting for it. It is the one with this \
             connection to the database server (SHOW PROCESSLIST)"
        );
    }
    Ok(())
}

/// Refuses a database with tables that are not ours. The migrations' own table tells whose they are.
async fn refuse_foreign_tables(connection: &mut MySqlConnection) -> Result<(), PrepareError> {
    const TABLE_NAMES: &str = "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME";
    let mut names: Vec<String> =
        query_scalar(TABLE_NAMES).fetch_all(connection).await.map_err(errors::prepare_error)?;
    if names.iter().any(|name| name == MIGRATIONS_TABLE) {
        return Ok(());
    }
    names.retain(|name| TABLES.contains(&name.to_uppercase().as_str()));
    if names.is_empty() { Ok(()) } else { Err(PrepareError::foreign_tables(&names)) }
}

async fn migrate(connection: &mut MySqlConnection) -> Result<(), PrepareError> {
    let moving_in = moving_in::begin(connection, &MIGRATIONS).await?;
    refuse_foreign_tables(connection).await?;
    unfinished::finish(connection, &MIGRATIONS).await?;
    // `run` would do, but its signature keeps this function from being called in a spawned task.
    MIGRATIONS
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(|error| migration_error(error, errors::prepare_error))?;
    match moving_in {
        Some(moving_in) => moving_in.finish(connection).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mymonit_test_support::{Make, MySqlServer, wait_until};
    use sqlx::query;

    use super::*;

    /// Keeps the server busy for days. It takes no notice meanwhile of a client that closes the connection.
    const LONG: &str = "SELECT BENCHMARK(1000000000000, SHA2('x', 512))";
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A database with one connection, and the name of it.
    async fn database() -> (MySqlDatabase, String) {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap().patient();
        database.prepare().await.unwrap();
        (database, url.rsplit('/').next().unwrap().to_owned())
    }

    fn long(connection: &mut MySqlConnection) -> BoxFuture<'_, Result<(), Fault>> {
        async {
            query(LONG).execute(connection).await?;
            Ok(())
        }
        .boxed()
    }

    /// Waits until the server is at that many long statements for the database.
    async fn until_at_work(name: &str, statements: usize) {
        let server = MySqlServer::shared().await.unwrap();
        let at_work = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{name}' AND INFO LIKE 'SELECT BENCHMARK%'"
        );
        wait_until("the server's work", PATIENCE, async || {
            let seen = server.execute(&at_work).await.unwrap();
            if seen.trim() == statements.to_string() { Ok(()) } else { Err(seen) }
        })
        .await
        .unwrap();
    }

    /// Checks that the one connection of the pool can be had.
    async fn assert_is_whole(database: &MySqlDatabase) {
        let read = database.read(|connection| {
            async { Ok(query_scalar::<_, i64>("SELECT 7").fetch_one(connection).await?) }.boxed()
        });
        assert_eq!(read.await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_read_whose_caller_has_left_is_ended_at_the_server() {
        let (database, name) = database().await;
        let reading = database.clone();
        let reading = tokio::spawn(async move { reading.read(long).await });
        until_at_work(&name, 1).await;
        reading.abort();
        until_at_work(&name, 0).await;
        assert_is_whole(&database).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_that_takes_too_long_is_ended_at_the_server() {
        let (database, name) = database().await;
        let never = CancellationToken::new();
        let limited = database.run(Duration::from_secs(2), &never, long).await.map(drop);
        assert!(matches!(limited, Err(StorageError::Unavailable(_))), "{limited:?}");
        until_at_work(&name, 0).await;
        assert_is_whole(&database).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_waits_for_a_connection_and_leaves_takes_none() {
        let (database, name) = database().await;
        let [first, second] = [database.clone(), database.clone()];
        let first = tokio::spawn(async move { first.read(long).await });
        until_at_work(&name, 1).await;
        let left = CancellationToken::new();
        left.cancel();
        let refused = second.run(READ_LIMIT, &left, long).await.map(drop);
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
        first.abort();
        until_at_work(&name, 0).await;
        assert_is_whole(&database).await;
    }

    /// For when the service is gone before it can tell the server to.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_server_knows_for_how_long_a_statement_may_go_on() {
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
