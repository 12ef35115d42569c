//! How the users of the page sign in.

use std::sync::Arc;

use async_trait::async_trait;
use mymonit_auth::EvaluationKey;
use mymonit_model::UserId;
use mymonit_rest_listener::{EvaluationDoor, EvaluationUser, SignIn};
use mymonit_services::ServiceError;
use mymonit_services::ports::UserStore;

use crate::commands::TOKEN_VALID_FOR;
use crate::configuration::{AuthConfiguration, PageConfiguration};

/// The way that the configuration asks for.
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

/// Evaluation mode's users are those in storage, so that one that somebody has just added can be tried, too.
struct StoredUsers {
    users: Arc<dyn UserStore>,
    key: EvaluationKey,
}

#[async_trait]
impl EvaluationDoor for StoredUsers {
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
        // What can be no id is that of no user.
        let Ok(user_id) = UserId::new(user_id) else { return Ok(None) };
        let Some(user) = self.users.find(&user_id).await? else { return Ok(None) };
        let token = self.key.sign(user.username.reveal(), TOKEN_VALID_FOR);
        token.map(Some).map_err(|error| ServiceError::Internal(Arc::new(error)))
    }
}
