use mymonit_model::{ExperimentId, User};

use crate::ServiceError;
use crate::ports::TokenGrant;

/// The answer about an experiment that does not exist, or that is hidden from the caller.
pub(crate) const NO_SUCH_EXPERIMENT: ServiceError = ServiceError::NotFound("there is no such experiment");
const ONLY_READS: &str = "an API token is for GET and HEAD only";
const RESTRICTED: &str = "the API token is restricted to experiments";
const NOT_BY_TOKEN: &str = "API tokens are managed with an ID token, not with an API token";

/// The user of a request, and the API token by which the user is authenticated.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Whose rights count.
    pub user: User,
    /// What limits them further; `None` with an ID token.
    pub token: Option<TokenGrant>,
    /// When the user has signed in; `Past` with an API token.
    pub sign_in: SignIn,
}

/// Whether a user has signed in recently enough for what cannot be undone
/// (`ADMIN_AUTH_MAX_MINUTES`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// Recently, or no limit is set.
    Recent,
    /// Longer ago.
    Past,
}

impl SignIn {
    /// Refuses a sign-in that is too long ago.
    pub(crate) const fn require_recent(self) -> Result<(), ServiceError> {
        match self {
            Self::Recent => Ok(()),
            Self::Past => Err(ServiceError::ReauthenticationRequired),
        }
    }
}

/// The resource of a request, which decides whether an API token may make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It may change something.
    Change,
    /// It reads what belongs to an experiment.
    Experiment(ExperimentId),
    /// It reads what every user may read, or the service that answers it takes a [`Principal`].
    Everyone,
    /// It reads anything else.
    Other,
}

/// Why an API token may not make a request: the reason for the audit, and the answer.
pub(crate) type TokenRefusal = (&'static str, ServiceError);

impl Principal {
    /// The rule of what an API token may do. The user's own rights are checked by each service.
    pub(crate) fn permits(&self, reach: Reach) -> Result<(), TokenRefusal> {
        let Some(token) = &self.token else { return Ok(()) };
        match (reach, &token.experiments) {
            (Reach::Change, _) => Err((ONLY_READS, ServiceError::Forbidden(ONLY_READS))),
            (Reach::Everyone, _) | (_, None) => Ok(()),
            (Reach::Experiment(id), Some(experiments)) if experiments.contains(&id) => Ok(()),
            (Reach::Experiment(_), Some(_)) => Err((RESTRICTED, NO_SUCH_EXPERIMENT)),
            (Reach::Other, Some(_)) => Err((RESTRICTED, ServiceError::Forbidden(RESTRICTED))),
        }
    }

    /// Whether the API token, if any, may read the experiment.
    pub(crate) fn reaches(&self, experiment_id: ExperimentId) -> bool {
        self.permits(Reach::Experiment(experiment_id)).is_ok()
    }

    /// Refuses API tokens.
    pub(crate) fn require_id_token(&self) -> Result<(), ServiceError> {
        match self.token {
            None => Ok(()),
            Some(_) => Err(ServiceError::Forbidden(NOT_BY_TOKEN)),
        }
    }
}
