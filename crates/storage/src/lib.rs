//! The store ports of the services on MySQL, MariaDB and SQLite. The only crate with SQL.
//!
//! All stores share one injected component, the [`Database`] handle. It is created without touching
//! the network or the disk. Its `prepare` brings the schema up to date; until that has succeeded
//! once, every store answers
//! [`StorageError::Unavailable`](mymonit_services::ports::StorageError::Unavailable). So the
//! service starts and runs without its database, and becomes ready once it is available.

mod api_tokens;
mod associations;
pub mod blocks;
mod connection;
mod database;
mod decode;
mod default_measure_types;
mod directory;
mod directory_order;
mod error;
mod example_data;
mod experiments;
mod fault;
mod flagged_page;
mod flags;
mod health;
mod identity;
mod ingest;
mod ingest_plan;
mod known_sensors;
mod legacy;
mod measure_ids;
mod measure_range;
mod measure_rows;
#[cfg(test)]
mod measure_shapes;
mod measure_types;
mod measures;
mod migrations;
mod mysql;
mod new_sensors;
mod one_time_step;
mod pool_use;
mod publishers;
mod rejected_messages;
mod rejected_page;
#[cfg(test)]
mod rejected_shapes;
mod sensors;
mod series;
mod sizes;
mod sqlite;
mod task;
mod users;

pub use api_tokens::SqlApiTokenStore;
pub use associations::SqlAssociationStore;
pub use database::{Database, DatabaseComponent, DatabaseComponentParameters, DatabaseHandle};
pub use directory::SqlDirectoryStore;
pub use error::PrepareError;
pub use example_data::SqlExampleDataStore;
pub use experiments::SqlExperimentStore;
pub use fault::InvalidAddress;
pub use flags::SqlFlagStore;
pub use health::SqlStorageHealth;
pub use ingest::SqlIngestStore;
pub use legacy::{LegacyImport, LegacyImportError, LegacyImported};
pub use measure_types::SqlMeasureTypeStore;
pub use measures::SqlMeasureStore;
pub use mysql::{MySqlDatabase, MySqlSettings, MySqlTls, MySqlTlsMode};
pub use pool_use::PoolUse;
pub use publishers::SqlPublisherStore;
pub use rejected_messages::SqlRejectedMessageStore;
pub use sensors::SqlSensorStore;
pub use sqlite::SqliteDatabase;
pub use users::SqlUserStore;
