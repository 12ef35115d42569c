//! Dependency injection: binds components to traits. shaku's modules stay in this file; the rest
//! of the program gets the resolved services.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use mymonit_auth::{
    EmulatorTokenVerifier, EmulatorTokenVerifierParameters, EvaluationKey, EvaluationTokenVerifier,
    EvaluationTokenVerifierParameters, FirebaseTokenVerifier, FirebaseTokenVerifierParameters, SigningKeys,
    TokenMetrics,
};
use mymonit_logging::TracingAuditLog;
use mymonit_rest_listener::{HealthState, Page, RestState};
use mymonit_services::audit::AuditLog;
use mymonit_services::directory::{DirectoryService, DirectoryServiceImpl};
use mymonit_services::ports::{
    ApiTokenStore, AssociationStore, DirectoryStore, ExampleDataStore, ExperimentStore, FlagStore,
    IngestStore, MeasureStore, MeasureTypeStore, PublisherStore, RejectedMessageStore, SensorStore,
    StorageHealth, TokenVerifier, UserStore,
};
use mymonit_services::{
    ApiTokenService, ApiTokenServiceImpl, ApiTokenServiceImplParameters, ExperimentService,
    ExperimentServiceImpl, FlagService, FlagServiceImpl, IngestService, IngestServiceImpl,
    IngestServiceImplParameters, MeasureService, MeasureServiceImpl, MeasureTypeService,
    MeasureTypeServiceImpl, PartState, PublisherService, PublisherServiceImpl, ReadinessProbe,
    RejectedMessageService, RejectedMessageServiceImpl, RejectedMessageServiceImplParameters, RejectedQuota,
    SensorService, SensorServiceImpl, UserRate, UserService, UserServiceImpl, UserServiceImplParameters,
};
use mymonit_storage::blocks::Sealer;
use mymonit_storage::{
    Database, DatabaseComponent, DatabaseComponentParameters, LegacyImport, MySqlDatabase, MySqlSettings,
    MySqlTls, SqlApiTokenStore, SqlAssociationStore, SqlDirectoryStore, SqlExampleDataStore,
    SqlExperimentStore, SqlFlagStore, SqlIngestStore, SqlMeasureStore, SqlMeasureTypeStore,
    SqlPublisherStore, SqlRejectedMessageStore, SqlSensorStore, SqlStorageHealth, SqlUserStore,
    SqliteDatabase,
};
use shaku::{HasComponent, module};

use crate::configuration::{AuthConfiguration, ConfigurationError, DatabaseConfiguration, DatabaseLocation};
use crate::experiment_activity::{
    ExperimentActivity, WatchingIngestObserver, WatchingIngestObserverParameters,
};
use crate::preparation::Preparation;

module! {
    StorageModule {
        components = [
            DatabaseComponent, SqlUserStore, SqlApiTokenStore, SqlExperimentStore, SqlAssociationStore, SqlMeasureTypeStore, SqlMeasureStore,
            SqlPublisherStore, SqlSensorStore, SqlFlagStore,
            SqlIngestStore, SqlRejectedMessageStore, SqlExampleDataStore, SqlDirectoryStore, SqlStorageHealth
        ],
        providers = []
    }
}

/// The database and its stores.
pub(crate) struct Storage {
    database: Database,
    tls: MySqlTls,
    module: Arc<StorageModule>,
    preparation: Preparation,
}

impl Storage {
    /// Makes the handle; touches neither network nor disk.
    ///
    /// # Errors
    /// If the address cannot be used.
    pub(crate) fn open(configuration: DatabaseConfiguration) -> Result<Self, ConfigurationError> {
        let DatabaseConfiguration { location, tls, pool_size } = configuration;
        let refused = |error| ConfigurationError(format!("DATABASE_URL cannot be used: {error}"));
        let database = match location {
            DatabaseLocation::MySqlUrl(url) => {
                Database::MySql(MySqlDatabase::from_url_with(&url, &tls, pool_size).map_err(refused)?)
            }
            DatabaseLocation::MySql { user, password, host, port, database } => {
                let tls = tls.clone();
                let settings = MySqlSettings { user, password, host, port, database, tls };
                let refused = |error| ConfigurationError(format!("DB_SSL_MODE cannot be used: {error}"));
                Database::MySql(MySqlDatabase::new(&settings, pool_size).map_err(refused)?)
            }
            DatabaseLocation::Sqlite(path) => {
                Database::Sqlite(SqliteDatabase::new(&path, pool_size).map_err(refused)?)
            }
        };
        let parameters = DatabaseComponentParameters { database: database.clone() };
        let module =
            StorageModule::builder().with_component_parameters::<DatabaseComponent>(parameters).build();
        Ok(Self { database, tls, module: Arc::new(module), preparation: Preparation::default() })
    }

