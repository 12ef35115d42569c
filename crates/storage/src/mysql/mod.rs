//! MySQL 8.4 and MariaDB 10.11 on: the production engine.

mod associations;
mod connections;
mod database;
mod directory;
mod errors;
mod example_data;
mod experiments;
mod health;
mod ingest;
mod measure_types;
mod measures;
mod moving_in;
mod rejected_messages;
mod unfinished;
mod users;

pub use associations::{MySqlAssociationStore, MySqlAssociationStoreParameters};
pub use database::{MySqlDatabase, MySqlSettings};
pub use directory::{MySqlDirectoryStore, MySqlDirectoryStoreParameters};
pub use example_data::{MySqlExampleDataStore, MySqlExampleDataStoreParameters};
pub use experiments::{MySqlExperimentStore, MySqlExperimentStoreParameters};
pub use health::{MySqlStorageHealth, MySqlStorageHealthParameters};
pub use ingest::{MySqlIngestStore, MySqlIngestStoreParameters};
pub use measure_types::{MySqlMeasureTypeStore, MySqlMeasureTypeStoreParameters};
pub use measures::{MySqlMeasureStore, MySqlMeasureStoreParameters};
pub use rejected_messages::{MySqlRejectedMessageStore, MySqlRejectedMessageStoreParameters};
pub use users::{MySqlUserStore, MySqlUserStoreParameters};
