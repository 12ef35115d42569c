use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use mymonit_services::ports::StorageError;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{
    ConnectOptions, Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction, query_as,
    query_scalar,
};
use tokio::time::{Instant, interval_at};
use tracing::info;

use super::{errors, private_files};
use crate::PoolUse;
use crate::connection::Connection;
use crate::error::{Fault, InvalidAddress, PrepareError, not_prepared, prepare_error, storage_error};
use crate::known_sensors::KnownSensors;
use crate::measure_ids::MeasureIds;
use crate::{migrations, task};

/// The timeout for a pooled connection, and for the write lock of another process.
const LIMIT: Duration = Duration::from_secs(5);
/// SQLite's timeout in `prepare` for the write lock of another process: practically none.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(1_000_000);
/// Log interval while `prepare` waits, and the wait before the first line.
const LOG_EVERY: Duration = Duration::from_secs(30);
const LOG_AFTER: Duration = Duration::from_secs(5);
/// Steps of SQLite's virtual machine between two checks for an abandoned read; they take less than
/// a millisecond.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// The handle of a SQLite database file. Clones are the same handle.
#[derive(Clone)]
pub struct SqliteDatabase(Arc<Inner>);

struct Inner {
    file: PathBuf,
    options: SqliteConnectOptions,
    /// One connection, since SQLite has one writer at a time: the others queue here.
    writer: SqlitePool,
    readers: SqlitePool,
    prepared: AtomicBool,
    measure_ids: MeasureIds,
    known_sensors: KnownSensors,
}

impl SqliteDatabase {
    /// A handle of the file at that path or `sqlite://` URL, with that many connections for reading
    /// and one for writing. Does not access the file yet. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If the address names no file: each connection would have its own database in memory.
    pub fn new(path_or_url: &str, readers: u32) -> Result<Self, InvalidAddress> {
        let file = file_of(path_or_url)?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .foreign_keys(true)
            // Deleted and replaced data are overwritten with zeros, so that erased data cannot be
            // read in the file.
            .pragma("secure_delete", "ON")
            // Acknowledged data survive a power loss.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(LIMIT)
            .disable_statement_logging();
        let reading = options.clone().pragma("query_only", "ON");
        Ok(Self(Arc::new(Inner {
            file,
            writer: pool(1).connect_lazy_with(options.clone()),
            readers: pool(readers.max(1)).connect_lazy_with(reading),
            options,
            prepared: AtomicBool::new(false),
            measure_ids: MeasureIds::default(),
            known_sensors: KnownSensors::default(),
        })))
    }

    /// See [`crate::Database::prepare_unless`]. The folder is created, too.
    pub(crate) async fn prepare_unless(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<bool, PrepareError> {
        let database = self.clone();
        task::run_to_end(async move {
            let mut connection = database.create().await?;
            let outcome = migrate(&mut connection, stop).await;
            if matches!(outcome, Ok(false)) {
                // Closing the connection would block, too.
                return Ok(false);
            }
            connection.close().await.map_err(prepare_error)?;
            outcome?;
            private_files::restrict(&database.0.file);
            database.0.prepared.store(true, Ordering::Release);
            Ok(true)
        })
        .await
    }

    /// See [`crate::Database::attach`].
    pub(crate) async fn attach(&self) -> Result<(), PrepareError> {
        let database = self.clone();
        task::run_to_end(async move {
            if !tokio::fs::try_exists(&database.0.file).await.unwrap_or(true) {
                return Err(PrepareError::not_up_to_date());
            }
            let mut connection = database.0.options.clone().connect().await.map_err(prepare_error)?;
            let checked = migrations::refuse_outdated(Connection::Sqlite(&mut connection)).await;
            connection.close().await.map_err(prepare_error)?;
            checked?;
            database.0.prepared.store(true, Ordering::Release);
            Ok(())
        })
        .await
    }

    /// Finishes running work, closes all connections and checkpoints the write-ahead log.
    pub(crate) async fn close(&self) {
        // The last closed connection checkpoints the log. It must be a writable one.
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    /// See [`crate::Database::known_sensors`].
    pub(crate) fn known_sensors(&self) -> &KnownSensors {
        &self.0.known_sensors
    }

    /// See [`crate::Database::measure_ids`].
    pub(crate) fn measure_ids(&self) -> &MeasureIds {
        &self.0.measure_ids
    }

    /// Use of the connections for reading.
    pub(crate) fn pool_use(&self) -> PoolUse {
        let most = usize::try_from(self.0.readers.options().get_max_connections()).unwrap_or(usize::MAX);
        PoolUse::new(usize::try_from(self.0.readers.size()).unwrap_or(most), self.0.readers.num_idle(), most)
    }

    /// Reads on a pooled connection. Each statement sees all data committed at its start. An
    /// abandoned read is interrupted.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::run_unless_abandoned(|abandoned| async move {
            database.require_prepared()?;
            let mut connection = database.0.readers.acquire().await.map_err(storage_error)?;
            let mut handle = connection.lock_handle().await.map_err(storage_error)?;
            // The handler stays until the next read sets its own.
            handle.set_progress_handler(STEPS_BETWEEN_CHECKS, move || !abandoned.is_cancelled());
            drop(handle);
            Ok(work(&mut connection).await?)
        })
        .await
    }

    /// Writes in one transaction. It takes the write lock at its start, so it cannot fail later
    /// because of another writer. It is committed if `work` succeeds and rolled back otherwise.
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, Fault>> + Send + 'static,
    {
        let database = self.clone();
        task::run_to_end(async move {
            database.require_prepared()?;
            let mut connection = database.0.writer.acquire().await.map_err(storage_error)?;
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(storage_error)?;
            let result = work(&mut transaction).await?;
            transaction.commit().await.map_err(storage_error)?;
            Ok(result)
        })
        .await
    }

    /// Checkpoints and truncates the write-ahead log, which holds pages from before the last
    /// changes. Waits for active readers as for any lock; `false` if they take longer.
    pub(crate) async fn checkpoint(&self) -> Result<bool, StorageError> {
        const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
        let database = self.clone();
        task::run_to_end(async move {
            let mut connection = database.0.writer.acquire().await.map_err(storage_error)?;
            let (is_busy, _, _) = query_as::<_, (i64, i64, i64)>(CHECKPOINT)
                .fetch_one(&mut *connection)
                .await
                .map_err(storage_error)?;
            Ok(is_busy == 0)
        })
        .await
    }

    /// A connection to the file, which is created with its folder where they are missing.
    async fn create(&self) -> Result<SqliteConnection, PrepareError> {
        let file = self.0.file.clone();
        let made = tokio::task::spawn_blocking(move || private_files::make(&file)).await;
        made.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|error| PrepareError::Unavailable(Arc::new(error)))?;
        let options = self.0.options.clone().create_if_missing(true).busy_timeout(PREPARE_TIMEOUT);
        options.connect().await.map_err(prepare_error)
    }

    fn require_prepared(&self) -> Result<(), StorageError> {
        if self.0.prepared.load(Ordering::Acquire) { Ok(()) } else { Err(not_prepared()) }
    }
}

