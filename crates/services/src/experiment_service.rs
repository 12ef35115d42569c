use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{
    Description, Experiment, ExperimentDetails, ExperimentId, ExperimentName, Role, User, UserId,
};
use shaku::{Component, Interface};

use crate::audit::{Action, Attempt, AuditLog, Operation, Resource, changed};
use crate::listing::{List, ListRequest};
use crate::ports::{
    Archived, AssociationStore, ExperimentChanges, ExperimentFilter, ExperimentStore, Replacement, UserStore,
};
pub(crate) use crate::principal::NO_SUCH_EXPERIMENT;
use crate::user_service::{CANNOT_BE_CHANGED, accessible, require_admin};
use crate::{Principal, ServiceError};

const NO_SUCH_USER: ServiceError = ServiceError::NotFound("there is no such user");

/// The ids of all experiments, or of those of a scientist, archived ones included.
pub(crate) async fn experiment_ids(
    experiments: &dyn ExperimentStore,
    of: Option<UserId>,
) -> Result<BTreeSet<ExperimentId>, ServiceError> {
    let filter = ExperimentFilter { of, archived: Archived::Include };
    let found = experiments.page(&filter, None, u32::MAX).await?;
    Ok(found.into_iter().map(|experiment| experiment.experiment_id).collect())
}

/// An administrator's draft of an experiment; not validated yet.
#[derive(Debug, Clone, Default)]
pub struct ExperimentDraft {
    /// Where given, the stored number.
    pub experiment_id: Option<u32>,
    /// The name.
    pub name: String,
    /// The description; `None` for the stored one, or none.
    pub description: Option<String>,
    /// Whether it is over; `None` for the stored state.
    pub archived: Option<bool>,
}

impl ExperimentDraft {
    fn check(&self) -> Result<ExperimentChanges, ServiceError> {
        Ok(ExperimentChanges {
            name: ExperimentName::new(&self.name)?,
            description: self.description.as_deref().map(Description::new).transpose()?,
            archived: self.archived,
        })
    }
}

