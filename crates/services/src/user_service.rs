// shaku derives a public, undocumented parameter struct from every component with a default.
#![allow(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Email, ExperimentId, Faceted, PersonName, Role, Timestamp, User, UserId, Username};
use shaku::{Component, Interface};

use crate::api_token_secret::{DEFAULT_API_TOKEN_MAX_DAYS, digest_of, is_api_token};
use crate::audit::{Action, Attempt, AuditEvent, AuditLog, Operation, Outcome, Resource, changed};
use crate::listing::{List, ListRequest};
use crate::ports::{
    Access, ApiTokenStore, Conflict, Erasure, Identity, StorageError, TokenUse, TokenVerifier, UserProfile,
    UserStore,
};
use crate::token_uses::TokenUses;
use crate::user_rate::UserRate;
use crate::{Principal, Reach, ServiceError, SignIn};

const ONLY_ADMINISTRATORS: ServiceError = ServiceError::Forbidden("only an administrator may do this");
const ONLY_THEMSELVES: ServiceError =
    ServiceError::Forbidden("a scientist has access to the own record only");
const UNKNOWN_CALLER: ServiceError = ServiceError::Forbidden("the token's user is not known here");
const NO_SUCH_TOKEN: ServiceError =
    ServiceError::Unauthenticated { reason: "the API token is unknown, expired or revoked" };
const NO_SUCH_USER: ServiceError = ServiceError::NotFound("there is no such user");
/// Scientists must not find out whether another user has the address.
const EMAIL_REFUSED: ServiceError =
    ServiceError::Conflict("this `email` cannot be used; ask an administrator");
/// Without an administrator, no user could be managed any more.
const LAST_ADMINISTRATOR_STAYS: ServiceError = ServiceError::Conflict(
    "the last administrator's `username` cannot be changed; add another administrator before",
);

/// The error of an immutable field; continues its name.
pub(crate) const CANNOT_BE_CHANGED: &str = "cannot be changed";

/// Refuses callers that are no administrators.
pub(crate) fn require_admin(caller: &User) -> Result<(), ServiceError> {
    if caller.role == Role::Admin { Ok(()) } else { Err(ONLY_ADMINISTRATORS) }
}

/// A user to be, as a client wrote it; nothing is checked yet.
#[derive(Debug, Clone)]
pub struct UserDraft {
    /// The staff identification.
    pub user_id: String,
    /// The role's name.
    pub role: String,
    /// Everything else.
    pub profile: UserProfileDraft,
}

/// The part of a user that can change, as a client wrote it; nothing is checked yet.
#[derive(Debug, Clone)]
pub struct UserProfileDraft {
    /// The person's name.
    pub name: Faceted<String>,
    /// The Firebase UID.
    pub username: Faceted<String>,
    /// The e-mail address.
    pub email: Faceted<String>,
}

impl UserProfileDraft {
    fn check(&self) -> Result<UserProfile, ServiceError> {
        Ok(UserProfile {
            name: PersonName::new(self.name.reveal())?.into(),
            username: Username::new(self.username.reveal())?.into(),
            email: Email::new(self.email.reveal())?.into(),
        })
    }
}

