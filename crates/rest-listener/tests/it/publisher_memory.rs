//! The publishers, kept in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use mymonit_model::{Publisher, PublisherName};
use mymonit_services::ports::{Binding, PublisherStore, StorageError};
use shaku::Component;

#[derive(Component)]
#[shaku(interface = PublisherStore)]
pub(crate) struct FakePublisherStore {
    #[shaku(default)]
    publishers: Mutex<BTreeMap<PublisherName, Publisher>>,
}

#[async_trait]
impl PublisherStore for FakePublisherStore {
    async fn list(&self) -> Result<Vec<Publisher>, StorageError> {
        Ok(self.publishers.lock().unwrap().values().cloned().collect())
    }

    async fn find(&self, name: &PublisherName) -> Result<Option<Publisher>, StorageError> {
        Ok(self.publishers.lock().unwrap().get(name).cloned())
    }

    async fn put(&self, publisher: &Publisher) -> Result<(), StorageError> {
        self.publishers.lock().unwrap().insert(publisher.name.clone(), publisher.clone());
        Ok(())
    }

    async fn delete(&self, name: &PublisherName) -> Result<bool, StorageError> {
        Ok(self.publishers.lock().unwrap().remove(name).is_some())
    }

    async fn bindings(&self, _: &[PublisherName]) -> Result<HashMap<PublisherName, Binding>, StorageError> {
        Ok(HashMap::new())
    }
}
