//! Dependency injection: which component stands behind which trait. shaku's modules stay in this file; the rest
//! of the program is handed the resolved services.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use mymonit_auth::{
    EmulatorTokenVerifier, EmulatorTokenVerifierParameters, EvaluationKey, EvaluationTokenVerifier,
    EvaluationTokenVerifierParameters, FirebaseTokenVerifier, FirebaseTokenVerifierParameters, SigningKeys,
};
use mymonit_logging::TracingAuditLog;
use mymonit_rest_listener::{HealthState, Page, RestState};
use mymonit_services::audit::AuditLog;
use mymonit_services::directory::{DirectoryService, DirectoryServiceImpl};
use mymonit_services::ports::{
    AssociationStore, DirectoryStore, ExampleDataStore, ExperimentStore, IngestStore, MeasureStore,
    MeasureTypeStore, RejectedMessageStore, StorageHealth, TokenVerifier, UserStore,
};
use mymonit_services::{
    ExperimentService, ExperimentServiceImpl, IngestService, IngestServiceImpl, MeasureExportService,
    MeasureExportServiceImpl, MeasureImport, MeasureService, MeasureServiceImpl, MeasureTypeService,
    MeasureTypeServiceImpl, PartState, ReadinessProbe, RejectedMessageService, RejectedMessageServiceImpl,
    RejectedMessageServiceImplParameters, UserService, UserServiceImpl,
};
use mymonit_storage::{
    MySqlAssociationStore, MySqlAssociationStoreParameters, MySqlDatabase, MySqlDirectoryStore,
    MySqlDirectoryStoreParameters, MySqlExampleDataStore, MySqlExampleDataStoreParameters,
    MySqlExperimentStore, MySqlExperimentStoreParameters, MySqlIngestStore, MySqlIngestStoreParameters,
    MySqlMeasureStore, MySqlMeasureStoreParameters, MySqlMeasureTypeStore, MySqlMeasureTypeStoreParameters,
    MySqlRejectedMessageStore, MySqlRejectedMessageStoreParameters, MySqlSettings, MySqlStorageHealth,
    MySqlStorageHealthParameters, MySqlUserStore, MySqlUserStoreParameters, PoolUse, PrepareError,
    SqliteAssociationStore, SqliteAssociationStoreParameters, SqliteDatabase, SqliteDirectoryStore,
    SqliteDirectoryStoreParameters, SqliteExampleDataStore, SqliteExampleDataStoreParameters,
    SqliteExperimentStore, SqliteExperimentStoreParameters, SqliteIngestStore, SqliteIngestStoreParameters,
    SqliteMeasureStore, SqliteMeasureStoreParameters, SqliteMeasureTypeStore,
    SqliteMeasureTypeStoreParameters, SqliteRejectedMessageStore, SqliteRejectedMessageStoreParameters,
    SqliteStorageHealth, SqliteStorageHealthParameters, SqliteUserStore, SqliteUserStoreParameters,
};
use shaku::{HasComponent, module};

use crate::configuration::{AuthConfiguration, ConfigurationError, DatabaseConfiguration, DatabaseLocation};
use crate::metrics::{ExperimentActivity, WatchingIngestObserver, WatchingIngestObserverParameters};
use crate::preparation::Preparation;

/// Everything that keeps data, on one engine.
pub(crate) trait StorageModule:
    HasComponent<dyn UserStore>
    + HasComponent<dyn ExperimentStore>
    + HasComponent<dyn AssociationStore>
    + HasComponent<dyn MeasureTypeStore>
    + HasComponent<dyn MeasureStore>
    + HasComponent<dyn IngestStore>
    + HasComponent<dyn RejectedMessageStore>
    + HasComponent<dyn ExampleDataStore>
    + HasComponent<dyn DirectoryStore>
    + HasComponent<dyn StorageHealth>
    + Send
    + Sync
{
}

module! {
    MySqlStorageModule: StorageModule {
        components = [
            MySqlUserStore, MySqlExperimentStore, MySqlAssociationStore, MySqlMeasureTypeStore, MySqlMeasureStore,
            MySqlIngestStore, MySqlRejectedMessageStore, MySqlExampleDataStore, MySqlDirectoryStore, MySqlStorageHealth
        ],
        providers = []
    }
}

