//! The connection pool.
//!
//! Not sqlx's: that one pings the server each time that a connection is released, which doubles the
//! round trips of a read. Nearly all reads are one statement; [`PooledConnection`] says when a ping
//! is needed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult};
use mymonit_services::ports::StorageError;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, query_as};
use tokio::time::timeout;
use tracing::{Instrument, debug, info};

use super::errors;
use crate::PoolUse;
use crate::error::{cause, storage_error};

/// Idle time after which a connection is pinged before its next use. If one that was used more
/// recently is broken, its caller gets "unavailable".
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Lifetime of a connection. After an outage of one of the servers behind one address, new
/// connections spread over them.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Limit of killing a connection at the server.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// Limit of rolling back an open transaction.
const RESET_LIMIT: Duration = Duration::from_secs(5);

/// Limit of waiting for a free connection, and for a new one.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);

/// Settings of every session. Strict mode, because without it the server clips data and reports
/// success; READ COMMITTED, because each statement must see all that is committed, and because it
/// takes fewer locks; a lock timeout of five seconds, so that work fails before its caller gives
/// up.
pub(super) const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO', \
    SESSION innodb_lock_wait_timeout = 5";

/// Settings of pooled sessions: a limit, in seconds, after which the server ends a statement by
/// itself, for when this process cannot kill it. MySQL has one for reading statements only, in
/// milliseconds. `/*M!` is for MariaDB alone, `/*!50708` for MySQL alone.
const STATEMENT_LIMIT: &str = "SET SESSION lock_wait_timeout = 120 /*M!100101 , SESSION max_statement_time = 120 */ \
    /*!50708 , SESSION max_execution_time = 120000 */";

/// The session, and its server: behind one address there may be several, each with its own numbers.
const SESSION_ID: &str = "SELECT CONNECTION_ID(), CONCAT_WS(' ', @@hostname, @@port, @@datadir)";

/// Connects and sets the session up.
pub(super) async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(SESSION).await?;
    Ok(connection)
}

/// The connection pool.
pub(super) struct Connections {
    pool: Pool<ConnectionManager>,
    options: MySqlConnectOptions,
}

impl Connections {
    /// A pool of at most that many connections. Touches no network yet.
    pub(super) fn new(options: MySqlConnectOptions, size: u32) -> Self {
        let manager = ConnectionManager { options: options.clone(), generation: AtomicU64::new(0) };
        let builder = Pool::builder(manager)
            .max_size(usize::try_from(size).unwrap_or(usize::MAX).max(1))
            // The one used last has most prepared statements, and needs no ping.
            .queue_mode(QueueMode::Lifo);
        #[expect(clippy::expect_used, reason = "only a pool with its own timeouts can fail to build")]
        let pool = builder.build().expect("a pool");
        Self { pool, options }
    }

    /// Takes a connection from the pool.
    ///
    /// # Errors
    /// If none is free or can be made in time, or the server refuses it.
    pub(super) async fn acquire(&self) -> Result<PooledConnection, StorageError> {
        match timeout(ACQUIRE_LIMIT, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(PooledConnection(Some(connection))),
            Ok(Err(PoolError::Backend(error))) => Err(storage_error(error)),
            Ok(Err(error)) => Err(StorageError::Unavailable(cause(error.to_string()))),
            Err(_) => Err(StorageError::Unavailable(cause("no database connection became free in time"))),
        }
    }

    /// Use of the pool.
    pub(super) fn pool_use(&self) -> PoolUse {
        let status = self.pool.status();
        PoolUse::new(status.size, status.available, status.max_size)
    }

    /// Closes the pool. A connection in use is closed when it is released.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// Closes each connection before its next use, because the server has become read-only: the
    /// address may lead to another one by now.
    pub(super) fn renew(&self) {
        info!("the database server is read-only; closing its connections");
        self.pool.manager().generation.fetch_add(1, Ordering::Release);
    }

    /// Closes a connection and kills its statement. Its slot in the pool is free at once. The
    /// kill goes over another connection, since the server ignores a closed one while it scans.
    pub(super) fn kill(&self, connection: PooledConnection) {
        let Some(session) = connection.session() else { return };
        drop(connection);
        let options = self.options.clone();
        let killing = async move {
            let reason = match timeout(KILL_LIMIT, session.kill(&options)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            // The server ends the statement at its own limit.
            debug!(reason, "failed to kill an abandoned query");
        };
        tokio::spawn(killing.in_current_span());
    }
}

/// A session as the server identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SessionId {
    number: u64,
    server: String,
}

impl SessionId {
    async fn of(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        let (number, server) = query_as(SESSION_ID).fetch_one(connection).await?;
        Ok(Self { number, server })
    }

