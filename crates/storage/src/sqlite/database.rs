use std::convert::Infallible;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mymonit_services::ports::StorageError;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool, Transaction, query_as, query_scalar,
};
use tokio::time::{Instant, interval_at};
use tracing::info;

use super::errors;
use crate::error::{
    Fault, InvalidAddress, MIGRATIONS_TABLE, PrepareError, TABLES, cause, migration_error, not_prepared,
};
use crate::task;
use crate::{Patience, PoolUse};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// How long SQLite itself waits, in `prepare`, for another process that is writing to the file: longer than anything lasts.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(1_000_000);
/// How often it is said that `prepare` waits.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// How long it may wait before that is said.
const TELL_AFTER: Duration = Duration::from_secs(5);
/// After how many steps of its virtual machine, a part of a millisecond, SQLite asks whether anybody still waits for a read.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// The shared handle of a SQLite database file. Clones are the same handle.
#[derive(Clone)]
pub struct SqliteDatabase(Arc<Inner>);

struct Inner {
    file: PathBuf,
    options: SqliteConnectOptions,
    /// One connection, since SQLite has one writer at a time: the others queue here, in the order they came.
    writer: SqlitePool,
    readers: SqlitePool,
    prepared: AtomicBool,
}

impl SqliteDatabase {
    /// A handle of the file at that path, or at that `sqlite://` URL, with that many connections for
    /// reading and one for writing. Touches nothing yet. Has to be called within a Tokio runtime.
    ///
    /// # Errors
    /// Where the address names no file: a database in memory would be another one for each connection.
    pub fn new(path_or_url: &str, readers: u32) -> Result<Self, InvalidAddress> {
        Ok(Self::of(file_of(path_or_url)?, readers, Patience::default()))
    }