/// The credentials of a request.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    /// An ID token or an API token, not verified.
    Token(&'a str),
    /// Nothing that could be a token, for this reason.
    Unusable(&'static str),
}

/// Authentication, and management of user records.
#[async_trait]
pub trait UserService: Interface {
    /// The user of a token, which must be one for requests like this.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if there is no token or it is not valid;
    /// [`ServiceError::Forbidden`] if the user of an ID token is unknown or erased, or an API token
    /// is not for that; [`ServiceError::NotFound`] for an experiment that an API token may not
    /// read; [`ServiceError::TooManyRequests`] if the user makes too many requests.
    async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        reach: Reach,
    ) -> Result<Principal, ServiceError>;
    /// By what the user of a request that reads is found. The user or the API token may be unknown.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if there is no token or it does not verify.
    async fn verify(&self, credentials: Credentials<'_>) -> Result<Identity, ServiceError>;
    /// What a user may read of that experiment.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if the API token is unknown, expired or revoked;
    /// [`ServiceError::Forbidden`] if the user of an ID token is unknown or erased.
    async fn access(&self, identity: &Identity, experiment_id: ExperimentId) -> Result<Access, ServiceError>;
    /// Counts a request of that user.
    ///
    /// # Errors
    /// [`ServiceError::TooManyRequests`] if the user makes too many.
    fn count(&self, user_id: &UserId) -> Result<(), ServiceError>;
    /// Notes the use of an API token in the span of the request and, once an hour, in the storage.
    /// Waits for nothing.
    fn note_use(&self, token: TokenUse);
    /// Users, by id; for administrators.
    async fn list(&self, caller: &User, request: ListRequest) -> Result<List<User>, ServiceError>;
    /// One user; for administrators and the user. Scientists get the same answer for other and
    /// unknown ids.
    async fn get(&self, caller: &User, user_id: &str) -> Result<User, ServiceError>;
    /// Adds a user; for administrators.
    async fn create(&self, caller: &User, draft: UserDraft) -> Result<User, ServiceError>;
    /// Replaces the changeable fields of a user; for administrators and the user. Id and role must
    /// be unchanged. Only administrators change usernames, but not that of the last administrator,
    /// and after a recent sign-in.
    async fn update(
        &self,
        caller: &User,
        user_id: &str,
        given_id: Option<String>,
        given_role: Option<String>,
        profile: UserProfileDraft,
        sign_in: SignIn,
    ) -> Result<User, ServiceError>;
    /// Erases the personal data of a user irreversibly; for administrators and the user. The last
    /// administrator cannot be erased. Needs a recent sign-in.
    async fn erase(&self, caller: &User, user_id: &str, sign_in: SignIn) -> Result<(), ServiceError>;
}

/// The one implementation of [`UserService`].
#[derive(Component)]
#[shaku(interface = UserService)]
pub struct UserServiceImpl {
    #[shaku(inject)]
    users: Arc<dyn UserStore>,
    #[shaku(inject)]
    tokens: Arc<dyn TokenVerifier>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
    #[shaku(inject)]
    api_tokens: Arc<dyn ApiTokenStore>,
    /// The longest lifetime of an API token; 0 turns API tokens off.
    #[shaku(default = DEFAULT_API_TOKEN_MAX_DAYS)]
    api_token_max_days: u32,
    #[shaku(default)]
    token_uses: TokenUses,
    /// The greatest age of a sign-in that counts as recent; `None` means any.
    #[shaku(default)]
    max_sign_in_age: Option<Duration>,
    /// How many requests each user may make.
    #[shaku(default)]
    rate: UserRate,
}

impl UserServiceImpl {
    fn attempt<'a>(&'a self, caller: &'a User, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation)
    }

    /// By what the user is found, and when the user has signed in.
    async fn try_verify(&self, credentials: Credentials<'_>) -> Result<(Identity, SignIn), ServiceError> {
        match credentials {
            Credentials::Token(token) if is_api_token(token) => {
                if self.api_token_max_days == 0 {
                    return Err(ServiceError::Unauthenticated { reason: "API tokens are turned off" });
                }
                let digest = digest_of(token);
                let digest =
                    digest.ok_or(ServiceError::Unauthenticated { reason: "a malformed API token" })?;
                Ok((Identity::ApiToken(digest, Timestamp::now()), SignIn::Past))
            }
            Credentials::Token(token) => {
                let claims = self.tokens.claims(token).await?;
                Ok((Identity::Username(claims.username.into()), self.sign_in(claims.signed_in_at)))
            }
            Credentials::Unusable(reason) => Err(ServiceError::Unauthenticated { reason }),
        }
    }

    async fn try_authenticate(&self, credentials: Credentials<'_>) -> Result<Principal, ServiceError> {
        let (identity, sign_in) = self.try_verify(credentials).await?;
        match identity {
            Identity::Username(username) => {
                let user = self.users.find_by_username(username.reveal()).await?.ok_or(UNKNOWN_CALLER)?;
                Ok(Principal { user, token: None, sign_in })
            }
            Identity::ApiToken(digest, at) => {
                let (user, grant) = self.users.find_by_token(&digest, at).await?.ok_or(NO_SUCH_TOKEN)?;
                self.note_use(grant.token);
                Ok(Principal { user, token: Some(grant), sign_in })
            }
        }
    }

    fn sign_in(&self, at: Timestamp) -> SignIn {
        let age = Timestamp::now().unix_nanos().saturating_sub(at.unix_nanos());
        match self.max_sign_in_age {
            Some(greatest) if i128::from(age) > greatest.as_nanos().cast_signed() => SignIn::Past,
            _ => SignIn::Recent,
        }
    }

    async fn try_access(
        &self,
        identity: &Identity,
        experiment_id: ExperimentId,
    ) -> Result<Access, ServiceError> {
        let found = self.users.access(identity, experiment_id).await?;
        found.ok_or(match identity {
            Identity::Username(_) => UNKNOWN_CALLER,
            Identity::ApiToken(..) => NO_SUCH_TOKEN,
        })
    }

    /// Records a failed authentication.
    fn audited<T>(&self, authenticated: Result<T, ServiceError>) -> Result<T, ServiceError> {
        let failure = |action, reason: &'static str| AuditEvent {
            reason: Some(reason.into()),
            ..AuditEvent::new(action, Outcome::Failure)
        };
        match &authenticated {
            Err(ServiceError::Unauthenticated { reason }) => {
                self.audit.record(failure(Action::Authenticate, reason));
            }
            Err(ServiceError::Forbidden(reason)) => {
                let operation = Some(Operation::SignIn);
                self.audit.record(AuditEvent { operation, ..failure(Action::Authorize, reason) });
            }
            _ => {}
        }
        authenticated
    }

    async fn try_list(&self, caller: &User, request: ListRequest) -> Result<List<User>, ServiceError> {
        require_admin(caller)?;
        let users = &*self.users;
        let page =
            |after: Option<UserId>, limit| async move { users.page(after.as_ref(), limit).await }.boxed();
        request.answer("", page).await
    }

    async fn try_create(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        draft: UserDraft,
    ) -> Result<User, ServiceError> {
        require_admin(caller)?;
        let user_id = UserId::new(&draft.user_id)?;
        let role: Role = draft.role.parse()?;
        let UserProfile { name, username, email } = draft.profile.check()?;
        let user = User { user_id, name, username, email, role };
        self.users.insert(&user).await?;
        attempt.concerns(Resource::User(user.user_id.clone()));
        Ok(user)
    }

    async fn try_update(
        &self,
        attempt: &mut Attempt<'_>,
        user_id: &str,
        (given_id, given_role): (Option<String>, Option<String>),
        profile: UserProfileDraft,
        sign_in: SignIn,
    ) -> Result<User, ServiceError> {
        let stored = accessible(&*self.users, attempt, user_id).await?;
        if given_id.is_some_and(|id| id != stored.user_id.as_str()) {
            return Err(ServiceError::invalid("user_id", CANNOT_BE_CHANGED));
        }
        if given_role.is_some_and(|role| role != stored.role.as_str()) {
            return Err(ServiceError::invalid("role", CANNOT_BE_CHANGED));
        }
        let profile = profile.check()?;
        if attempt.caller().role != Role::Admin && profile.username != stored.username {
            return Err(ServiceError::Forbidden("only an administrator may change `username`"));
        }
        if profile.username != stored.username {
            sign_in.require_recent()?;
            if self.is_last_administrator(&stored).await? {
                return Err(LAST_ADMINISTRATOR_STAYS);
            }
        }
        let updated = self.users.update(&stored.user_id, &profile).await;
        let updated = updated.map_err(|error| match error {
            StorageError::Conflict(Conflict::Email) if attempt.caller().role != Role::Admin => EMAIL_REFUSED,
            error => error.into(),
        });
        if !updated? {
            return Err(NO_SUCH_USER);
        }
        attempt.changed(changed_fields(&stored, &profile));
        let UserProfile { name, username, email } = profile;
        Ok(User { name, username, email, ..stored })
    }

    /// Whether this is the only administrator.
    async fn is_last_administrator(&self, user: &User) -> Result<bool, ServiceError> {
        let is_other_one = |other: &User| other.role == Role::Admin && other.user_id != user.user_id;
        Ok(user.role == Role::Admin && !self.users.list().await?.iter().any(is_other_one))
    }

    async fn try_erase(
        &self,
        attempt: &mut Attempt<'_>,
        user_id: &str,
        sign_in: SignIn,
    ) -> Result<(), ServiceError> {
        let user = accessible(&*self.users, attempt, user_id).await?;
        sign_in.require_recent()?;
        match self.users.erase(&user.user_id).await? {
            Erasure::Erased => Ok(()),
            Erasure::Absent => Err(NO_SUCH_USER),
            Erasure::LastAdministrator => {
                Err(ServiceError::Conflict("the last administrator cannot be erased"))
            }
        }
    }
}