/// Experiments and their associations with scientists.
#[async_trait]
pub trait ExperimentService: Interface {
    /// All experiments for an administrator, the associated ones for a scientist; by id. With an
    /// API token that is restricted, those of them that it may read.
    async fn list(
        &self,
        caller: &Principal,
        archived: Archived,
        request: ListRequest,
    ) -> Result<List<Experiment>, ServiceError>;
    /// The experiments of a user; for administrators and the user. As [`UserService::get`]
    /// otherwise.
    ///
    /// [`UserService::get`]: crate::UserService::get
    async fn list_of(
        &self,
        caller: &User,
        user_id: &str,
        archived: Archived,
        request: ListRequest,
    ) -> Result<List<Experiment>, ServiceError>;
    /// One experiment. To a scientist, one that is not associated is not found.
    async fn get(&self, caller: &User, experiment_id: ExperimentId) -> Result<Experiment, ServiceError>;
    /// Adds an experiment; for administrators.
    async fn create(&self, caller: &User, draft: ExperimentDraft) -> Result<Experiment, ServiceError>;
    /// Changes an experiment, archives it or brings it back; for administrators.
    async fn update(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        draft: ExperimentDraft,
    ) -> Result<Experiment, ServiceError>;
    /// All associations, by experiment and then by user; for administrators.
    async fn associations(&self, caller: &User) -> Result<Vec<(ExperimentId, User)>, ServiceError>;
    /// The scientists of an experiment, by id; for administrators.
    async fn scientists(&self, caller: &User, experiment_id: ExperimentId)
    -> Result<Vec<User>, ServiceError>;
    /// Makes these users the scientists of an experiment, all at once; for administrators.
    async fn replace_scientists(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        user_ids: &[String],
    ) -> Result<Vec<User>, ServiceError>;
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

/// The experiment, if the caller may see it: administrators see all, scientists those that they are
/// associated with. `refuse` records why a scientist gets 404.
pub(crate) async fn visible(
    experiments: &dyn ExperimentStore,
    caller: &User,
    experiment_id: ExperimentId,
    refuse: impl FnOnce(&'static str),
) -> Result<Experiment, ServiceError> {
    let found = match caller.role {
        Role::Admin => experiments.find(experiment_id).await?,
        Role::Scientist => experiments.find_of(&caller.user_id, experiment_id).await?,
    };
    if found.is_none() && caller.role == Role::Scientist {
        refuse(NOT_ASSOCIATED);
    }
    found.ok_or(NO_SUCH_EXPERIMENT)
}

/// The audit reason where a scientist gets 404.
pub(crate) const NOT_ASSOCIATED: &str = "not associated with the experiment, or there is none";

impl ExperimentServiceImpl {
    fn attempt<'a>(&'a self, caller: &'a User, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation)
    }

    async fn try_create(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        draft: &ExperimentDraft,
    ) -> Result<Experiment, ServiceError> {
        require_admin(caller)?;
        let ExperimentChanges { name, description, .. } = draft.check()?;
        let description = description.unwrap_or_default();
        let details = ExperimentDetails { description, ..ExperimentDetails::named(name) };
        let experiment = self.experiments.insert(&details).await?;
        attempt.concerns(Resource::Experiment(experiment.experiment_id));
        Ok(experiment)
    }

    async fn try_update(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        experiment_id: ExperimentId,
        draft: &ExperimentDraft,
    ) -> Result<Experiment, ServiceError> {
        require_admin(caller)?;
        if draft.experiment_id.is_some_and(|id| id != experiment_id.get()) {
            return Err(ServiceError::invalid("experiment_id", CANNOT_BE_CHANGED));
        }
        let changes = draft.check()?;
        let before = self.experiments.update(experiment_id, &changes).await?.ok_or(NO_SUCH_EXPERIMENT)?;
        let updated = changes.applied_to(&before);
        attempt.changed(changed_fields(&before, &updated));
        Ok(updated)
    }

    async fn filtered(
        &self,
        filter: ExperimentFilter,
        request: ListRequest,
    ) -> Result<List<Experiment>, ServiceError> {
        let ExperimentFilter { of, archived } = &filter;
        let scope = format!("{archived:?} {}", of.as_ref().map(UserId::as_str).unwrap_or_default());
        let (experiments, filter) = (&*self.experiments, &filter);
        let page = |after, limit| async move { experiments.page(filter, after, limit).await }.boxed();
        request.answer(&scope, page).await
    }

    async fn try_scientists(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
    ) -> Result<Vec<User>, ServiceError> {
        require_admin(caller)?;
        self.experiments.find(experiment_id).await?.ok_or(NO_SUCH_EXPERIMENT)?;
        Ok(self.associations.scientists_of(experiment_id).await?)
    }

    async fn try_replace_scientists(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        experiment_id: ExperimentId,
        user_ids: &[String],
    ) -> Result<Vec<User>, ServiceError> {
        let not_scientists = || ServiceError::invalid("user_ids", "must be ids of scientists");
        require_admin(caller)?;
        self.experiments.find(experiment_id).await?.ok_or(NO_SUCH_EXPERIMENT)?;
        let user_ids: Result<Vec<_>, _> = user_ids.iter().map(|id| UserId::existing(id)).collect();
        let mut user_ids = user_ids.map_err(|_| not_scientists())?;
        user_ids.sort();
        user_ids.dedup();
        match self.associations.replace(experiment_id, &user_ids).await? {
            Replacement::Replaced { added, removed } => {
                let resource = |id| Resource::Association(experiment_id, id);
                let added = added.into_iter().map(|id| (Action::Associate, resource(id)));
                let removed = removed.into_iter().map(|id| (Action::Dissociate, resource(id)));
                attempt.done(added.chain(removed));
            }
            Replacement::NoSuchExperiment => return Err(NO_SUCH_EXPERIMENT),
            Replacement::NotScientists => return Err(not_scientists()),
        }
        Ok(self.associations.scientists_of(experiment_id).await?)
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
        let user_id = UserId::existing(user_id).map_err(|_| NO_SUCH_USER)?;
        let user = self.users.find(&user_id).await?.ok_or(NO_SUCH_USER)?;
        attempt.concerns(Resource::Association(experiment_id, user_id.clone()));
        if user.role != Role::Scientist {
            return Err(ServiceError::invalid("user_id", "must be a scientist's"));
        }
        if !self.associations.insert(experiment_id, &user_id).await? {
            // The user was erased between the look-up and the insert.
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
        let user_id = UserId::existing(user_id).map_err(|_| NO_SUCH_ASSOCIATION)?;
        if !self.associations.delete(experiment_id, &user_id).await? {
            return Err(NO_SUCH_ASSOCIATION);
        }
        attempt.concerns(Resource::Association(experiment_id, user_id));
        Ok(())
    }
}

#[async_trait]
impl ExperimentService for ExperimentServiceImpl {
    async fn list(
        &self,
        caller: &Principal,
        archived: Archived,
        request: ListRequest,
    ) -> Result<List<Experiment>, ServiceError> {
        let of = (caller.user.role == Role::Scientist).then(|| caller.user.user_id.clone());
        let mut list = self.filtered(ExperimentFilter { of, archived }, request).await?;
        list.items.retain(|experiment| caller.reaches(experiment.experiment_id));
        Ok(list)
    }

    async fn list_of(
        &self,
        caller: &User,
        user_id: &str,
        archived: Archived,
        request: ListRequest,
    ) -> Result<List<Experiment>, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::ListAssociations);
        let listed = match accessible(&*self.users, &mut attempt, user_id).await {
            Ok(user) => self.filtered(ExperimentFilter { of: Some(user.user_id), archived }, request).await,
            Err(refusal) => Err(refusal),
        };
        attempt.conclude(listed)
    }