    /// Another handle of the same file, not prepared, whose work waits for so long. Has to be called within a Tokio runtime.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self::of(self.0.file.clone(), self.pool_use().most, patience)
    }

    fn of(file: PathBuf, readers: u32, patience: Patience) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .foreign_keys(true)
            // What is deleted or replaced is overwritten with zeros, so that what was erased cannot be read in the file.
            .pragma("secure_delete", "ON")
            // What was acknowledged survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            // For another process that is writing to the same file.
            .busy_timeout(patience.lock)
            .disable_statement_logging();
        let reading = options.clone().pragma("query_only", "ON");
        let pool = |size| pool(size, patience.connection);
        Self(Arc::new(Inner {
            file,
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(readers.max(1)).connect_lazy_with(reading),
            options,
            prepared: AtomicBool::new(false),
        }))
    }

    /// Brings the schema up to date, creating the file and its folder where they are missing. Several
    /// processes may do so at once: one does it, and the others wait for as long as that one lives.
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
            let mut connection = database.create().await?;
            let outcome = migrate(&mut connection, stop).await;
            if matches!(outcome, Ok(false)) {
                // Closing the connection would wait, too.
                return Ok(false);
            }
            connection.close().await.map_err(errors::prepare_error)?;
            outcome?;
            database.0.prepared.store(true, Ordering::Release);
            Ok(true)
        })
        .await
    }

    /// Uses the file as it is: creates nothing and changes no schema.
    ///
    /// # Errors
    /// [`PrepareError::Incompatible`] if there is no file or its schema is not up to date,
    /// [`PrepareError::Unavailable`] if that cannot be told for now.
    pub async fn attach(&self) -> Result<(), PrepareError> {
        let database = self.clone();
        task::to_the_end(async move {
            if !tokio::fs::try_exists(&database.0.file).await.unwrap_or(true) {
                return Err(PrepareError::not_up_to_date());
            }
            let mut connection = database.0.options.clone().connect().await.map_err(errors::prepare_error)?;
            let is_current = is_current(&mut connection).await.map_err(errors::prepare_error);
            connection.close().await.map_err(errors::prepare_error)?;
            if !is_current? {
                return Err(PrepareError::not_up_to_date());
            }
            database.0.prepared.store(true, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Lets work in hand end, closes all connections and folds the write-ahead log into the file.
    pub async fn close(&self) {
        // The last connection to close folds the log, and only one that may write can.
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// How the connections for reading are used now. The one for writing is busy or not.
    pub fn pool_use(&self) -> PoolUse {
        let most = usize::try_from(self.0.readers.options().get_max_connections()).unwrap_or(usize::MAX);
        PoolUse::new(usize::try_from(self.0.readers.size()).unwrap_or(most), self.0.readers.num_idle(), most)
    }

    /// Reads on one of the reading connections. Each statement sees all that is committed when it begins. When nobody
    /// waits for it any more, it is ended.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::to_the_end_unless_left(|left| async move {
            database.require_prepared()?;
            let mut connection = database.0.readers.acquire().await.map_err(errors::storage_error)?;
            let mut handle = connection.lock_handle().await.map_err(errors::storage_error)?;
            // Until the next read sets its own.
            handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || !left.is_cancelled());
            drop(handle);
            work(&mut connection).await.map_err(|fault| fault.explained(errors::storage_error))
        })
        .await
    }

    /// Writes in one transaction, which begins by taking the write lock: it cannot fail half-way because
    /// somebody else wrote in between. It is committed if `work` succeeds, and leaves nothing if not.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::to_the_end(async move {
            database.require_prepared()?;
            let mut connection = database.0.writer.acquire().await.map_err(errors::storage_error)?;
            let mut transaction =
                connection.begin_with("BEGIN IMMEDIATE").await.map_err(errors::storage_error)?;
            let result =
                work(&mut transaction).await.map_err(|fault| fault.explained(errors::storage_error))?;
            transaction.commit().await.map_err(errors::storage_error)?;
            Ok(result)
        })
        .await
    }

    /// Folds the write-ahead log into the file and empties it: until then it holds pages as they were before the last
    /// changes. Waits for those who read at the moment, as long as for any lock; `false` if they are at it for longer.
    pub(super) async fn empty_log(&self) -> Result<bool, StorageError> {
        const EMPTY: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
        let database = self.clone();
        task::to_the_end(async move {
            let mut connection = database.0.writer.acquire().await.map_err(errors::storage_error)?;
            let (is_busy, _, _) = query_as::<_, (i64, i64, i64)>(EMPTY)
                .fetch_one(&mut *connection)
                .await
                .map_err(errors::storage_error)?;
            Ok(is_busy == 0)
        })
        .await
    }

    /// Asks the file whether it can be read and has the schema that this program needs.
    pub(super) async fn check(&self) -> Result<(), StorageError> {
        const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
        let version = self
            .read(|connection| {
                async { Ok(query_scalar::<_, Option<i64>>(VERSION).fetch_one(connection).await?) }.boxed()
            })
            .await?;
        match version >= MIGRATIONS.iter().map(|migration| migration.version).max() {
            true => Ok(()),
            false => Err(StorageError::Unavailable(cause("the database schema is older than the program"))),
        }
    }

    /// A connection to the file, which is created with its folder where they are missing.
    async fn create(&self) -> Result<SqliteConnection, PrepareError> {
        let folder = self.0.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            let created = tokio::fs::create_dir_all(folder).await;
            created.map_err(|error| PrepareError::Unavailable(Arc::new(error)))?;
        }
        let options = self.0.options.clone().create_if_missing(true).busy_timeout(PREPARE_TIMEOUT);
        options.connect().await.map_err(errors::prepare_error)
    }

    fn require_prepared(&self) -> Result<(), StorageError> {
        if self.0.prepared.load(Ordering::Acquire) { Ok(()) } else { Err(not_prepared()) }
    }
}

/// Whether every migration that this program knows has been applied.
async fn is_current(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    const IS_MIGRATED: &str = "SELECT COUNT(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
    if query_scalar::<_, i64>(IS_MIGRATED).fetch_one(&mut *connection).await? == 0 {
        return Ok(false);
    }
    let version: Option<i64> = query_scalar(VERSION).fetch_one(connection).await?;
    Ok(version == MIGRATIONS.iter().map(|migration| migration.version).max())
}

fn pool(size: u32, patience: Duration) -> PoolOptions<Sqlite> {
    PoolOptions::new()
        .max_connections(size)
        .acquire_timeout(patience)
        // There is no server that could have closed the connection meanwhile.
        .test_before_acquire(false)
}

