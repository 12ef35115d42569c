//! The stores, whose statements come with the next changes; until then they answer as a database that is away.

use std::collections::HashMap;

use async_trait::async_trait;
use mymonit_model::{
    Experiment, ExperimentId, ExperimentName, MeasureType, StoredMeasure, Timestamp, User, UserId, Username,
};
use mymonit_services::example_data::ExampleData;
use mymonit_services::ports::{
    AssociationStore, Erasure, ExampleDataStore, ExperimentStore, IngestMessage, IngestOutcome, IngestStore,
    MeasurePosition, MeasureQuery, MeasureStore, MeasureTypeStore, StorageError, StorageHealth, UserProfile,
    UserStore,
};
use shaku::Component;

use super::SqliteDatabase;

/// The users, in this database.
#[derive(Component)]
#[shaku(interface = UserStore)]
pub struct SqliteUserStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl UserStore for SqliteUserStore {
    async fn list(&self) -> Result<Vec<User>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn find(&self, _: &UserId) -> Result<Option<User>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn find_by_username(&self, _: &Username) -> Result<Option<User>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn insert(&self, _: &User) -> Result<(), StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn update(&self, _: &UserId, _: &UserProfile) -> Result<bool, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn erase(&self, _: &UserId) -> Result<Erasure, StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The experiments, in this database.
#[derive(Component)]
#[shaku(interface = ExperimentStore)]
pub struct SqliteExperimentStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl ExperimentStore for SqliteExperimentStore {
    async fn list(&self) -> Result<Vec<Experiment>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn list_of(&self, _: &UserId) -> Result<Vec<Experiment>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn find(&self, _: ExperimentId) -> Result<Option<Experiment>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn find_of(&self, _: &UserId, _: ExperimentId) -> Result<Option<Experiment>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn ids_by_name(
        &self,
        _: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, ExperimentId>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn insert(&self, _: &ExperimentName) -> Result<Experiment, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn rename(&self, _: &Experiment) -> Result<bool, StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The associations, in this database.
#[derive(Component)]
#[shaku(interface = AssociationStore)]
pub struct SqliteAssociationStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl AssociationStore for SqliteAssociationStore {
    async fn list(&self) -> Result<Vec<(ExperimentId, User)>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn insert(&self, _: ExperimentId, _: &UserId) -> Result<bool, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn delete(&self, _: ExperimentId, _: &UserId) -> Result<bool, StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The measure types, in this database.
#[derive(Component)]
#[shaku(interface = MeasureTypeStore)]
pub struct SqliteMeasureTypeStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl MeasureTypeStore for SqliteMeasureTypeStore {
    async fn list(&self) -> Result<Vec<MeasureType>, StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The measures, in this database.
#[derive(Component)]
#[shaku(interface = MeasureStore)]
pub struct SqliteMeasureStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl MeasureStore for SqliteMeasureStore {
    async fn page(
        &self,
        _: &MeasureQuery,
        _: Option<MeasurePosition>,
        _: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The incoming messages, in this database.
#[derive(Component)]
#[shaku(interface = IngestStore)]
pub struct SqliteIngestStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl IngestStore for SqliteIngestStore {
    async fn commit(&self, _: &[IngestMessage]) -> Result<Vec<IngestOutcome>, StorageError> {
        Err(crate::error::not_prepared())
    }
    async fn forget_message_ids(&self, _: Timestamp, _: u32) -> Result<u64, StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The example data, in this database.
#[derive(Component)]
#[shaku(interface = ExampleDataStore)]
pub struct SqliteExampleDataStore {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl ExampleDataStore for SqliteExampleDataStore {
    async fn install(&self, _: &ExampleData) -> Result<(), StorageError> {
        Err(crate::error::not_prepared())
    }
}

/// The health, in this database.
#[derive(Component)]
#[shaku(interface = StorageHealth)]
pub struct SqliteStorageHealth {
    /// The shared handle.
    database: SqliteDatabase,
}

#[async_trait]
impl StorageHealth for SqliteStorageHealth {
    async fn check(&self) -> Result<(), StorageError> {
        Err(crate::error::not_prepared())
    }
}