    async fn get(&self, caller: &User, experiment_id: ExperimentId) -> Result<Experiment, ServiceError> {
        visible(&*self.experiments, caller, experiment_id, |reason| {
            let attempt = self.attempt(caller, Operation::ReadExperiment);
            attempt.on(Resource::Experiment(experiment_id)).refuse(reason);
        })
        .await
    }

    async fn create(&self, caller: &User, draft: ExperimentDraft) -> Result<Experiment, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::CreateExperiment);
        let created = self.try_create(&mut attempt, caller, &draft).await;
        attempt.conclude(created)
    }

    async fn update(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        draft: ExperimentDraft,
    ) -> Result<Experiment, ServiceError> {
        let attempt = self.attempt(caller, Operation::UpdateExperiment);
        let mut attempt = attempt.on(Resource::Experiment(experiment_id));
        let updated = self.try_update(&mut attempt, caller, experiment_id, &draft).await;
        attempt.conclude(updated)
    }

    async fn associations(&self, caller: &User) -> Result<Vec<(ExperimentId, User)>, ServiceError> {
        let attempt = self.attempt(caller, Operation::ListAssociations);
        let listed = match require_admin(caller) {
            Ok(()) => self.associations.list().await.map_err(ServiceError::from),
            Err(refusal) => Err(refusal),
        };
        attempt.conclude(listed)
    }

    async fn scientists(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
    ) -> Result<Vec<User>, ServiceError> {
        let attempt = self.attempt(caller, Operation::ListAssociations);
        let attempt = attempt.on(Resource::Experiment(experiment_id));
        attempt.conclude(self.try_scientists(caller, experiment_id).await)
    }

    async fn replace_scientists(
        &self,
        caller: &User,
        experiment_id: ExperimentId,
        user_ids: &[String],
    ) -> Result<Vec<User>, ServiceError> {
        let attempt = self.attempt(caller, Operation::Associate);
        let mut attempt = attempt.on(Resource::Experiment(experiment_id));
        let replaced = self.try_replace_scientists(&mut attempt, caller, experiment_id, user_ids).await;
        attempt.conclude(replaced)
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

/// The names of the fields in which the two differ.
pub(crate) fn changed_fields(before: &Experiment, after: &Experiment) -> Vec<&'static str> {
    changed([
        ("name", before.name != after.name),
        ("description", before.description != after.description),
        ("archived", before.archived != after.archived),
    ])
}
