//! SQLite: the embedded engine for evaluation, small sites and quick tests.

mod associations;
mod database;
mod directory;
mod errors;
mod example_data;
mod experiments;
mod health;
mod ingest;
mod measure_types;
mod measures;
mod rejected_messages;
mod users;

pub use associations::{SqliteAssociationStore, SqliteAssociationStoreParameters};
pub use database::SqliteDatabase;
pub use directory::{SqliteDirectoryStore, SqliteDirectoryStoreParameters};
pub use example_data::{SqliteExampleDataStore, SqliteExampleDataStoreParameters};
pub use experiments::{SqliteExperimentStore, SqliteExperimentStoreParameters};
pub use health::{SqliteStorageHealth, SqliteStorageHealthParameters};
pub use ingest::{SqliteIngestStore, SqliteIngestStoreParameters};
pub use measure_types::{SqliteMeasureTypeStore, SqliteMeasureTypeStoreParameters};
pub use measures::{SqliteMeasureStore, SqliteMeasureStoreParameters};
pub use rejected_messages::{SqliteRejectedMessageStore, SqliteRejectedMessageStoreParameters};
pub use users::{SqliteUserStore, SqliteUserStoreParameters};
