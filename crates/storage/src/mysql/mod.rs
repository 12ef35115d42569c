//! MySQL 8.4 and MariaDB 10.11 on: the production engine.

mod database;
mod errors;
mod stores;

pub use database::{MySqlDatabase, MySqlSettings};
pub use stores::{
    MySqlAssociationStore, MySqlAssociationStoreParameters, MySqlExampleDataStore,
    MySqlExampleDataStoreParameters, MySqlExperimentStore, MySqlExperimentStoreParameters, MySqlIngestStore,
    MySqlIngestStoreParameters, MySqlMeasureStore, MySqlMeasureStoreParameters, MySqlMeasureTypeStore,
    MySqlMeasureTypeStoreParameters, MySqlStorageHealth, MySqlStorageHealthParameters, MySqlUserStore,
    MySqlUserStoreParameters,
};
