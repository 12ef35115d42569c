//! Sign-in for the users of the page.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mymonit_auth::EvaluationKey;
use mymonit_logging::TracingAuditLog;
use mymonit_model::UserId;
use mymonit_rest_listener::{EvaluationTokens, EvaluationUser, SignIn};
use mymonit_services::ServiceError;
use mymonit_services::audit::{Action, AuditEvent, AuditLog, Outcome, Resource};
use mymonit_services::ports::UserStore;

use crate::configuration::{AuthConfiguration, PageConfiguration};

/// How long a token of evaluation mode is valid.
pub(crate) const TOKEN_VALID_FOR: Duration = Duration::from_secs(12 * 60 * 60);

/// The configured way of signing in.
///
/// # Errors
/// If evaluation mode's key can be neither read nor made.
pub(crate) fn sign_in(
    configuration: PageConfiguration,
    auth: &AuthConfiguration,
    users: Arc<dyn UserStore>,
) -> anyhow::Result<SignIn> {
    Ok(match (configuration, auth) {
        (PageConfiguration::Firebase(project), _) => SignIn::Firebase(project),
        (PageConfiguration::Evaluation, AuthConfiguration::Evaluation { key_file }) => {
            let key = EvaluationKey::read_or_create(key_file)?;
            SignIn::Evaluation(Arc::new(StoredUsers { users, key }))
        }
        (PageConfiguration::Evaluation, _) => {
            anyhow::bail!("the page is in evaluation mode and the service is not")
        }
    })
}

/// The audit event of a token that was issued in evaluation mode.
pub(crate) fn issued(user_id: UserId) -> AuditEvent {
    let resource = Some(Resource::User(user_id));
    AuditEvent { resource, ..AuditEvent::new(Action::IssueToken, Outcome::Success) }
}

/// Reads the users of evaluation mode from storage, so that a new user can sign in at once.
struct StoredUsers {
    users: Arc<dyn UserStore>,
    key: EvaluationKey,
}

#[async_trait]
impl EvaluationTokens for StoredUsers {
    async fn users(&self) -> Result<Vec<EvaluationUser>, ServiceError> {
        let users = self.users.list().await?;
        let shown = users.into_iter().map(|user| EvaluationUser {
            user_id: user.user_id.to_string(),
            name: user.name.reveal().to_string(),
            role: user.role.as_str(),
        });
        Ok(shown.collect())
    }

    async fn token(&self, user_id: &str) -> Result<Option<String>, ServiceError> {
        // A malformed id belongs to no user.
        let Ok(user_id) = UserId::existing(user_id) else { return Ok(None) };
        let Some(user) = self.users.find(&user_id).await? else { return Ok(None) };
        let token = self.key.sign(user.username.reveal(), TOKEN_VALID_FOR);
        let token = token.map_err(|error| ServiceError::Internal(Arc::new(error)))?;
        TracingAuditLog::new().record(issued(user_id));
        Ok(Some(token))
    }
}