    /// Kills the session and its statement, if it still exists.
    async fn kill(&self, options: &MySqlConnectOptions) -> Result<(), sqlx::Error> {
        let mut connection = options.connect().await?;
        if Self::of(&mut connection).await?.server == self.server {
            let kill = AssertSqlSafe(format!("KILL CONNECTION {}", self.number));
            match connection.execute(kill).await {
                // It may have ended already.
                Err(error) if !errors::is_unknown_session(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        connection.close().await
    }
}

/// A connection in the pool.
struct Session {
    connection: MySqlConnection,
    id: SessionId,
    generation: u64,
}

/// A connection taken from the pool. It returns only by [`Self::release`] and
/// [`Self::reset_and_release`]. One that is dropped otherwise, as in a panic, may be in the middle
/// of a statement: it is closed, and the server rolls back.
pub(super) struct PooledConnection(Option<Object<ConnectionManager>>);

impl PooledConnection {
    /// The connection.
    ///
    /// # Errors
    /// None before the release.
    pub(super) fn get(&mut self) -> Result<&mut MySqlConnection, StorageError> {
        let session = self.0.as_deref_mut().map(|session| &mut session.connection);
        session.ok_or_else(|| StorageError::Internal(cause("the connection was released")))
    }

    fn session(&self) -> Option<SessionId> {
        self.0.as_deref().map(|session| session.id.clone())
    }

    /// Returns it as it is, after one statement that has succeeded.
    pub(super) fn release(mut self) {
        self.0.take();
    }

    /// Returns it after work that may have left a transaction open. sqlx rolls back only at the
    /// next use; by then others may have waited for its locks.
    pub(super) async fn reset_and_release(mut self) {
        if let Some(mut session) = self.0.take() {
            match timeout(RESET_LIMIT, session.connection.ping()).await {
                Ok(Ok(())) => drop(session),
                Ok(Err(_)) | Err(_) => drop(Object::take(session)),
            }
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}

/// Makes connections and checks them before reuse.
struct ConnectionManager {
    options: MySqlConnectOptions,
    /// Connections of earlier generations are closed.
    generation: AtomicU64,
}

impl Manager for ConnectionManager {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut connection = connect(&self.options).await?;
        connection.execute(STATEMENT_LIMIT).await?;
        let id = SessionId::of(&mut connection).await?;
        Ok(Session { connection, id, generation })
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAX_LIFETIME {
            return Err(RecycleError::message("its lifetime is over"));
        }
        if session.generation != self.generation.load(Ordering::Acquire) {
            return Err(RecycleError::message("the server has become read-only"));
        }
        if metrics.last_used() > TRUSTED_IDLE {
            session.connection.ping().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use mymonit_model::Faceted;
    use mymonit_test_support::MySqlServer;
    use sqlx::{query, query_scalar};
    use tokio::time::Instant;

    use super::*;
    use crate::mysql::MySqlDatabase;

    /// A database with one connection, and the address of it.
    async fn database() -> (MySqlDatabase, String) {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap();
        crate::Database::MySql(database.clone()).prepare().await.unwrap();
        (database, url)
    }

    /// The number of the session of the connection that is lent.
    async fn session(database: &MySqlDatabase) -> u64 {
        database
            .read(|connection| {
                async { Ok(query_scalar("SELECT CONNECTION_ID()").fetch_one(connection).await?) }.boxed()
            })
            .await
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_read_is_one_question_to_the_server() {
        const PINGS: &str = "SHOW SESSION STATUS LIKE 'Com_admin_commands'";
        let (database, _) = database().await;
        let pings = async || {
            database
                .read(|connection| {
                    async { Ok(query_as::<_, (String, String)>(PINGS).fetch_one(connection).await?) }.boxed()
                })
                .await
                .unwrap()
        };
        for _ in 0..100 {
            let began = Instant::now();
            let (before, after) = (pings().await, pings().await);
            // If the host stalled between the two, the connection was pinged, which is right.
            if began.elapsed() < TRUSTED_IDLE {
                assert_eq!(before, after);
                return;
            }
        }
        panic!("two reads always take a second");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_transaction_that_is_left_is_rolled_back_before_the_connection_is_lent_again() {
        let (database, url) = database().await;
        let leave = database.write(|connection| {
            async {
                let mut transaction = sqlx::Connection::begin(connection).await?;
                query("INSERT INTO EXPERIMENTS (NAME) VALUES ('left')").execute(&mut *transaction).await?;
                Ok(())
            }
            .boxed()
        });
        leave.await.unwrap();
        // It would wait for the first one's lock and time out.
        let other = MySqlDatabase::from_url(&Faceted::new(url), 1).unwrap();
        other.attach().await.unwrap();
        let insert = other.write(|connection| {
            async {
                query("INSERT INTO EXPERIMENTS (NAME) VALUES ('left')").execute(connection).await?;
                Ok(())
            }
            .boxed()
        });
        insert.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_whose_work_panicked_is_not_lent_again() {
        let (database, _) = database().await;
        let before = session(&database).await;
        assert_eq!(session(&database).await, before);
        database.read::<(), _>(|_| async { panic!("a defect") }.boxed()).await.unwrap_err();
        assert_ne!(session(&database).await, before);
    }
}
