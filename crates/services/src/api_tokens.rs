// shaku derives a public, undocumented parameter struct from every component with a default.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{
    ApiToken, ApiTokenId, ApiTokenName, ExperimentId, Faceted, Role, Timestamp, User, UserId,
};
use shaku::{Component, Interface};

use crate::api_token_secret::{DEFAULT_API_TOKEN_MAX_DAYS, generate};
use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::experiment_service::experiment_ids;
use crate::ports::{ApiTokenStore, ExperimentStore, NewApiToken, UserStore};
use crate::user_service::{accessible, require_admin};
use crate::{Principal, ServiceError};

/// How many API tokens a user may have, expired ones included.
pub const MAX_API_TOKENS: u32 = 20;
/// How many experiments an API token can be restricted to.
pub const MAX_API_TOKEN_EXPERIMENTS: usize = 1_000;
/// The lifetime of a token whose creator names none, unless the maximum is less.
const DEFAULT_DAYS: u32 = 90;

const NO_SUCH_TOKEN: ServiceError = ServiceError::NotFound("there is no such API token");
const NO_SUCH_USER: ServiceError = ServiceError::NotFound("there is no such user");
const TURNED_OFF: ServiceError =
    ServiceError::Forbidden("API tokens are turned off here (`API_TOKEN_MAX_DAYS` is 0)");

/// A new token as the client sent it; not validated yet.
#[derive(Debug, Clone)]
pub struct ApiTokenDraft {
    /// What the user calls it.
    pub name: String,
    /// How long it is accepted; `None` for the default.
    pub expires_in_days: Option<u32>,
    /// What it may read; `None` for all that its user may.
    pub experiments: Option<Vec<u32>>,
}

/// API tokens: create, list, revoke. With an ID token only.
#[async_trait]
pub trait ApiTokenService: Interface {
    /// The caller's own tokens by id, expired ones included.
    async fn list_own(&self, caller: &Principal) -> Result<Vec<ApiToken>, ServiceError>;
    /// Creates a token for the caller and returns it with its secret, which is stored nowhere.
    async fn create(
        &self,
        caller: &Principal,
        draft: ApiTokenDraft,
    ) -> Result<(ApiToken, Faceted<String>), ServiceError>;
    /// Revokes a token of the caller, immediately and permanently.
    async fn revoke_own(&self, caller: &Principal, id: ApiTokenId) -> Result<(), ServiceError>;
    /// The tokens of a user; for administrators.
    async fn list(&self, caller: &Principal, user_id: &str) -> Result<Vec<ApiToken>, ServiceError>;
    /// Revokes a token of a user; for administrators.
    async fn revoke(&self, caller: &Principal, user_id: &str, id: ApiTokenId) -> Result<(), ServiceError>;
}

/// The one implementation of [`ApiTokenService`].
#[derive(Component)]
#[shaku(interface = ApiTokenService)]
pub struct ApiTokenServiceImpl {
    #[shaku(inject)]
    tokens: Arc<dyn ApiTokenStore>,
    #[shaku(inject)]
    users: Arc<dyn UserStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
    /// The longest lifetime of a token; 0 turns tokens off.
    #[shaku(default = DEFAULT_API_TOKEN_MAX_DAYS)]
    max_days: u32,
}