/// Permits administrators any user, and all users their own record.
pub(crate) async fn accessible(
    users: &dyn UserStore,
    attempt: &mut Attempt<'_>,
    user_id: &str,
) -> Result<User, ServiceError> {
    let caller = attempt.caller();
    if caller.role == Role::Scientist && caller.user_id.as_str() == user_id {
        attempt.concerns(Resource::User(caller.user_id.clone()));
        return Ok(caller.clone());
    }
    // Text that is no valid id names no user. A scientist's request is looked up as well: the audit
    // event names the user, but only if the user exists.
    let found = match UserId::existing(user_id) {
        Ok(user_id) => users.find(&user_id).await,
        Err(_) => Ok(None),
    };
    if let Ok(Some(user)) = &found {
        attempt.concerns(Resource::User(user.user_id.clone()));
    }
    if caller.role == Role::Admin { found?.ok_or(NO_SUCH_USER) } else { Err(ONLY_THEMSELVES) }
}

/// The names of the fields that the profile changes.
pub(crate) fn changed_fields(stored: &User, profile: &UserProfile) -> Vec<&'static str> {
    changed([
        ("name", profile.name != stored.name),
        ("username", profile.username != stored.username),
        ("email", profile.email != stored.email),
    ])
}

#[async_trait]
impl UserService for UserServiceImpl {
    async fn authenticate(
        &self,
        credentials: Credentials<'_>,
        reach: Reach,
    ) -> Result<Principal, ServiceError> {
        let principal = self.audited(self.try_authenticate(credentials).await)?;
        self.count(&principal.user.user_id)?;
        if let Err((reason, error)) = principal.permits(reach) {
            let mut attempt = self.attempt(&principal.user, Operation::UseApiToken);
            if let Reach::Experiment(id) = reach {
                attempt.concerns(Resource::Experiment(id));
            }
            attempt.refuse(reason);
            return Err(error);
        }
        Ok(principal)
    }

