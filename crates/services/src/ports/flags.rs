use async_trait::async_trait;
use mymonit_model::{ExperimentId, Flag, FlagId, FlagRange, FlagReason, Timestamp, UserId};
use shaku::Interface;

use super::StorageError;

/// A flag to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFlag {
    /// Of which experiment.
    pub experiment_id: ExperimentId,
    /// Which measures.
    pub range: FlagRange,
    /// Why.
    pub reason: FlagReason,
    /// Who sets it.
    pub user_id: UserId,
    /// When it was set.
    pub created_at: Timestamp,
}

/// Keeps the flags. [`Access`](super::Access) tells whether an experiment has any, as committed
/// with them.
#[async_trait]
pub trait FlagStore: Interface {
    /// The flags of an experiment, by id.
    async fn list(&self, experiment_id: ExperimentId) -> Result<Vec<Flag>, StorageError>;
    /// The ranges and series of the flags of an experiment, in any order.
    async fn ranges(&self, experiment_id: ExperimentId) -> Result<Vec<FlagRange>, StorageError>;
    /// Adds a flag; `None` if the experiment is unknown.
    /// [`Conflict::TooManyFlags`](super::Conflict::TooManyFlags) if it has `limit`.
    async fn insert(&self, flag: &NewFlag, limit: u32) -> Result<Option<FlagId>, StorageError>;
    /// Removes a flag of that experiment; `false` if there is none.
    async fn delete(&self, experiment_id: ExperimentId, id: FlagId) -> Result<bool, StorageError>;
}
