use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{Experiment, ExperimentId, ExperimentName, Role, User, UserId};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::ports::{AssociationStore, ExperimentStore, UserStore};
use crate::user_service::require_admin;

pub(crate) const NO_SUCH_EXPERIMENT: ServiceError = ServiceError::NotFound("there is no such experiment");
const NO_SUCH_USER: ServiceError = ServiceError::NotFound("there is no such user");

/// Experiments, and which scientists are associated with them (specification §2, §3).
#[async_trait]
pub trait ExperimentService: Interface {
    /// All experiments for an administrator, the associated ones for a scientist.
    async fn list(&self, caller: &User) -> Result<Vec<Experiment>, ServiceError>;
    /// One experiment. To a scientist, one that is not associated looks like one that does not exist.
    async fn get(&self, caller: &User, experiment_id: ExperimentId) -> Result<Experiment, ServiceError>;
    /// Adds an experiment; for administrators.
    async fn create(&self, caller: &User, name: &str) -> Result<Experiment, ServiceError>;
    /// Renames an experiment; for administrators. The id, where given, must be the stored one.
    async fn rename(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        given_id: Option<u32>,
        name: &str,
    ) -> Result<Experiment, ServiceError>;
    /// All associations, by experiment and then by user; for administrators.
    async fn associations(&self, caller: &User) -> Result<Vec<(ExperimentId, User)>, ServiceError>;
    /// Associates a scientist with an experiment; for administrators.
    async fn associate(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        user_id: &str,
    ) -> Result<(Experiment, User), ServiceError>;
    /// Ends an association; for administrators.
    async fn dissociate(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        user_id: &str,
    ) -> Result<(), ServiceError>;
}

/// The one implementation of [`ExperimentService`].
#[derive(Component)]
#[shaku(interface = ExperimentService)]
pub struct ExperimentServiceImpl {
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    associations: Arc<dyn AssociationStore>,
    #[shaku(inject)]
    users: Arc<dyn UserStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

/// What the auditor is told where a scientist is told that there is no such experiment.
pub(crate) const NOT_ASSOCIATED: &str = "not associated with the experiment, or there is none";

impl ExperimentServiceImpl {
    fn attempt<'a>(&'a self, caller: &'a User, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation)
    }

    async fn try_create(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        name: &str,
    ) -> Result<Experiment, ServiceError> {
        require_admin(caller)?;
        let experiment = self.experiments.insert(&ExperimentName::new(name)?).await?;
        attempt.concerns(Resource::Experiment(experiment.experiment_id));
        Ok(experiment)
    }

    async fn try_rename(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        given_id: Option<u32>,
        name: &str,
    ) -> Result<Experiment, ServiceError> {
        require_admin(caller)?;
        if given_id.is_some_and(|id| id != experiment_id.get()) {
            return Err(ServiceError::invalid("experiment_id", "cannot be changed"));
        }
        let renamed = Experiment { experiment_id, name: ExperimentName::new(name)? };
        if self.experiments.rename(&renamed).await? { Ok(renamed) } else { Err(NO_SUCH_EXPERIMENT) }
    }

    async fn try_associate(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        experiment_id: ExperimentId,
        user_id: &str,
    ) -> Result<(Experiment, User), ServiceError> {
        require_admin(caller)?;
        let experiment = self.experiments.find(experiment_id).await?.ok_or(NO_SUCH_EXPERIMENT)?;
        let user_id = UserId::new(user_id).map_err(|_| NO_SUCH_USER)?;
        let user = self.users.find(&user_id).await?.ok_or(NO_SUCH_USER)?;
        attempt.concerns(Resource::Association(experiment_id, user_id.clone()));
        if user.role != Role::Scientist {
            return Err(ServiceError::invalid("user_id", "must be a scientist's"));
        }
        if !self.associations.insert(experiment_id, &user_id).await? {
            // The user was erased between the look and the insert.
            return Err(NO_SUCH_USER);
        }
        Ok((experiment, user))
    }

    async fn try_dissociate(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        experiment_id: ExperimentId,
        user_id: &str,
    ) -> Result<(), ServiceError> {
        const NO_SUCH_ASSOCIATION: ServiceError =
            ServiceError::NotFound("the user is not associated with the experiment");
        require_admin(caller)?;
        let user_id = UserId::new(user_id).map_err(|_| NO_SUCH_ASSOCIATION)?;
        if !self.associations.delete(experiment_id, &user_id).await? {
            return Err(NO_SUCH_ASSOCIATION);
        }
        attempt.concerns(Resource::Association(experiment_id, user_id));
        Ok(())
    }
}

#[async_trait]
impl ExperimentService for ExperimentServiceImpl {
    async fn list(&self, caller: &User) -> Result<Vec<Experiment>, ServiceError> {
        Ok(match caller.role {
            Role::Admin => self.experiments.list().await?,
            Role::Scientist => self.experiments.list_of(&caller.user_id).await?,
        })
    }

    async fn get(&self, caller: &User, experiment_id: ExperimentId) -> Result<Experiment, ServiceError> {
        let found = match caller.role {
            Role::Admin => self.experiments.find(experiment_id).await?,
            Role::Scientist => self.experiments.find_of(&caller.user_id, experiment_id).await?,
        };
        if found.is_none() && caller.role == Role::Scientist {
            let attempt = self.attempt(caller, Operation::ReadExperiment);
            attempt.on(Resource::Experiment(experiment_id)).refuse(NOT_ASSOCIATED);
        }
        found.ok_or(NO_SUCH_EXPERIMENT)
    }

    async fn create(&self, caller: &User, name: &str) -> Result<Experiment, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::CreateExperiment);
        let created = self.try_create(&mut attempt, caller, name).await;
        attempt.conclude(created)
    }

    async fn rename(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        given_id: Option<u32>,
        name: &str,
    ) -> Result<Experiment, ServiceError> {
        let attempt = self.attempt(caller, Operation::RenameExperiment);
        let attempt = attempt.on(Resource::Experiment(experiment_id));
        attempt.conclude(self.try_rename(caller, experiment_id, given_id, name).await)
    }

    async fn associations(&self, caller: &User) -> Result<Vec<(ExperimentId, User)>, ServiceError> {
        self.attempt(caller, Operation::ListAssociations).conclude(require_admin(caller))?;
        Ok(self.associations.list().await?)
    }

    async fn associate(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        user_id: &str,
    ) -> Result<(Experiment, User), ServiceError> {
        let attempt = self.attempt(caller, Operation::Associate);
        let mut attempt = attempt.on(Resource::Experiment(experiment_id));
        let associated = self.try_associate(&mut attempt, caller, experiment_id, user_id).await;
        attempt.conclude(associated)
    }

    async fn dissociate(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        user_id: &str,
    ) -> Result<(), ServiceError> {
        let attempt = self.attempt(caller, Operation::Dissociate);
        let mut attempt = attempt.on(Resource::Experiment(experiment_id));
        let dissociated = self.try_dissociate(&mut attempt, caller, experiment_id, user_id).await;
        attempt.conclude(dissociated)
    }
}