    /// The handle: to prepare the database and to watch its pool.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The import of `mymonit import-legacy`.
    pub(crate) fn legacy_import(&self) -> LegacyImport {
        LegacyImport {
            tls: self.tls.clone(),
            database: self.module.resolve(),
            directory: self.module.resolve(),
            ingest: self.module.resolve(),
            measures: self.module.resolve(),
        }
    }

    /// The sealer.
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(self.module.resolve())
    }

    /// The users, for the command line.
    pub(crate) fn users(&self) -> Arc<dyn UserStore> {
        self.module.resolve()
    }

    /// The store of the example data.
    pub(crate) fn example_data(&self) -> Arc<dyn ExampleDataStore> {
        self.module.resolve()
    }

    /// Marks the database as prepared for the first message.
    pub(crate) fn prepared(&self) {
        self.preparation.finish();
    }

    /// The store of ingest.
    pub(crate) fn ingest(&self) -> Arc<dyn IngestStore> {
        self.module.resolve()
    }

    /// Checks that the database is reachable.
    pub(crate) fn probe(&self) -> Arc<dyn ReadinessProbe> {
        Arc::new(DatabaseProbe { health: self.module.resolve(), preparation: self.preparation.clone() })
    }
}

/// How long a database may take to answer before it counts as unavailable.
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
        components = [DirectoryServiceImpl, TracingAuditLog],
        providers = [],

        use StorageModule { components = [dyn DirectoryStore], providers = [] }
    }
}

/// The directory service of the CLI, which needs the database's credentials but no token.
pub(crate) fn directory_service(storage: &Storage) -> Arc<dyn DirectoryService> {
    OperatorModule::builder(storage.module.clone()).build().resolve()
}

/// Provides the token verifier.
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

        use StorageModule {
            components = [
                dyn IngestStore, dyn ExperimentStore, dyn PublisherStore, dyn MeasureTypeStore, dyn RejectedMessageStore
            ],
            providers = []
        }
    }
}

module! {
    ClientModule {
        components = [
            UserServiceImpl, ApiTokenServiceImpl, ExperimentServiceImpl, MeasureTypeServiceImpl, MeasureServiceImpl,
            PublisherServiceImpl, RejectedMessageServiceImpl, SensorServiceImpl, FlagServiceImpl, TracingAuditLog
        ],
        providers = [],

        use StorageModule {
            components = [
                dyn UserStore, dyn ApiTokenStore, dyn ExperimentStore, dyn AssociationStore, dyn MeasureTypeStore, dyn MeasureStore,
                dyn PublisherStore, dyn RejectedMessageStore, dyn SensorStore, dyn FlagStore
            ],
            providers = []
        },
        use dyn AuthModule {
            components = [dyn TokenVerifier],
            providers = []
        }
    }
}

/// The token verifier of the configuration.
///
/// # Errors
/// If evaluation mode's key can be neither read nor created.
pub(crate) fn auth_module(
    configuration: AuthConfiguration,
    metrics: TokenMetrics,
) -> anyhow::Result<Arc<dyn AuthModule>> {
    Ok(match configuration {
        AuthConfiguration::Firebase { project_id, certificates } => {
            let keys = Arc::new(SigningKeys::start(certificates)?);
            let parameters = FirebaseTokenVerifierParameters { project_id, keys, metrics };
            Arc::new(
                FirebaseModule::builder()
                    .with_component_parameters::<FirebaseTokenVerifier>(parameters)
                    .build(),
            )
        }
        AuthConfiguration::Emulator { project_id, .. } => {
            let parameters = EmulatorTokenVerifierParameters { project_id, metrics };
            Arc::new(
                EmulatorModule::builder()
                    .with_component_parameters::<EmulatorTokenVerifier>(parameters)
                    .build(),
            )
        }
        AuthConfiguration::Evaluation { key_file } => {
            let key = EvaluationKey::read_or_create(&key_file)
                .context("the key that signs evaluation mode's tokens can be neither read nor made")?;
            let parameters = EvaluationTokenVerifierParameters { key, metrics };
            let builder = EvaluationModule::builder();
            Arc::new(builder.with_component_parameters::<EvaluationTokenVerifier>(parameters).build())
        }
    })
}

