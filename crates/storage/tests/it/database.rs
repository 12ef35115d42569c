//! A private database on either engine, through the ports and by SQL.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mymonit_logging::TracingAuditLog;
use mymonit_model::{Faceted, Timestamp, Username};
use mymonit_services::ports::{
    ApiTokenStore, AssociationStore, DirectoryStore, ExampleDataStore, ExperimentStore, FlagStore,
    IngestStore, MeasureStore, MeasureTypeStore, PublisherStore, RejectedMessageStore, SensorStore,
    StorageHealth, TokenClaims, TokenError, TokenVerifier, UserStore,
};
use mymonit_services::{MeasureService, MeasureServiceImpl, MeasureTypeServiceImpl, UserServiceImpl};
use mymonit_storage::blocks::{SealExtent, SealRange, Sealer};
use mymonit_storage::{
    Database as Handle, DatabaseComponent, DatabaseComponentParameters, DatabaseHandle, MySqlDatabase,
    PrepareError, SqlApiTokenStore, SqlAssociationStore, SqlDirectoryStore, SqlExampleDataStore,
    SqlExperimentStore, SqlFlagStore, SqlIngestStore, SqlMeasureStore, SqlMeasureTypeStore,
    SqlPublisherStore, SqlRejectedMessageStore, SqlSensorStore, SqlStorageHealth, SqlUserStore,
    SqliteDatabase,
};
use mymonit_test_support::MySqlServer;
use shaku::{Component, HasComponent as _, module};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Connections of a handle, enough for what the tests do at the same time.
pub(crate) const POOL_SIZE: u32 = 5;

/// Defines the same tests for MariaDB and SQLite. Each gets an empty database, which is prepared
/// unless `unprepared:` comes first.
macro_rules! on_every_engine {
    (@ $mysql:ident, $sqlite:ident: $(async fn $name:ident($database:ident: Database) $body:block)+) => {
        $(async fn $name($database: $crate::database::Database) $body)+

        mod mysql {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::database::Database::$mysql().await).await;
                }
            )+
        }

        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::database::Database::$sqlite().await).await;
                }
            )+
        }
    };
    (unprepared: $($tests:tt)+) => {
        $crate::database::on_every_engine! { @ empty_mysql, empty_sqlite: $($tests)+ }
    };
    ($($tests:tt)+) => {
        $crate::database::on_every_engine! { @ mysql, sqlite: $($tests)+ }
    };
}
pub(crate) use on_every_engine;

/// The same tests again with measures in blocks: all of them, some of them, or while they are
/// sealed and unsealed.
macro_rules! in_every_state {
    (@ $state:ident $($name:ident)+) => {
        mod $state {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let database = $crate::database::Database::$state().await;
                    let failure = database.sealing_failure();
                    super::$name(database).await;
                    assert_eq!(*failure.lock().unwrap(), None);
                }
            )+
        }
    };
    ($(async fn $name:ident($database:ident: Database) $body:block)+) => {
        $(async fn $name($database: $crate::database::Database) $body)+
        $crate::database::in_every_state! { @ mysql $($name)+ }
        $crate::database::in_every_state! { @ mysql_sealed $($name)+ }
        $crate::database::in_every_state! { @ mysql_half_sealed $($name)+ }
        $crate::database::in_every_state! { @ mysql_being_sealed $($name)+ }
        $crate::database::in_every_state! { @ sqlite $($name)+ }
        $crate::database::in_every_state! { @ sqlite_sealed $($name)+ }
        $crate::database::in_every_state! { @ sqlite_half_sealed $($name)+ }
        $crate::database::in_every_state! { @ sqlite_being_sealed $($name)+ }
    };
}
pub(crate) use in_every_state;

