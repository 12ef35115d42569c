//! The flags in memory.

use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{ExperimentId, Flag, FlagId, FlagRange};
use mymonit_services::ports::{Conflict, FlagStore, NewFlag, StorageError};
use shaku::Component;

use crate::memory::Memory;

#[derive(Component)]
#[shaku(interface = FlagStore)]
pub(crate) struct FakeFlagStore {
    memory: Arc<Memory>,
}

#[async_trait]
impl FlagStore for FakeFlagStore {
    async fn list(&self, experiment_id: ExperimentId) -> Result<Vec<Flag>, StorageError> {
        self.memory.available()?;
        let flags = self.memory.flags.lock().unwrap();
        let own = flags.iter().filter(|(experiment, _)| *experiment == experiment_id);
        Ok(own.map(|(_, flag)| flag.clone()).collect())
    }

    async fn ranges(&self, experiment_id: ExperimentId) -> Result<Vec<FlagRange>, StorageError> {
        Ok(self.list(experiment_id).await?.into_iter().map(|flag| flag.range).collect())
    }

    async fn insert(&self, new: &NewFlag, limit: u32) -> Result<Option<FlagId>, StorageError> {
        if self.list(new.experiment_id).await?.len() >= limit as usize {
            return Err(StorageError::Conflict(Conflict::TooManyFlags));
        }
        let mut flags = self.memory.flags.lock().unwrap();
        let id = FlagId::new(flags.iter().map(|(_, flag)| flag.id.get()).max().unwrap_or_default() + 1);
        let NewFlag { experiment_id, range, reason, user_id, created_at } = new.clone();
        flags.push((experiment_id, Flag { id, range, reason, user_id, created_at }));
        Ok(Some(id))
    }

    async fn delete(&self, experiment_id: ExperimentId, id: FlagId) -> Result<bool, StorageError> {
        let mut flags = self.memory.flags.lock().unwrap();
        let before = flags.len();
        flags.retain(|(experiment, flag)| (*experiment, flag.id) != (experiment_id, id));
        Ok(flags.len() < before)
    }
}
