//! A database of the test's own, on either engine, seen through the ports and past them.

use std::sync::Arc;
use std::time::Duration;

use mymonit_logging::TracingAuditLog;
use mymonit_model::Faceted;
use mymonit_services::ports::{
    AssociationStore, DirectoryStore, ExampleDataStore, ExperimentStore, IngestStore, MeasureStore,
    MeasureTypeStore, RejectedMessageStore, StorageHealth, UserStore,
};
use mymonit_services::{MeasureService, MeasureServiceImpl, MeasureTypeServiceImpl};
use mymonit_storage::{
    MySqlAssociationStore, MySqlAssociationStoreParameters, MySqlDatabase, MySqlDirectoryStore,
    MySqlDirectoryStoreParameters, MySqlExampleDataStore, MySqlExampleDataStoreParameters,
    MySqlExperimentStore, MySqlExperimentStoreParameters, MySqlIngestStore, MySqlIngestStoreParameters,
    MySqlMeasureStore, MySqlMeasureStoreParameters, MySqlMeasureTypeStore, MySqlMeasureTypeStoreParameters,
    MySqlRejectedMessageStore, MySqlRejectedMessageStoreParameters, MySqlStorageHealth,
    MySqlStorageHealthParameters, MySqlUserStore, MySqlUserStoreParameters, Patience, PrepareError,
    SqliteAssociationStore, SqliteAssociationStoreParameters, SqliteDatabase, SqliteDirectoryStore,
    SqliteDirectoryStoreParameters, SqliteExampleDataStore, SqliteExampleDataStoreParameters,
    SqliteExperimentStore, SqliteExperimentStoreParameters, SqliteIngestStore, SqliteIngestStoreParameters,
    SqliteMeasureStore, SqliteMeasureStoreParameters, SqliteMeasureTypeStore,
    SqliteMeasureTypeStoreParameters, SqliteRejectedMessageStore, SqliteRejectedMessageStoreParameters,
    SqliteStorageHealth, SqliteStorageHealthParameters, SqliteUserStore, SqliteUserStoreParameters,
};
use mymonit_test_support::MySqlServer;
use shaku::{HasComponent, module};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection, SqliteConnection};
use tempfile::TempDir;

/// Connections of a handle, enough for what the tests do at the same time.
pub(crate) const POOL_SIZE: u32 = 5;

/// Longer than a machine stands still, or a server: what is asked of a store here is to be answered.
pub(crate) const PATIENCE: Patience = Patience {
    connection: Duration::from_secs(60),
    lock: Duration::from_secs(60),
    check: Duration::from_secs(60),
    preparation: Duration::from_secs(60),
};

/// Defines the same tests for MariaDB and for SQLite. Each gets a prepared, empty database of its own.
macro_rules! on_every_engine {
    ($(async fn $name:ident($database:ident: Database) $body:block)+) => {
        $(async fn $name($database: $crate::database::Database) $body)+

        mod mysql {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::database::Database::mysql().await).await;
                }
            )+
        }

        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name($crate::database::Database::sqlite().await).await;
                }
            )+
        }
    };
}
pub(crate) use on_every_engine;

/// The stores of one handle, made by shaku as the program makes them.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) experiments: Arc<dyn ExperimentStore>,
    pub(crate) associations: Arc<dyn AssociationStore>,
    pub(crate) measure_types: Arc<dyn MeasureTypeStore>,
    pub(crate) measures: Arc<dyn MeasureStore>,
    pub(crate) ingest: Arc<dyn IngestStore>,
    pub(crate) rejected: Arc<dyn RejectedMessageStore>,
    pub(crate) example_data: Arc<dyn ExampleDataStore>,
    pub(crate) directory: Arc<dyn DirectoryStore>,
    pub(crate) health: Arc<dyn StorageHealth>,
    pub(crate) measure_service: Arc<dyn MeasureService>,
    handle: Handle,
}

#[derive(Clone)]
enum Handle {
    MySql(MySqlDatabase),
    Sqlite(SqliteDatabase),
}

/// A database that one test works in.
pub(crate) struct Database {
    stores: Stores,
    location: Location,
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

    /// A prepared database in a file of its own.
    pub(crate) async fn sqlite() -> Self {
        Self::prepared(Self::empty_sqlite()).await
    }

    pub(crate) async fn empty_mysql() -> Self {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        Self { stores: mysql_stores(&url, POOL_SIZE), location: Location::MySql { url } }
    }

    /// The name of a MySQL database on its server.
    pub(crate) fn name(&self) -> String {
        match &self.location {
            Location::MySql { url } => url.rsplit('/').next().unwrap_or_default().to_owned(),
            Location::Sqlite { .. } => panic!("a file has no such name"),
        }
    }

