use async_trait::async_trait;
use mymonit_services::ports::{StorageError, StorageHealth};
use shaku::Component;

use super::MySqlDatabase;

/// Whether a MySQL database can be used.
#[derive(Component)]
#[shaku(interface = StorageHealth)]
pub struct MySqlStorageHealth {
    /// The database in question.
    database: MySqlDatabase,
}

#[async_trait]
impl StorageHealth for MySqlStorageHealth {
    async fn check(&self) -> Result<(), StorageError> {
        self.database.check().await
    }
}
