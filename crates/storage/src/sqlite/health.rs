use async_trait::async_trait;
use mymonit_services::ports::{StorageError, StorageHealth};
use shaku::Component;

use super::SqliteDatabase;

/// Whether a SQLite database can be used.
#[derive(Component)]
#[shaku(interface = StorageHealth)]
pub struct SqliteStorageHealth {
    /// The database in question.
    database: SqliteDatabase,
}

#[async_trait]
impl StorageHealth for SqliteStorageHealth {
    async fn check(&self) -> Result<(), StorageError> {
        self.database.check().await
    }
}