fn file_of(path_or_url: &str) -> Result<PathBuf, InvalidAddress> {
    let path = path_or_url.strip_prefix("sqlite:");
    let path = path.map(|path| path.strip_prefix("//").unwrap_or(path)).unwrap_or(path_or_url);
    let (path, parameters) = path.split_once('?').unwrap_or((path, ""));
    if path.is_empty() || path == ":memory:" {
        return Err(InvalidAddress::new(
            "a SQLite address must name a file, such as `sqlite://data/mymonit.db`",
        ));
    }
    if !["", "mode=rwc", "mode=rw"].contains(&parameters) {
        return Err(InvalidAddress::new("a SQLite address takes no parameters"));
    }
    // sqlx reads the path of a URL with its percent escapes.
    if path_or_url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(path)
            .map_err(|_| InvalidAddress::new("the path of a SQLite URL must be UTF-8 where it is escaped"))?;
        return Ok(options.get_filename().to_owned());
    }
    Ok(Path::new(path).to_owned())
}

/// Refuses a database with tables that are not ours. The migrations' own table tells whose they are.
async fn refuse_foreign_tables(connection: &mut SqliteConnection) -> Result<(), PrepareError> {
    const TABLE_NAMES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut names: Vec<String> =
        query_scalar(TABLE_NAMES).fetch_all(connection).await.map_err(errors::prepare_error)?;
    if names.iter().any(|name| name == MIGRATIONS_TABLE) {
        return Ok(());
    }
    names.retain(|name| TABLES.contains(&name.to_uppercase().as_str()));
    if names.is_empty() { Ok(()) } else { Err(PrepareError::foreign_tables(&names)) }
}

/// Brings the schema up to date in one transaction, so that of several processes the first does it all,
/// the others wait and find it done, and a killed one leaves nothing. The answer is false if
/// `stop` came while it waited.
async fn migrate(
    connection: &mut SqliteConnection,
    stop: impl Future<Output = ()>,
) -> Result<bool, PrepareError> {
    let mut transaction = tokio::select! {
        begun = begin(connection) => begun?,
        never = say_that_it_waits() => match never {},
        () = stop => return Ok(false),
    };
    refuse_foreign_tables(&mut transaction).await?;
    // `run` would do, but its signature keeps this function from being called in a spawned task.
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| migration_error(error, errors::prepare_error))?;
    transaction.commit().await.map_err(errors::prepare_error)?;
    Ok(true)
}

/// Begins to write, as soon as no other process does.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, PrepareError> {
    use_write_ahead_log(connection).await?;
    connection.begin_with("BEGIN IMMEDIATE").await.map_err(errors::prepare_error)
}

async fn say_that_it_waits() -> Infallible {
    let begun = Instant::now();
    let mut ticks = interval_at(begun + TELL_AFTER, TELL_EVERY);
    loop {
        ticks.tick().await;
        info!(
            waited_seconds = begun.elapsed().as_secs(),
            "another process is writing to the database file; waiting for it"
        );
    }
}

/// Turns the write-ahead log on, which stays on in the file: readers and the writer then do not wait for each
/// other. SQLite does not wait by itself for another process that does the same.
async fn use_write_ahead_log(connection: &mut SqliteConnection) -> Result<(), PrepareError> {
    loop {
        match query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let message =
                    format!("the file's folder allows no write-ahead log, only the journal mode {mode}");
                return Err(PrepareError::Incompatible(message));
            }
            Err(error) if errors::is_busy(&error) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(errors::prepare_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mymonit_test_support::wait_until;
    use sqlx::query;

    use super::*;

    /// Gives no row, ever.
    const ENDLESS: &str =
        "WITH RECURSIVE N (I) AS (SELECT 1 UNION ALL SELECT I + 1 FROM N) SELECT COUNT(*) FROM N";
    const PATIENCE: Duration = Duration::from_secs(60);

    fn endless(connection: &mut SqliteConnection) -> BoxFuture<'_, Result<(), Fault>> {
        async {
            query(ENDLESS).execute(connection).await?;
            Ok(())
        }
        .boxed()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_read_whose_caller_has_left_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::new(folder.path().join("mymonit.db").to_str().unwrap(), 1).unwrap();
        database.prepare().await.unwrap();
        let reading = database.clone();
        let reading = tokio::spawn(async move { reading.read(endless).await });
        wait_until("the read to begin", PATIENCE, async || match database.pool_use() {
            PoolUse { open: 1, idle: 0, .. } => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
        .unwrap();
        reading.abort();
        // There is one connection for reading.
        wait_until("the read to end", PATIENCE, async || database.check().await).await.unwrap();
    }
}