/// The stores of one handle, made by shaku as the program makes them.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) api_tokens: Arc<dyn ApiTokenStore>,
    pub(crate) experiments: Arc<dyn ExperimentStore>,
    pub(crate) associations: Arc<dyn AssociationStore>,
    pub(crate) measure_types: Arc<dyn MeasureTypeStore>,
    pub(crate) measures: Arc<dyn MeasureStore>,
    pub(crate) ingest: Arc<dyn IngestStore>,
    pub(crate) publishers: Arc<dyn PublisherStore>,
    pub(crate) rejected: Arc<dyn RejectedMessageStore>,
    pub(crate) example_data: Arc<dyn ExampleDataStore>,
    pub(crate) directory: Arc<dyn DirectoryStore>,
    pub(crate) sensors: Arc<dyn SensorStore>,
    pub(crate) flags: Arc<dyn FlagStore>,
    pub(crate) health: Arc<dyn StorageHealth>,
    pub(crate) measure_service: Arc<dyn MeasureService>,
    pub(crate) database: Arc<dyn DatabaseHandle>,
    state: State,
}

/// The measures that are sealed after they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unsealed,
    Sealed,
    /// The earlier half of those that were stored at once.
    HalfSealed,
}

/// A database that one test works in.
pub(crate) struct Database {
    stores: Stores,
    location: Location,
    churn: Option<Churn>,
}

enum Location {
    MySql { url: String },
    Sqlite { file: String, _folder: TempDir },
}

impl std::ops::Deref for Database {
    type Target = Stores;

    fn deref(&self) -> &Stores {
        &self.stores
    }
}

impl Database {
    /// A prepared database on the MariaDB server that the tests share.
    pub(crate) async fn mysql() -> Self {
        Self::prepared(Self::empty_mysql().await).await
    }

    /// A prepared database in a separate file.
    pub(crate) async fn sqlite() -> Self {
        Self::prepared(Self::empty_sqlite().await).await
    }

    pub(crate) async fn mysql_sealed() -> Self {
        Self::mysql().await.with_state(State::Sealed)
    }

    pub(crate) async fn mysql_half_sealed() -> Self {
        Self::mysql().await.with_state(State::HalfSealed)
    }

    pub(crate) async fn mysql_being_sealed() -> Self {
        Self::mysql().await.churned()
    }

    pub(crate) async fn sqlite_sealed() -> Self {
        Self::sqlite().await.with_state(State::Sealed)
    }

    pub(crate) async fn sqlite_half_sealed() -> Self {
        Self::sqlite().await.with_state(State::HalfSealed)
    }

    pub(crate) async fn sqlite_being_sealed() -> Self {
        Self::sqlite().await.churned()
    }

    fn with_state(mut self, state: State) -> Self {
        self.stores.state = state;
        self
    }

    /// The error of concurrent sealing.
    pub(crate) fn sealing_failure(&self) -> Arc<Mutex<Option<String>>> {
        self.churn.as_ref().map(|churn| churn.failure.clone()).unwrap_or_default()
    }

    fn churned(mut self) -> Self {
        self.churn = Some(Churn::start(self.stores.sealer()));
        self
    }

    pub(crate) async fn empty_mysql() -> Self {
        Self::on(MySqlServer::shared().await.unwrap()).await
    }

    /// An empty database on that server.
    pub(crate) async fn on(server: &MySqlServer) -> Self {
        let url = server.create_database().await.unwrap();
        Self { stores: mysql_stores(&url, POOL_SIZE), location: Location::MySql { url }, churn: None }
    }

    /// The name of a MySQL database on its server.
    pub(crate) fn name(&self) -> String {
        match &self.location {
            Location::MySql { url } => url.rsplit('/').next().unwrap_or_default().to_owned(),
            Location::Sqlite { .. } => panic!("a file has no such name"),
        }
    }

    /// The path of a SQLite file.
    pub(crate) fn file(&self) -> &str {
        match &self.location {
            Location::Sqlite { file, .. } => file,
            Location::MySql { .. } => panic!("a server's database has no file"),
        }
    }

    /// Creates the empty file.
    pub(crate) async fn create_file(&self) {
        let file = std::path::Path::new(self.file());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
        options.connect().await.unwrap().close().await.unwrap();
    }

