//! How MyMONIT keeps its data: every store port of the services, twice. [`MySqlDatabase`] and the stores
//! beside it speak to MySQL and MariaDB, [`SqliteDatabase`] and its stores to SQLite. The services know
//! neither, and one contract test suite holds the two together.
//!
//! This is the only crate that knows SQL. A database handle is made without touching the network or the
//! disk; its `prepare` brings the schema up to date, and until that has succeeded once, every store of
//! the handle answers [`StorageError::Unavailable`](mymonit_services::ports::StorageError::Unavailable).
//! So the service starts and lives while its database is away, and becomes ready by itself.

mod decode;
mod directory_order;
mod error;
mod ingest_plan;
mod measure_range;
#[cfg(test)]
mod measure_shapes;
mod mysql;
mod patience;
mod pool_use;
mod rejected_page;
#[cfg(test)]
mod rejected_shapes;
mod sizes;
mod sqlite;
mod task;

pub use error::{InvalidAddress, PrepareError};
pub use mysql::{
    MySqlAssociationStore, MySqlAssociationStoreParameters, MySqlDatabase, MySqlDirectoryStore,
    MySqlDirectoryStoreParameters, MySqlExampleDataStore, MySqlExampleDataStoreParameters,
    MySqlExperimentStore, MySqlExperimentStoreParameters, MySqlIngestStore, MySqlIngestStoreParameters,
    MySqlMeasureStore, MySqlMeasureStoreParameters, MySqlMeasureTypeStore, MySqlMeasureTypeStoreParameters,
    MySqlRejectedMessageStore, MySqlRejectedMessageStoreParameters, MySqlSettings, MySqlStorageHealth,
    MySqlStorageHealthParameters, MySqlUserStore, MySqlUserStoreParameters,
};
pub use patience::Patience;
pub use pool_use::PoolUse;
pub use sqlite::{
    SqliteAssociationStore, SqliteAssociationStoreParameters, SqliteDatabase, SqliteDirectoryStore,
    SqliteDirectoryStoreParameters, SqliteExampleDataStore, SqliteExampleDataStoreParameters,
    SqliteExperimentStore, SqliteExperimentStoreParameters, SqliteIngestStore, SqliteIngestStoreParameters,
    SqliteMeasureStore, SqliteMeasureStoreParameters, SqliteMeasureTypeStore,
    SqliteMeasureTypeStoreParameters, SqliteRejectedMessageStore, SqliteRejectedMessageStoreParameters,
    SqliteStorageHealth, SqliteStorageHealthParameters, SqliteUserStore, SqliteUserStoreParameters,
};