    async fn verify(&self, credentials: Credentials<'_>) -> Result<Identity, ServiceError> {
        self.audited(self.try_verify(credentials).await).map(|(identity, _)| identity)
    }

    async fn access(&self, identity: &Identity, experiment_id: ExperimentId) -> Result<Access, ServiceError> {
        self.audited(self.try_access(identity, experiment_id).await)
    }

    fn count(&self, user_id: &UserId) -> Result<(), ServiceError> {
        self.rate.count(user_id)
    }

    fn note_use(&self, token: TokenUse) {
        self.token_uses.note(token, &self.api_tokens);
    }

    async fn list(&self, caller: &User, request: ListRequest) -> Result<List<User>, ServiceError> {
        let attempt = self.attempt(caller, Operation::ListUsers);
        attempt.conclude(self.try_list(caller, request).await)
    }

    async fn get(&self, caller: &User, user_id: &str) -> Result<User, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::ReadUser);
        let user = accessible(&*self.users, &mut attempt, user_id).await;
        attempt.conclude(user)
    }

    async fn create(&self, caller: &User, draft: UserDraft) -> Result<User, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::CreateUser);
        let created = self.try_create(&mut attempt, caller, draft).await;
        attempt.conclude(created)
    }

    async fn update(
        &self,
        caller: &User,
        user_id: &str,
        given_id: Option<String>,
        given_role: Option<String>,
        profile: UserProfileDraft,
        sign_in: SignIn,
    ) -> Result<User, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::UpdateUser);
        let updated = self.try_update(&mut attempt, user_id, (given_id, given_role), profile, sign_in).await;
        attempt.conclude(updated)
    }

    async fn erase(&self, caller: &User, user_id: &str, sign_in: SignIn) -> Result<(), ServiceError> {
        let mut attempt = self.attempt(caller, Operation::EraseUser);
        let erased = self.try_erase(&mut attempt, user_id, sign_in).await;
        attempt.conclude(erased)
    }
}