    pub(crate) async fn empty_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new folder").join("mymonit.db").to_str().unwrap().to_owned();
        let stores = sqlite_stores(&file, POOL_SIZE);
        Self { stores, location: Location::Sqlite { file, _folder: folder }, churn: None }
    }

    async fn prepared(self) -> Self {
        self.prepare().await.unwrap();
        self
    }

    /// Another unprepared handle of the same database, like another process.
    pub(crate) fn other_process(&self) -> Stores {
        self.other_process_with(POOL_SIZE)
    }

    /// As [`Self::other_process`], with that many connections.
    pub(crate) fn other_process_with(&self, pool_size: u32) -> Stores {
        match &self.location {
            Location::MySql { url } => mysql_stores(url, pool_size),
            Location::Sqlite { file, .. } => sqlite_stores(file, pool_size),
        }
    }

    /// A direct connection, to see what is stored.
    pub(crate) async fn probe(&self) -> Probe {
        match &self.location {
            Location::MySql { url } => Probe::MySql(MySqlConnection::connect(url).await.unwrap()),
            Location::Sqlite { file, .. } => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
                Probe::Sqlite(options.connect().await.unwrap())
            }
        }
    }

    /// Runs statements directly.
    pub(crate) async fn execute(&self, sql: &str) {
        self.probe().await.execute(sql).await;
    }

    /// The single number that a query returns.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.probe().await.number(sql).await
    }
}

