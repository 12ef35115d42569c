//! SQLite: the embedded engine for evaluation, small sites and quick tests.

mod database;
mod errors;
mod stores;

pub use database::SqliteDatabase;
pub use stores::{
    SqliteAssociationStore, SqliteAssociationStoreParameters, SqliteExampleDataStore,
    SqliteExampleDataStoreParameters, SqliteExperimentStore, SqliteExperimentStoreParameters,
    SqliteIngestStore, SqliteIngestStoreParameters, SqliteMeasureStore, SqliteMeasureStoreParameters,
    SqliteMeasureTypeStore, SqliteMeasureTypeStoreParameters, SqliteStorageHealth,
    SqliteStorageHealthParameters, SqliteUserStore, SqliteUserStoreParameters,
};
