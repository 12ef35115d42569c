use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{Experiment, ExperimentName};
use shaku::{Component, Interface};
use thiserror::Error;
use tracing::info;

use super::change::{Change, ExperimentChange};
use super::fault::Refusal;
use super::{Directory, difference, document, plan, write};
use crate::audit::{Action, AuditEvent, AuditLog, Command, Outcome, Resource};
use crate::ports::{DirectoryStore, StorageError};
use crate::{ServiceError, experiment_service, user_service};

/// Attempts of an import under concurrent changes: at each failed attempt another change has
/// succeeded.
const ATTEMPTS: u32 = 5;

/// Users, experiments, associations and measure types as one document, for an operator who has
/// the database's credentials and needs no token.
#[async_trait]
pub trait DirectoryService: Interface {
    /// The document of the complete directory.
    async fn export(&self) -> Result<String, ServiceError>;
    /// Applies the document in one transaction, or only returns the changes (`dry_run`).
    async fn import(&self, document: &[u8], dry_run: bool) -> Result<Import, ImportError>;
}

/// What an import has done, or would do.
pub struct Import {
    /// In lines for the operator; they show names and addresses.
    pub lines: Vec<String>,
    /// The number of changes.
    pub changes: usize,
}

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The document has mistakes.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The import failed, or the connection was lost during the commit and the outcome is unknown.
    #[error(transparent)]
    Failed(#[from] ServiceError),
}

/// The one implementation of [`DirectoryService`].
#[derive(Component)]
#[shaku(interface = DirectoryService)]
pub struct DirectoryServiceImpl {
    #[shaku(inject)]
    store: Arc<dyn DirectoryStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

impl DirectoryServiceImpl {
    async fn read(&self) -> Result<Directory, ServiceError> {
        let mut directory = self.store.read().await?;
        directory.sort();
        Ok(directory)
    }

    /// Applies the changes; `false` if the directory has changed since they were planned.
    async fn apply(&self, seen: &Directory, changes: &[Change]) -> Result<bool, ServiceError> {
        match self.store.apply(seen, changes).await {
            Ok(Some(experiments)) => {
                self.tell(seen, changes, &experiments, Outcome::Success, None);
                Ok(true)
            }
            // A concurrent change came first; plan again.
            Ok(None) | Err(StorageError::Conflict(_)) => Ok(false),
            Err(error) => {
                let error = ServiceError::from(error);
                self.tell(seen, changes, &seen.experiments, Outcome::Unknown, Some(error.code()));
                Err(error)
            }
        }
    }

    fn tell(
        &self,
        seen: &Directory,
        changes: &[Change],
        experiments: &[Experiment],
        outcome: Outcome,
        reason: Option<&'static str>,
    ) {
        let id_of = |name: &ExperimentName| {
            experiments.iter().find(|each| each.name == *name).map(|each| each.experiment_id)
        };
        for change in changes {
            let (action, resource) = match change {
                Change::AddUser(user) => (Action::CreateUser, Some(Resource::User(user.user_id.clone()))),
                Change::UpdateUser(user_id, _) => (Action::UpdateUser, Some(Resource::User(user_id.clone()))),
                Change::AddErasedUser(erased) => {
                    (Action::EraseUser, Some(Resource::User(erased.user_id.clone())))
                }
                Change::Experiment(ExperimentChange::Add(_, details)) => {
                    (Action::CreateExperiment, id_of(&details.name).map(Resource::Experiment))
                }
                Change::Experiment(ExperimentChange::Update(experiment)) => {
                    (Action::UpdateExperiment, Some(Resource::Experiment(experiment.experiment_id)))
                }
                Change::Associate(name, user_id) => {
                    (Action::Associate, id_of(name).map(|id| Resource::Association(id, user_id.clone())))
                }
                Change::AddSensor(experiment, name, _) => {
                    (Action::UpdateSensor, id_of(experiment).map(|id| Resource::Sensor(id, name.clone())))
                }
                Change::DescribeSensor(experiment_id, name, _) => {
                    (Action::UpdateSensor, Some(Resource::Sensor(*experiment_id, name.clone())))
                }
                Change::AddMeasureType(name, ..) => {
                    info!(
                        measure_type = name.as_str(),
                        outcome = outcome.as_str(),
                        "a measure type was imported"
                    );
                    continue;
                }
            };
            self.audit.record(AuditEvent {
                command: Some(Command::Import),
                resource,
                reason: reason.map(Into::into),
                changed: changed_by(change, seen),
                ..AuditEvent::new(action, outcome)
            });
        }
    }
}

/// The names of the fields that an update changes.
fn changed_by(change: &Change, seen: &Directory) -> Vec<&'static str> {
    match change {
        Change::UpdateUser(user_id, profile) => {
            let stored = seen.users.iter().find(|user| user.user_id == *user_id);
            stored.map(|stored| user_service::changed_fields(stored, profile)).unwrap_or_default()
        }
        Change::Experiment(ExperimentChange::Update(experiment)) => {
            let is_it = |stored: &&Experiment| stored.experiment_id == experiment.experiment_id;
            let stored = seen.experiments.iter().find(is_it);
            stored.map(|stored| experiment_service::changed_fields(stored, experiment)).unwrap_or_default()
        }
        Change::DescribeSensor(..) => vec!["description"],
        _ => Vec::new(),
    }
}

#[async_trait]
impl DirectoryService for DirectoryServiceImpl {
    async fn export(&self) -> Result<String, ServiceError> {
        let directory = self.read().await?;
        write::document(&directory).map_err(|error| ServiceError::Internal(Arc::new(error)))
    }

    async fn import(&self, text: &[u8], dry_run: bool) -> Result<Import, ImportError> {
        let mut mistakes = Vec::new();
        let document = document::read(text, &mut mistakes);
        for _ in 0..ATTEMPTS {
            let seen = self.read().await?;
            let mut faults = mistakes.clone();
            let changes = plan::changes(&document, &seen, &mut faults);
            if !faults.is_empty() {
                return Err(Refusal(faults).into());
            }
            let done =
                Import { lines: difference::lines(&document, &seen, &changes), changes: changes.len() };
            if dry_run || changes.is_empty() || self.apply(&seen, &changes).await? {
                return Ok(done);
            }
        }
        let busy =
            Box::<dyn std::error::Error + Send + Sync>::from("others keep changing users and experiments");
        Err(ServiceError::Unavailable(Arc::from(busy)).into())
    }
}