module! {
    SqliteStorageModule: StorageModule {
        components = [
            SqliteUserStore, SqliteExperimentStore, SqliteAssociationStore, SqliteMeasureTypeStore,
            SqliteMeasureStore, SqliteIngestStore, SqliteRejectedMessageStore, SqliteExampleDataStore,
            SqliteDirectoryStore, SqliteStorageHealth
        ],
        providers = []
    }
}

/// Builds a storage module: every store is handed the same handle.
macro_rules! storage_module {
    ($module:ty, $database:expr, $($store:ty => $parameters:ident),+ $(,)?) => {
        <$module>::builder()
            $(.with_component_parameters::<$store>($parameters { database: $database.clone() }))+
            .build()
    };
}

fn mysql_module(database: &MySqlDatabase) -> MySqlStorageModule {
    storage_module!(
        MySqlStorageModule, database,
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

fn sqlite_module(database: &SqliteDatabase) -> SqliteStorageModule {
    storage_module!(
        SqliteStorageModule, database,
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

/// The storage, whichever engine it is on.
pub(crate) struct Storage {
    engine: Engine,
    module: Arc<dyn StorageModule>,
    preparation: Preparation,
}

#[derive(Clone)]
enum Engine {
    MySql(MySqlDatabase),
    Sqlite(SqliteDatabase),
}

impl Storage {
    /// Makes the handles; touches neither network nor disk.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub(crate) fn open(configuration: DatabaseConfiguration) -> Result<Self, ConfigurationError> {
        let DatabaseConfiguration { location, pool_size } = configuration;
        let refused = |error| ConfigurationError(format!("DATABASE_URL cannot be used: {error}"));
        let mysql = |database: MySqlDatabase| Self {
            module: Arc::new(mysql_module(&database)),
            engine: Engine::MySql(database),
            preparation: Preparation::default(),
        };
        Ok(match location {
            DatabaseLocation::MySqlUrl(url) => {
                mysql(MySqlDatabase::from_url(&url, pool_size).map_err(refused)?)
            }
            DatabaseLocation::MySql { user, password, host, port, database } => {
                let settings = MySqlSettings { user, password, host, port, database };
                mysql(MySqlDatabase::new(&settings, pool_size))
            }
            DatabaseLocation::Sqlite(path) => {
                let database = SqliteDatabase::new(&path, pool_size).map_err(refused)?;
                Self {
                    module: Arc::new(sqlite_module(&database)),
                    engine: Engine::Sqlite(database),
                    preparation: Preparation::default(),
                }
            }
        })
    }

    /// Brings the schema up to date; safe from several processes at once.
    pub(crate) async fn prepare(&self) -> Result<(), PrepareError> {
        match &self.engine {
            Engine::MySql(database) => database.prepare().await,
            Engine::Sqlite(database) => database.prepare().await,
        }
    }

    /// The same, unless `stop` comes while another process does so: then nothing is done, and the answer is false.
    pub(crate) async fn prepare_unless(
        &self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<bool, PrepareError> {
        match &self.engine {
            Engine::MySql(database) => database.prepare_unless(stop).await,
            Engine::Sqlite(database) => database.prepare_unless(stop).await,
        }
    }

    /// Uses the database as it is, for commands that are to change nothing but what they are told.
    pub(crate) async fn attach(&self) -> Result<(), PrepareError> {
        match &self.engine {
            Engine::MySql(database) => database.attach().await,
            Engine::Sqlite(database) => database.attach().await,
        }
    }

    /// The users, for the command line.
    pub(crate) fn users(&self) -> Arc<dyn UserStore> {
        self.module.resolve()
    }

    /// Where the example data go.
    pub(crate) fn example_data(&self) -> Arc<dyn ExampleDataStore> {
        self.module.resolve()
    }

    /// Says that everything is in the database that has to be there before the first message.
    pub(crate) fn prepared(&self) {
        self.preparation.finish();
    }

    /// Where messages go.
    pub(crate) fn ingest(&self) -> Arc<dyn IngestStore> {
        self.module.resolve()
    }

    /// How the connections to the database are used.
    pub(crate) fn pool(&self) -> PoolWatch {
        PoolWatch(self.engine.clone())
    }

    /// Tells whether the database answers.
    pub(crate) fn probe(&self) -> Arc<dyn ReadinessProbe> {
        Arc::new(DatabaseProbe { health: self.module.resolve(), preparation: self.preparation.clone() })
    }
}

/// Tells how the connections to the database are used.
#[derive(Clone)]
pub(crate) struct PoolWatch(Engine);

impl PoolWatch {
    pub(crate) fn now(&self) -> PoolUse {
        match &self.0 {
            Engine::MySql(database) => database.pool_use(),
            Engine::Sqlite(database) => database.pool_use(),
        }
    }
}

impl fmt::Debug for PoolWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}

/// How long a database may take to answer before it counts as away.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

struct DatabaseProbe {
    health: Arc<dyn StorageHealth>,
    preparation: Preparation,
}

#[async_trait]
impl ReadinessProbe for DatabaseProbe {
    fn part(&self) -> &'static str {
        "database"
    }

    async fn state(&self) -> PartState {
        match tokio::time::timeout(PROBE_TIMEOUT, self.health.check()).await {
            Ok(Ok(())) if !self.preparation.is_finished() => PartState { ready: false, state: "preparing" },
            Ok(Ok(())) => PartState { ready: true, state: "up" },
            Ok(Err(_)) | Err(_) => PartState { ready: false, state: "unavailable" },
        }
    }
}

module! {
    OperatorModule {
        components = [
            DirectoryServiceImpl, MeasureExportServiceImpl, IngestServiceImpl, MeasureTypeServiceImpl, TracingAuditLog,
            WatchingIngestObserver
        ],
        providers = [],

        use dyn StorageModule {
            components = [
                dyn DirectoryStore, dyn ExperimentStore, dyn MeasureTypeStore, dyn MeasureStore, dyn IngestStore
            ],
            providers = []
        }
    }
}

/// What an operator does on the command line. Nobody signs in for it: who has the database's credentials may.
pub(crate) struct OperatorServices {
    pub(crate) directory: Arc<dyn DirectoryService>,
    pub(crate) measure_export: Arc<dyn MeasureExportService>,
    pub(crate) measure_import: MeasureImport,
}

impl OperatorServices {
    /// Puts the services on top of the storage. Lines of at most that many bytes are stored.
    pub(crate) fn build(storage: &Storage, max_message_bytes: usize) -> Self {
        let observer = WatchingIngestObserverParameters { activity: Arc::default() };
        let module = OperatorModule::builder(storage.module.clone())
            .with_component_parameters::<WatchingIngestObserver>(observer)
            .build();
        let ingest: Arc<dyn IngestService> = module.resolve();
        let audit: Arc<dyn AuditLog> = module.resolve();
        Self {
            directory: module.resolve(),
            measure_export: module.resolve(),
            measure_import: MeasureImport::new(ingest, audit, max_message_bytes),
        }
    }
}

/// Who judges tokens.
pub(crate) trait AuthModule: HasComponent<dyn TokenVerifier> {}

module! {
    FirebaseModule: AuthModule { components = [FirebaseTokenVerifier], providers = [] }
}

module! {
    EmulatorModule: AuthModule { components = [EmulatorTokenVerifier], providers = [] }
}

module! {
    EvaluationModule: AuthModule { components = [EvaluationTokenVerifier], providers = [] }
}

module! {
    IngestModule {
        components = [IngestServiceImpl, MeasureTypeServiceImpl, TracingAuditLog, WatchingIngestObserver],
        providers = [],

        use dyn StorageModule {
            components = [dyn IngestStore, dyn ExperimentStore, dyn MeasureTypeStore],
            providers = []
        }
    }
}

module! {
    ClientModule {
        components = [
            UserServiceImpl, ExperimentServiceImpl, MeasureTypeServiceImpl, MeasureServiceImpl,
            RejectedMessageServiceImpl, TracingAuditLog
        ],
        providers = [],

        use dyn StorageModule {
            components = [
                dyn UserStore, dyn ExperimentStore, dyn AssociationStore, dyn MeasureTypeStore, dyn MeasureStore,
                dyn RejectedMessageStore
            ],
            providers = []
        },
        use dyn AuthModule {
            components = [dyn TokenVerifier],
            providers = []
        }
    }
}

/// The judge of tokens that the configuration asks for.
///
/// # Errors
/// If evaluation mode's key can be neither read nor made.
pub(crate) fn auth_module(configuration: AuthConfiguration) -> anyhow::Result<Arc<dyn AuthModule>> {
    Ok(match configuration {
        AuthConfiguration::Firebase { project_id, certificates } => {
            let keys = Arc::new(SigningKeys::start(certificates)?);
            let parameters = FirebaseTokenVerifierParameters { project_id, keys };
            Arc::new(
                FirebaseModule::builder()
                    .with_component_parameters::<FirebaseTokenVerifier>(parameters)
                    .build(),
            )
        }
        AuthConfiguration::Emulator { project_id, .. } => {
            let parameters = EmulatorTokenVerifierParameters { project_id };
            Arc::new(
                EmulatorModule::builder()
                    .with_component_parameters::<EmulatorTokenVerifier>(parameters)
                    .build(),
            )
        }
        AuthConfiguration::Evaluation { key_file } => {
            let key = EvaluationKey::read_or_create(&key_file)
                .context("the key that signs evaluation mode's tokens can be neither read nor made")?;
            let parameters = EvaluationTokenVerifierParameters { key };
            let builder = EvaluationModule::builder();
            Arc::new(builder.with_component_parameters::<EvaluationTokenVerifier>(parameters).build())
        }
    })
}

/// What the Rabbit listener is handed: services, each resolved once, and never the container.
pub(crate) struct IngestServices {
    pub(crate) ingest: Arc<dyn IngestService>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) activity: Arc<ExperimentActivity>,
}

impl IngestServices {
    /// Puts the services on top of the storage.
    pub(crate) fn build(storage: &Storage) -> Self {
        let activity = Arc::<ExperimentActivity>::default();
        let observer = WatchingIngestObserverParameters { activity: activity.clone() };
        let module = IngestModule::builder(storage.module.clone())
            .with_component_parameters::<WatchingIngestObserver>(observer)
            .build();
        let ingest = storage.preparation.clone().guard(module.resolve());
        Self { ingest, audit: module.resolve(), activity }
    }
}

/// What the REST listener is handed: services, each resolved once, and never the container.
pub(crate) struct ClientServices {
    pub(crate) users: Arc<dyn UserService>,
    pub(crate) experiments: Arc<dyn ExperimentService>,
    pub(crate) measures: Arc<dyn MeasureService>,
    pub(crate) measure_types: Arc<dyn MeasureTypeService>,
    pub(crate) rejected_messages: Arc<dyn RejectedMessageService>,
}

impl ClientServices {
    /// Puts the services on top of the storage and the judge of tokens. Messages of at most that many bytes are
    /// stored.
    pub(crate) fn build(storage: &Storage, auth: Arc<dyn AuthModule>, max_message_bytes: usize) -> Self {
        let parameters = RejectedMessageServiceImplParameters { max_message_bytes };
        let module = ClientModule::builder(storage.module.clone(), auth)
            .with_component_parameters::<RejectedMessageServiceImpl>(parameters)
            .build();
        Self {
            users: module.resolve(),
            experiments: module.resolve(),
            measures: module.resolve(),
            measure_types: module.resolve(),
            rejected_messages: module.resolve(),
        }
    }

    /// Everything that the REST listener is handed.
    pub(crate) fn with(self, health: HealthState, page: Page) -> RestState {
        RestState {
            users: self.users,
            experiments: self.experiments,
            measures: self.measures,
            measure_types: self.measure_types,
            rejected_messages: self.rejected_messages,
            health,
            page,
        }
    }
}