    pub(crate) fn empty_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new folder").join("mymonit.db").to_str().unwrap().to_owned();
        let stores = sqlite_stores(SqliteDatabase::new(&file, POOL_SIZE).unwrap().with_patience(PATIENCE));
        Self { stores, location: Location::Sqlite { file, _folder: folder } }
    }

    async fn prepared(self) -> Self {
        self.prepare().await.unwrap();
        self
    }

    /// Another handle of the same database, not prepared: what another process would have.
    pub(crate) fn other_process(&self) -> Stores {
        self.other_process_with(POOL_SIZE, PATIENCE)
    }

    /// The same, with so many connections, and with such patience.
    pub(crate) fn other_process_with(&self, pool_size: u32, patience: Patience) -> Stores {
        match &self.location {
            Location::MySql { url } => mysql_stores_with(url, pool_size, patience),
            Location::Sqlite { file, .. } => {
                sqlite_stores(SqliteDatabase::new(file, pool_size).unwrap().with_patience(patience))
            }
        }
    }

    /// A connection past the ports, to see what is really there.
    pub(crate) async fn probe(&self) -> Probe {
        match &self.location {
            Location::MySql { url } => Probe::MySql(MySqlConnection::connect(url).await.unwrap()),
            Location::Sqlite { file, .. } => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
                Probe::Sqlite(options.connect().await.unwrap())
            }
        }
    }

    /// Runs statements past the ports.
    pub(crate) async fn execute(&self, sql: &str) {
        self.probe().await.execute(sql).await;
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.probe().await.number(sql).await
    }
}

impl Stores {
    pub(crate) async fn prepare(&self) -> Result<(), PrepareError> {
        match &self.handle {
            Handle::MySql(database) => database.prepare().await,
            Handle::Sqlite(database) => database.prepare().await,
        }
    }

    pub(crate) async fn attach(&self) -> Result<(), PrepareError> {
        match &self.handle {
            Handle::MySql(database) => database.attach().await,
            Handle::Sqlite(database) => database.attach().await,
        }
    }

    pub(crate) async fn close(&self) {
        match &self.handle {
            Handle::MySql(database) => database.close(),
            Handle::Sqlite(database) => database.close().await,
        }
    }
}

/// What is kept of a rejected message.
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

/// A connection that knows nothing of the ports.
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

module! {
    MySqlModule {
        components = [
            MySqlUserStore, MySqlExperimentStore, MySqlAssociationStore, MySqlMeasureTypeStore, MySqlMeasureStore,
            MySqlIngestStore, MySqlRejectedMessageStore, MySqlExampleDataStore, MySqlDirectoryStore, MySqlStorageHealth,
            MeasureServiceImpl, MeasureTypeServiceImpl, TracingAuditLog
        ],
        providers = []
    }
}

module! {
    SqliteModule {
        components = [
            SqliteUserStore, SqliteExperimentStore, SqliteAssociationStore, SqliteMeasureTypeStore,
            SqliteMeasureStore, SqliteIngestStore, SqliteRejectedMessageStore, SqliteExampleDataStore, SqliteDirectoryStore, SqliteStorageHealth,
            MeasureServiceImpl, MeasureTypeServiceImpl, TracingAuditLog
        ],
        providers = []
    }
}

/// The stores of a module whose components all take the one handle.
macro_rules! stores {
    ($module:ty, $handle:expr, $database:expr, $($store:ty => $parameters:ident),+ $(,)?) => {{
        let module = <$module>::builder()
            $(.with_component_parameters::<$store>($parameters { database: $database.clone() }))+
            .build();
        Stores {
            users: module.resolve(),
            experiments: module.resolve(),
            associations: module.resolve(),
            measure_types: module.resolve(),
            measures: module.resolve(),
            ingest: module.resolve(),
            rejected: module.resolve(),
            example_data: module.resolve(),
            directory: module.resolve(),
            health: module.resolve(),
            measure_service: module.resolve(),
            handle: $handle($database),
        }
    }};
}

pub(crate) fn mysql_stores(url: &str, pool_size: u32) -> Stores {
    mysql_stores_with(url, pool_size, PATIENCE)
}

pub(crate) fn mysql_stores_with(url: &str, pool_size: u32, patience: Patience) -> Stores {
    let database = MySqlDatabase::from_url(&Faceted::new(url.to_owned()), pool_size).unwrap();
    let database = database.with_patience(patience);
    stores!(
        MySqlModule,
        Handle::MySql,
        database,
        MySqlDirectoryStore => MySqlDirectoryStoreParameters,
        MySqlUserStore => MySqlUserStoreParameters,
        MySqlExperimentStore => MySqlExperimentStoreParameters,
        MySqlAssociationStore => MySqlAssociationStoreParameters,
        MySqlMeasureTypeStore => MySqlMeasureTypeStoreParameters,
        MySqlMeasureStore => MySqlMeasureStoreParameters,
        MySqlIngestStore => MySqlIngestStoreParameters,
        MySqlRejectedMessageStore => MySqlRejectedMessageStoreParameters,
        MySqlExampleDataStore => MySqlExampleDataStoreParameters,
        MySqlStorageHealth => MySqlStorageHealthParameters,
    )
}

pub(crate) fn sqlite_stores(database: SqliteDatabase) -> Stores {
    stores!(
        SqliteModule,
        Handle::Sqlite,
        database,
        SqliteDirectoryStore => SqliteDirectoryStoreParameters,
        SqliteUserStore => SqliteUserStoreParameters,
        SqliteExperimentStore => SqliteExperimentStoreParameters,
        SqliteAssociationStore => SqliteAssociationStoreParameters,
        SqliteMeasureTypeStore => SqliteMeasureTypeStoreParameters,
        SqliteMeasureStore => SqliteMeasureStoreParameters,
        SqliteIngestStore => SqliteIngestStoreParameters,
        SqliteRejectedMessageStore => SqliteRejectedMessageStoreParameters,
        SqliteExampleDataStore => SqliteExampleDataStoreParameters,
        SqliteStorageHealth => SqliteStorageHealthParameters,
    )
}