/// Seals and unseals all measures in a loop until it is dropped.
struct Churn {
    task: JoinHandle<()>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Churn {
    fn start(sealer: Sealer) -> Self {
        let failure = Arc::new(Mutex::new(None));
        let noted = failure.clone();
        let task = tokio::spawn(async move {
            loop {
                let turn = async {
                    sealer.wait_to_begin().await?;
                    sealer.seal(ALL, async |_| true).await?;
                    sealer.unseal(async |_| true).await
                };
                if let Err(error) = turn.await {
                    *noted.lock().unwrap() = Some(format!("{error:?}"));
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
        Self { task, failure }
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All measures but those of the last nanosecond.
pub(crate) const ALL: SealRange =
    SealRange { before: Timestamp::from_unix_nanos(i64::MAX).unwrap(), extent: SealExtent::Everything };

impl Stores {
    /// Makes blocks of a few measures, so that small tests have many blocks.
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(self.database.clone()).limited_to(7)
    }

    /// Seals as the variant of the database requires; `middle` is the median of the stored
    /// timestamps.
    pub(crate) async fn seal_after_storing(&self, middle: Option<Timestamp>) {
        let before = match self.state {
            State::Unsealed => return,
            State::Sealed => ALL.before,
            State::HalfSealed => middle.unwrap_or(ALL.before),
        };
        let sealer = self.sealer();
        sealer.wait_to_begin().await.unwrap();
        Box::pin(sealer.seal(SealRange { before, ..ALL }, async |_| true)).await.unwrap();
        sealer.end().await.unwrap();
    }

    pub(crate) async fn prepare(&self) -> Result<(), PrepareError> {
        self.database.database().prepare().await
    }

    pub(crate) async fn attach(&self) -> Result<(), PrepareError> {
        self.database.database().attach().await
    }

    pub(crate) async fn close(&self) {
        self.database.database().close().await;
    }
}

/// The stored fields of a rejected message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeptMessage {
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) received_at: i64,
    pub(crate) message_id: Option<Vec<u8>>,
    pub(crate) properties: String,
    pub(crate) size: i64,
    pub(crate) body: Vec<u8>,
}

/// A connection that bypasses the ports.
pub(crate) enum Probe {
    MySql(MySqlConnection),
    Sqlite(SqliteConnection),
}

type RejectedRow = (i64, String, String, i64, Option<Vec<u8>>, String, i64);

impl Probe {
    pub(crate) async fn execute(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::MySql(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
            Self::Sqlite(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
        }
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let query = AssertSqlSafe(sql.to_owned());
        match self {
            Self::MySql(connection) => sqlx::query_scalar(query).fetch_one(connection).await.unwrap(),
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_one(connection).await.unwrap(),
        }
    }

    /// The rejected messages in the order of their numbers, with their bodies put together.
    pub(crate) async fn rejected_messages(&mut self) -> Vec<KeptMessage> {
        let mut kept = Vec::new();
        for (number, reason, detail, received_at, message_id, properties, size) in self.rejected_rows().await
        {
            let body = self.body(number).await;
            kept.push(KeptMessage { reason, detail, received_at, message_id, properties, size, body });
        }
        kept
    }

    async fn rejected_rows(&mut self) -> Vec<RejectedRow> {
        const MYSQL: &str = "SELECT CAST(ID AS SIGNED), REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, \
            CAST(SIZE AS SIGNED) FROM REJECTED_MESSAGES ORDER BY ID";
        const SQLITE: &str = "SELECT ID, REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE \
            FROM REJECTED_MESSAGES ORDER BY ID";
        match self {
            Self::MySql(connection) => sqlx::query_as(MYSQL).fetch_all(connection).await.unwrap(),
            Self::Sqlite(connection) => sqlx::query_as(SQLITE).fetch_all(connection).await.unwrap(),
        }
    }

    async fn body(&mut self, number: i64) -> Vec<u8> {
        const CHUNKS: &str =
            "SELECT BODY FROM REJECTED_MESSAGE_BODIES WHERE REJECTED_MESSAGE_ID = ? ORDER BY CHUNK";
        let chunks: Vec<Vec<u8>> = match self {
            Self::MySql(connection) => {
                sqlx::query_scalar(CHUNKS).bind(number).fetch_all(connection).await.unwrap()
            }
            Self::Sqlite(connection) => {
                sqlx::query_scalar(CHUNKS).bind(number).fetch_all(connection).await.unwrap()
            }
        };
        chunks.concat()
    }
}

/// Accepts a username as a token of that user.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
struct UsernameAsToken;

#[async_trait]
impl TokenVerifier for UsernameAsToken {
    async fn claims(&self, token: &str) -> Result<TokenClaims, TokenError> {
        let username = Username::new(token).map_err(|_| TokenError::Invalid("no username"))?;
        Ok(TokenClaims { username, signed_in_at: Timestamp::now() })
    }
}

module! {
    StoresModule {
        components = [
            DatabaseComponent, SqlUserStore, SqlApiTokenStore, SqlExperimentStore, SqlAssociationStore, SqlMeasureTypeStore, SqlMeasureStore,
            SqlIngestStore, SqlPublisherStore, SqlRejectedMessageStore, SqlExampleDataStore, SqlDirectoryStore, SqlSensorStore, SqlFlagStore, SqlStorageHealth,
            MeasureServiceImpl, MeasureTypeServiceImpl, UserServiceImpl, UsernameAsToken, TracingAuditLog
        ],
        providers = []
    }
}

pub(crate) fn mysql_stores(url: &str, pool_size: u32) -> Stores {
    stores(Handle::MySql(MySqlDatabase::from_url(&Faceted::new(url.to_owned()), pool_size).unwrap()))
}

pub(crate) fn sqlite_stores(address: &str, pool_size: u32) -> Stores {
    stores(Handle::Sqlite(SqliteDatabase::new(address, pool_size).unwrap()))
}

fn stores(handle: Handle) -> Stores {
    let parameters = DatabaseComponentParameters { database: handle };
    let module = StoresModule::builder().with_component_parameters::<DatabaseComponent>(parameters).build();
    Stores {
        users: module.resolve(),
        api_tokens: module.resolve(),
        experiments: module.resolve(),
        associations: module.resolve(),
        measure_types: module.resolve(),
        measures: module.resolve(),
        ingest: module.resolve(),
        publishers: module.resolve(),
        rejected: module.resolve(),
        example_data: module.resolve(),
        directory: module.resolve(),
        sensors: module.resolve(),
        flags: module.resolve(),
        health: module.resolve(),
        measure_service: module.resolve(),
        database: module.resolve(),
        state: State::Unsealed,
    }
}
