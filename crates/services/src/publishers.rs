use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{ExperimentId, Publisher, PublisherName, User};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::experiment_service::experiment_ids;
use crate::ports::{ExperimentStore, PublisherStore};
use crate::user_service::require_admin;

const NO_SUCH_PUBLISHER: ServiceError = ServiceError::NotFound("there is no such publisher");

/// Publishers and the experiments that they may publish to. For administrators only.
///
/// A publisher that is not registered may publish to any experiment.
#[async_trait]
pub trait PublisherService: Interface {
    /// All publishers, by name.
    async fn list(&self, caller: &User) -> Result<Vec<Publisher>, ServiceError>;
    /// One publisher.
    async fn get(&self, caller: &User, name: &str) -> Result<Publisher, ServiceError>;
    /// Adds or replaces a publisher. The name, if given, must be that of the publisher.
    async fn put(
        &self,
        caller: &User,
        name: &str,
        given_name: Option<&str>,
        experiments: Option<BTreeSet<ExperimentId>>,
    ) -> Result<Publisher, ServiceError>;
    /// Removes a publisher, which may then publish to any experiment.
    async fn delete(&self, caller: &User, name: &str) -> Result<(), ServiceError>;
}

/// The one implementation of [`PublisherService`].
#[derive(Component)]
#[shaku(interface = PublisherService)]
pub struct PublisherServiceImpl {
    #[shaku(inject)]
    publishers: Arc<dyn PublisherStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

impl PublisherServiceImpl {
    fn require_admin(&self, caller: &User, operation: Operation) -> Result<(), ServiceError> {
        match require_admin(caller) {
            Ok(()) => Ok(()),
            refused => Attempt::new(&*self.audit, caller, operation).conclude(refused),
        }
    }

    async fn try_put(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        name: &str,
        given_name: Option<&str>,
        experiments: Option<BTreeSet<ExperimentId>>,
    ) -> Result<Publisher, ServiceError> {
        require_admin(caller)?;
        let name = PublisherName::new(name)?;
        if given_name.is_some_and(|given| given.trim() != name.as_str()) {
            return Err(ServiceError::invalid("name", "cannot be changed"));
        }
        if let Some(ids) = &experiments {
            // Experiments are never deleted.
            if !ids.is_subset(&experiment_ids(&*self.experiments, None).await?) {
                return Err(ServiceError::invalid("experiments", "must hold ids of experiments only"));
            }
        }
        let publisher = Publisher { name, experiments };
        self.publishers.put(&publisher).await?;
        attempt.concerns(Resource::Publisher(publisher.name.clone()));
        Ok(publisher)
    }

    async fn try_delete(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        name: &str,
    ) -> Result<(), ServiceError> {
        require_admin(caller)?;
        let name = PublisherName::new(name).map_err(|_| NO_SUCH_PUBLISHER)?;
        if !self.publishers.delete(&name).await? {
            return Err(NO_SUCH_PUBLISHER);
        }
        attempt.concerns(Resource::Publisher(name));
        Ok(())
    }
}

#[async_trait]
impl PublisherService for PublisherServiceImpl {
    async fn list(&self, caller: &User) -> Result<Vec<Publisher>, ServiceError> {
        self.require_admin(caller, Operation::ListPublishers)?;
        Ok(self.publishers.list().await?)
    }

    async fn get(&self, caller: &User, name: &str) -> Result<Publisher, ServiceError> {
        self.require_admin(caller, Operation::ReadPublisher)?;
        let name = PublisherName::new(name).map_err(|_| NO_SUCH_PUBLISHER)?;
        self.publishers.find(&name).await?.ok_or(NO_SUCH_PUBLISHER)
    }

    async fn put(
        &self,
        caller: &User,
        name: &str,
        given_name: Option<&str>,
        experiments: Option<BTreeSet<ExperimentId>>,
    ) -> Result<Publisher, ServiceError> {
        let mut attempt = Attempt::new(&*self.audit, caller, Operation::UpdatePublisher);
        let put = self.try_put(&mut attempt, caller, name, given_name, experiments).await;
        attempt.conclude(put)
    }

    async fn delete(&self, caller: &User, name: &str) -> Result<(), ServiceError> {
        let mut attempt = Attempt::new(&*self.audit, caller, Operation::DeletePublisher);
        let deleted = self.try_delete(&mut attempt, caller, name).await;
        attempt.conclude(deleted)
    }
}