fn pool(size: u32) -> PoolOptions<Sqlite> {
    PoolOptions::new()
        .max_connections(size)
        .acquire_timeout(LIMIT)
        // There is no server that could have closed the connection.
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

/// Brings the schema up to date in one transaction: of several processes one migrates while the
/// others wait, and a killed one leaves no partial change. Returns false if `stop` came while it
/// waited.
async fn migrate(
    connection: &mut SqliteConnection,
    stop: impl Future<Output = ()>,
) -> Result<bool, PrepareError> {
    let mut transaction = tokio::select! {
        begun = begin(connection) => begun?,
        never = log_waiting() => match never {},
        () = stop => return Ok(false),
    };
    migrations::refuse_foreign_tables(Connection::Sqlite(&mut transaction)).await?;
    migrations::announce(&mut Connection::Sqlite(&mut transaction)).await.map_err(prepare_error)?;
    migrations::run(Connection::Sqlite(&mut transaction)).await?;
    transaction.commit().await.map_err(prepare_error)?;
    Ok(true)
}

/// Begins a write transaction, after those of other processes.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, PrepareError> {
    use_write_ahead_log(connection).await?;
    connection.begin_with("BEGIN IMMEDIATE").await.map_err(prepare_error)
}

async fn log_waiting() -> Infallible {
    let begun = Instant::now();
    let mut ticks = interval_at(begun + LOG_AFTER, LOG_EVERY);
    loop {
        ticks.tick().await;
        info!(
            waited_seconds = begun.elapsed().as_secs(),
            "another process is writing to the database file; waiting for it"
        );
    }
}

/// Turns on the write-ahead log, a persistent setting of the file: readers and the writer then do
/// not block each other. SQLite does not wait for another process that does the same.
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
            Err(error) => return Err(prepare_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use mymonit_test_support::wait_until;
    use sqlx::query;

    use super::*;

    /// Returns no row.
    const ENDLESS: &str =
        "WITH RECURSIVE N (I) AS (SELECT 1 UNION ALL SELECT I + 1 FROM N) SELECT COUNT(*) FROM N";
    const TIMEOUT: Duration = Duration::from_secs(60);

    fn endless(connection: &mut SqliteConnection) -> BoxFuture<'_, Result<(), Fault>> {
        async {
            query(ENDLESS).execute(connection).await?;
            Ok(())
        }
        .boxed()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_abandoned_read_is_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::new(folder.path().join("mymonit.db").to_str().unwrap(), 1).unwrap();
        crate::Database::Sqlite(database.clone()).prepare().await.unwrap();
        let reading = database.clone();
        let reading = tokio::spawn(async move { reading.read(endless).await });
        wait_until("the read to begin", TIMEOUT, async || match database.pool_use() {
            PoolUse { open: 1, idle: 0, .. } => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
        .unwrap();
        reading.abort();
        // There is one connection for reading.
        wait_until("the read to end", TIMEOUT, async || {
            let read = database.read(|connection| {
                async { Ok(query_scalar::<_, i64>("SELECT 1").fetch_one(connection).await?) }.boxed()
            });
            read.await
        })
        .await
        .unwrap();
    }
}