/// The services of the Rabbit listener, each resolved once.
pub(crate) struct IngestServices {
    pub(crate) ingest: Arc<dyn IngestService>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) activity: Arc<ExperimentActivity>,
    pub(crate) quota: Arc<RejectedQuota>,
}

/// The rules for deliveries.
pub(crate) struct IngestRules {
    pub(crate) quota: Arc<RejectedQuota>,
    /// Whether a message without `user-id` is rejected.
    pub(crate) require_user_id: bool,
}

impl IngestServices {
    /// Builds the services on the storage.
    pub(crate) fn build(storage: &Storage, rules: IngestRules) -> Self {
        let activity = Arc::<ExperimentActivity>::default();
        let IngestRules { quota, require_user_id } = rules;
        let parameters = IngestServiceImplParameters { quota: quota.clone(), require_user_id };
        let observer = WatchingIngestObserverParameters { activity: activity.clone() };
        let module = IngestModule::builder(storage.module.clone())
            .with_component_parameters::<WatchingIngestObserver>(observer)
            .with_component_parameters::<IngestServiceImpl>(parameters)
            .build();
        let ingest = storage.preparation.clone().guard(module.resolve());
        Self { ingest, audit: module.resolve(), activity, quota }
    }
}

/// The services of the REST listener, each resolved once.
pub(crate) struct ClientServices {
    pub(crate) users: Arc<dyn UserService>,
    pub(crate) api_tokens: Arc<dyn ApiTokenService>,
    pub(crate) experiments: Arc<dyn ExperimentService>,
    pub(crate) measures: Arc<dyn MeasureService>,
    pub(crate) measure_types: Arc<dyn MeasureTypeService>,
    pub(crate) publishers: Arc<dyn PublisherService>,
    pub(crate) sensors: Arc<dyn SensorService>,
    pub(crate) flags: Arc<dyn FlagService>,
    pub(crate) rejected_messages: Arc<dyn RejectedMessageService>,
}

impl ClientServices {
    /// Builds the services on the storage and the token verifier. Larger messages are not replayed.
    /// API tokens have at most that lifetime; 0 disables them. `max_sign_in_age` is the maximum age
    /// of a recent sign-in.
    pub(crate) fn build(
        storage: &Storage,
        auth: Arc<dyn AuthModule>,
        max_message_bytes: usize,
        api_token_max_days: u32,
        max_sign_in_age: Option<Duration>,
        rate: UserRate,
    ) -> Self {
        let rejected = RejectedMessageServiceImplParameters { max_message_bytes };
        let users =
            UserServiceImplParameters { api_token_max_days, max_sign_in_age, rate, ..Default::default() };
        let api_tokens = ApiTokenServiceImplParameters { max_days: api_token_max_days };
        let module = ClientModule::builder(storage.module.clone(), auth)
            .with_component_parameters::<RejectedMessageServiceImpl>(rejected)
            .with_component_parameters::<UserServiceImpl>(users)
            .with_component_parameters::<ApiTokenServiceImpl>(api_tokens)
            .build();
        Self {
            users: module.resolve(),
            api_tokens: module.resolve(),
            experiments: module.resolve(),
            measures: module.resolve(),
            measure_types: module.resolve(),
            publishers: module.resolve(),
            sensors: module.resolve(),
            flags: module.resolve(),
            rejected_messages: module.resolve(),
        }
    }

    /// The dependencies of the REST listener.
    pub(crate) fn with(self, health: HealthState, page: Page) -> RestState {
        RestState {
            users: self.users,
            api_tokens: self.api_tokens,
            experiments: self.experiments,
            measures: self.measures,
            measure_types: self.measure_types,
            publishers: self.publishers,
            sensors: self.sensors,
            flags: self.flags,
            rejected_messages: self.rejected_messages,
            health,
            page,
        }
    }
}
