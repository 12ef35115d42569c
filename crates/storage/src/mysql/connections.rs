//! The pool of connections.
//!
//! sqlx has a pool, too, which asks the server whether a connection still works each time that one is given back. That
//! doubles the round trips of a read, and nearly all reads are one statement; see [`Lent`] for when it is needed here.

use std::time::Duration;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult};
use mymonit_services::ports::StorageError;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, query_as};
use tokio::time::timeout;
use tracing::{Instrument, debug};

use super::errors;
use crate::error::cause;
use crate::{Patience, PoolUse};

/// How long a connection may lie idle before it is asked whether it still works. One that was used a moment ago is
/// trusted; if its server has gone away, the one caller gets "unavailable".
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How old a connection may become. New ones are made now and then, so that several servers behind one address all
/// get their share again after one of them was away.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 60);

/// How long it may take to have what a connection is at ended.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long a connection may take to become clear of what was left on it.
const CLEAR_LIMIT: Duration = Duration::from_secs(5);

/// What each session is told. Strict mode, because without it the server clips data and reports success;
/// READ COMMITTED, because each statement has to see all that is committed, and because it takes fewer
/// locks; five seconds of waiting for a lock, so that work fails while somebody still waits for it.
pub(super) const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO', \
    SESSION innodb_lock_wait_timeout = 5";

/// What the sessions of the pool are told besides: after how many seconds the server ends a statement by itself, for when
/// nobody can tell it to. MySQL knows that for reading statements only, and counts in milliseconds. What stands behind `M!` is
/// for MariaDB alone, and what stands behind a number of this size for MySQL alone.
const STATEMENT_LIMIT: &str = "SET SESSION lock_wait_timeout = 120 /*M!100101 , SESSION max_statement_time = 120 */ \
    /*!50708 , SESSION max_execution_time = 120000 */";

/// For how many seconds they wait for a row that somebody else has locked, as [`Patience`] has it; [`SESSION`]'s is for connections
/// past the pool.
const LOCK_LIMIT: &str = "SESSION innodb_lock_wait_timeout";

/// Which session it is, and of which server: behind one address there may be several, each with numbers of its own.
const SESSION_ID: &str = "SELECT CONNECTION_ID(), CONCAT_WS(' ', @@hostname, @@port, @@datadir)";

/// Connects, and tells the session what it has to be told.
pub(super) async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(SESSION).await?;
    Ok(connection)
}

/// The connections that work takes turns on.
pub(super) struct Connections {
    pool: Pool<Maker>,
    /// For what has to be said past the pool.
    options: MySqlConnectOptions,
    /// How long work waits for a connection.
    patience: Duration,
}