impl ApiTokenServiceImpl {
    fn attempt<'a>(&'a self, caller: &'a Principal, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, &caller.user, operation)
    }

    async fn try_create(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &Principal,
        draft: ApiTokenDraft,
    ) -> Result<(ApiToken, Faceted<String>), ServiceError> {
        caller.require_id_token()?;
        if self.max_days == 0 {
            return Err(TURNED_OFF);
        }
        let name = ApiTokenName::new(&draft.name)?;
        let days = draft.expires_in_days.unwrap_or(DEFAULT_DAYS.min(self.max_days));
        if !(1..=self.max_days).contains(&days) {
            let allowed = format!("must be an integer from 1 to {}", self.max_days);
            return Err(ServiceError::invalid("expires_in_days", allowed));
        }
        let experiments = match draft.experiments {
            Some(ids) => Some(self.readable(&caller.user, ids).await?),
            None => None,
        };
        let (secret, digest) = generate()?;
        let created_at = Timestamp::now().full_second();
        let expires_at = created_at.plus_days(days);
        let user_id = caller.user.user_id.clone();
        let new = NewApiToken { user_id, name, digest, created_at, expires_at, experiments };
        let id = self.tokens.insert(&new, MAX_API_TOKENS).await?.ok_or(NO_SUCH_USER)?;
        attempt.concerns(Resource::ApiToken(id));
        let NewApiToken { name, experiments, .. } = new;
        Ok((ApiToken { id, name, created_at, expires_at, experiments, last_used_at: None }, secret))
    }

    /// The experiments of these ids, all of which the user must be able to read.
    async fn readable(&self, user: &User, ids: Vec<u32>) -> Result<Vec<ExperimentId>, ServiceError> {
        let refused = |message: String| Err(ServiceError::invalid("experiments", message));
        let ids: BTreeSet<_> = ids.into_iter().map(ExperimentId::new).collect();
        if ids.is_empty() || ids.len() > MAX_API_TOKEN_EXPERIMENTS {
            return refused(format!(
                "must hold 1 to {MAX_API_TOKEN_EXPERIMENTS} ids, or be left out for all experiments"
            ));
        }
        let of = (user.role == Role::Scientist).then(|| user.user_id.clone());
        if !ids.is_subset(&experiment_ids(&*self.experiments, of).await?) {
            return refused("must hold ids of experiments that you may read".to_owned());
        }
        Ok(ids.into_iter().collect())
    }

    /// Any user, for an administrator.
    async fn user(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &Principal,
        user_id: &str,
    ) -> Result<UserId, ServiceError> {
        caller.require_id_token()?;
        require_admin(&caller.user)?;
        Ok(accessible(&*self.users, attempt, user_id).await?.user_id)
    }

    async fn try_revoke(
        &self,
        attempt: &mut Attempt<'_>,
        user_id: &UserId,
        id: ApiTokenId,
    ) -> Result<(), ServiceError> {
        if !self.tokens.delete(user_id, id).await? {
            return Err(NO_SUCH_TOKEN);
        }
        attempt.concerns(Resource::ApiToken(id));
        Ok(())
    }
}

#[async_trait]
impl ApiTokenService for ApiTokenServiceImpl {
    async fn list_own(&self, caller: &Principal) -> Result<Vec<ApiToken>, ServiceError> {
        self.attempt(caller, Operation::ListApiTokens).conclude(caller.require_id_token())?;
        Ok(self.tokens.list(&caller.user.user_id).await?)
    }

    async fn create(
        &self,
        caller: &Principal,
        draft: ApiTokenDraft,
    ) -> Result<(ApiToken, Faceted<String>), ServiceError> {
        let mut attempt = self.attempt(caller, Operation::CreateApiToken);
        let created = self.try_create(&mut attempt, caller, draft).await;
        attempt.conclude(created)
    }

    async fn revoke_own(&self, caller: &Principal, id: ApiTokenId) -> Result<(), ServiceError> {
        let mut attempt = self.attempt(caller, Operation::RevokeApiToken);
        let revoked = match caller.require_id_token() {
            Ok(()) => self.try_revoke(&mut attempt, &caller.user.user_id, id).await,
            Err(error) => Err(error),
        };
        attempt.conclude(revoked)
    }

    async fn list(&self, caller: &Principal, user_id: &str) -> Result<Vec<ApiToken>, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::ListApiTokens);
        let user_id = self.user(&mut attempt, caller, user_id).await;
        let user_id = attempt.conclude(user_id)?;
        Ok(self.tokens.list(&user_id).await?)
    }

    async fn revoke(&self, caller: &Principal, user_id: &str, id: ApiTokenId) -> Result<(), ServiceError> {
        let mut attempt = self.attempt(caller, Operation::RevokeApiToken);
        let revoked = match self.user(&mut attempt, caller, user_id).await {
            Ok(user_id) => self.try_revoke(&mut attempt, &user_id, id).await,
            Err(error) => Err(error),
        };
        attempt.conclude(revoked)
    }
}
