use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_services::ports::{StorageError, StorageHealth};
use shaku::Component;

use crate::database::DatabaseHandle;
use crate::error::cause;
use crate::migrations;

/// Whether the database can be used.
#[derive(Component)]
#[shaku(interface = StorageHealth)]
pub struct SqlStorageHealth {
    /// The database in question.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl StorageHealth for SqlStorageHealth {
    async fn check(&self) -> Result<(), StorageError> {
        let is_current = self
            .database
            .read(|mut connection| async move { Ok(migrations::is_current(&mut connection).await?) }.boxed())
            .await?;
        if is_current {
            Ok(())
        } else {
            Err(StorageError::Unavailable(cause("the database schema is older than the program")))
        }
    }
}