impl Connections {
    /// At most so many connections. Touches no network yet.
    pub(super) fn new(options: MySqlConnectOptions, size: u32, patience: Patience) -> Self {
        let builder = Pool::builder(Maker { options: options.clone(), lock_limit: patience.lock })
            .max_size(usize::try_from(size).unwrap_or(usize::MAX).max(1))
            // The one used last knows most prepared statements, and needs no asking.
            .queue_mode(QueueMode::Lifo);
        #[expect(clippy::expect_used, reason = "only a pool with time limits of its own can lack anything")]
        let pool = builder.build().expect("a pool");
        Self { pool, options, patience: patience.connection }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// Where none is free or can be made in time, and where the server lets nobody in.
    pub(super) async fn lend(&self) -> Result<Lent, StorageError> {
        match timeout(self.patience, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(Lent(Some(connection))),
            Ok(Err(PoolError::Backend(error))) => Err(errors::storage_error(error)),
            Ok(Err(error)) => Err(StorageError::Unavailable(cause(error.to_string()))),
            Err(_) => Err(StorageError::Unavailable(cause("no database connection was to be had in time"))),
        }
    }

    /// How they are used now.
    pub(super) fn pool_use(&self) -> PoolUse {
        let status = self.pool.status();
        PoolUse::new(status.size, status.available, status.max_size)
    }

    /// Lends no more. What is lent is closed when it comes back.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// Ends what a connection is at, and the connection with it. Its place in the pool is free at once; the server is told
    /// over another connection, since it takes no notice of a closed one while it looks for rows.
    pub(super) fn end(&self, lent: Lent) {
        let Some(session) = lent.session() else { return };
        drop(lent);
        let options = self.options.clone();
        let ending = async move {
            let ended = timeout(END_LIMIT, session.end(&options)).await;
            let failure = match ended {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            // Nothing is lost by it: the server ends the statement when its own limit has passed, if it has not by then.
            debug!(why = failure, "a statement that nobody waits for could not be ended");
        };
        tokio::spawn(ending.in_current_span());
    }
}

/// A session as its server knows it.
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

    /// Ends the session and what it is at, if it can be reached and is still there.
    async fn end(&self, options: &MySqlConnectOptions) -> Result<(), sqlx::Error> {
        let mut connection = options.connect().await?;
        if Self::of(&mut connection).await?.server == self.server {
            let kill = AssertSqlSafe(format!("KILL CONNECTION {}", self.number));
            match connection.execute(kill).await {
                // It may have ended by itself.
                Err(error) if !errors::is_unknown_session(&error) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        connection.close().await
    }
}

/// A connection of the pool.
struct Session {
    connection: MySqlConnection,
    id: SessionId,
}

/// A connection out of the pool, for work that is not cut off. It goes back to the pool only by
/// [`Lent::give_back`]: one that is dropped for whatever other reason, a panic among them, may be in the middle of
/// something, and is closed, at which the server rolls back what was begun.
pub(super) struct Lent(Option<Object<Maker>>);

impl Lent {
    /// The connection.
    ///
    /// # Errors
    /// None: it is there until it is given back.
    pub(super) fn connection(&mut self) -> Result<&mut MySqlConnection, StorageError> {
        let session = self.0.as_deref_mut().map(|session| &mut session.connection);
        session.ok_or_else(|| StorageError::Internal(cause("the connection was given back")))
    }

    fn session(&self) -> Option<SessionId> {
        self.0.as_deref().map(|session| session.id.clone())
    }

    /// Gives it back as it is, after one statement that has succeeded.
    pub(super) fn give_back(mut self) {
        self.0.take();
    }

    /// Gives it back after work that may have left a transaction, which sqlx rolls back only when the connection is
    /// used again, and that must not be when others have waited for its locks.
    pub(super) async fn give_back_cleared(mut self) {
        if let Some(mut session) = self.0.take() {
            match timeout(CLEAR_LIMIT, session.connection.ping()).await {
                Ok(Ok(())) => drop(session),
                Ok(Err(_)) | Err(_) => drop(Object::take(session)),
            }
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}

/// Makes connections, and tells whether one can be lent once more.
struct Maker {
    options: MySqlConnectOptions,
    lock_limit: Duration,
}

impl Manager for Maker {
    type Type = Session;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Session, sqlx::Error> {
        let mut connection = connect(&self.options).await?;
        let seconds = self.lock_limit.as_secs().max(1);
        let limits = format!("{STATEMENT_LIMIT}, {LOCK_LIMIT} = {seconds}");
        connection.execute(AssertSqlSafe(limits)).await?;
        let id = SessionId::of(&mut connection).await?;
        Ok(Session { connection, id })
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.age() > LONGEST_LIFE {
            return Err(RecycleError::message("it is old"));
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
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap().patient();
        database.prepare().await.unwrap();
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
            // Where the machine stood still between the two, the connection was rightly asked whether it still works.
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
        // It would wait for the first one's lock in vain.
        let other = MySqlDatabase::from_url(&Faceted::new(url), 1).unwrap().patient();
        other.prepare().await.unwrap();
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
