use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{Email, Experiment, ExperimentId, Faceted, PersonName, Role, User, UserId, Username};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::audit::{Action, Attempt, AuditEvent, AuditLog, Operation, Outcome, Resource};
use crate::ports::{Erasure, TokenVerifier, UserProfile, UserStore};

const ONLY_ADMINISTRATORS: ServiceError = ServiceError::Forbidden("only an administrator may do this");
const ONLY_THEMSELVES: ServiceError =
    ServiceError::Forbidden("a scientist has access to the own record only");
const UNKNOWN_CALLER: ServiceError = ServiceError::Forbidden("the token's user is not known here");
const NO_SUCH_USER: ServiceError = ServiceError::NotFound("there is no such user");
/// With a slip in it, nobody could sign in as an administrator any more.
const LAST_ADMINISTRATOR_STAYS: ServiceError = ServiceError::Conflict(
    "the last administrator's `username` cannot be changed; add another administrator before",
);

/// What is said of a field that stays as it is for good; reads on after its name.
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

/// What somebody shows to be let in.
#[derive(Debug, Clone, Copy)]
pub enum Credentials<'a> {
    /// An ID token, whatever it is worth.
    Token(&'a str),
    /// Nothing that could be a token, for this reason.
    Unusable(&'static str),
}

/// Somebody who asks for the measures of an experiment. Who it is and whether the two are associated was asked of the
/// storage in one question; what follows from it, [`MeasureService`] decides.
///
/// [`MeasureService`]: crate::MeasureService
#[derive(Debug, Clone)]
pub struct MeasureReader {
    /// Who asks.
    pub user: User,
    /// Which experiment it is about.
    pub experiment_id: ExperimentId,
    /// The experiment, if the user is associated with it.
    pub experiment: Option<Experiment>,
}

/// Who may sign in, and what may be done to their records (specification §2, §3).
#[async_trait]
pub trait UserService: Interface {
    /// The user whom an ID token stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if there is no token or it does not verify, [`ServiceError::Forbidden`] if
    /// it does and its user is not known here or was erased.
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<User, ServiceError>;
    /// The username that an ID token stands for. Whether there is such a user is not asked here, so nobody is let in by
    /// this alone.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if there is no token or it does not verify.
    async fn verify(&self, credentials: Credentials<'_>) -> Result<Username, ServiceError>;
    /// The user of a verified token, who asks for the measures of that experiment.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] if the user is not known here or was erased. Whether the measures may be read is not
    /// asked here.
    async fn reader(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
    ) -> Result<MeasureReader, ServiceError>;
    /// All users; for administrators.
    async fn list(&self, caller: &User) -> Result<Vec<User>, ServiceError>;
    /// One user; for administrators and the user. A scientist cannot tell other ids from absent ones.
    async fn get(&self, caller: &User, user_id: &str) -> Result<User, ServiceError>;
    /// Adds a user; for administrators.
    async fn create(&self, caller: &User, draft: UserDraft) -> Result<User, ServiceError>;
    /// Replaces what can change of a user; for administrators and the user. The id and the role, where
    /// given, must be the stored ones; the username is changed by administrators only, and that of the last one not at
    /// all.
    async fn update(
        &self,
        caller: &User,
        user_id: &str,
        given_id: Option<String>,
        given_role: Option<String>,
        profile: UserProfileDraft,
    ) -> Result<User, ServiceError>;
    /// Erases the personal data of a user for good; for administrators and the user, but never of the
    /// last administrator.
    async fn erase(&self, caller: &User, user_id: &str) -> Result<(), ServiceError>;
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
}

impl UserServiceImpl {
    fn attempt<'a>(&'a self, caller: &'a User, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation)
    }

    /// Whom the token names.
    async fn try_verify(&self, credentials: Credentials<'_>) -> Result<Username, ServiceError> {
        match credentials {
            Credentials::Token(token) => Ok(self.tokens.verify(token).await?),
            Credentials::Unusable(reason) => Err(ServiceError::Unauthenticated { reason }),
        }
    }

    async fn try_authenticate(&self, credentials: Credentials<'_>) -> Result<User, ServiceError> {
        let username = self.try_verify(credentials).await?;
        self.users.find_by_username(&username).await?.ok_or(UNKNOWN_CALLER)
    }

    async fn try_reader(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
    ) -> Result<MeasureReader, ServiceError> {
        let found = self.users.find_with_experiment(username, experiment_id).await?;
        let (user, experiment) = found.ok_or(UNKNOWN_CALLER)?;
        Ok(MeasureReader { user, experiment_id, experiment })
    }

    /// Tells the auditor of somebody who is not let in.
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

    /// Lets administrators through to any user and everybody to their own record.
    async fn accessible(&self, attempt: &mut Attempt<'_>, user_id: &str) -> Result<User, ServiceError> {
        let caller = attempt.caller();
        if caller.role == Role::Scientist && caller.user_id.as_str() == user_id {
            attempt.concerns(Resource::User(caller.user_id.clone()));
            return Ok(caller.clone());
        }
        // A text that can be no id names no user. For a scientist this is looked up, too: the auditor wants to
        // know whose record it was, and only of a user that exists may the log tell.
        let found = match UserId::new(user_id) {
            Ok(user_id) => self.users.find(&user_id).await,
            Err(_) => Ok(None),
        };
        if let Ok(Some(user)) = &found {
            attempt.concerns(Resource::User(user.user_id.clone()));
        }
        if caller.role == Role::Admin { found?.ok_or(NO_SUCH_USER) } else { Err(ONLY_THEMSELVES) }
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
    ) -> Result<User, ServiceError> {
        let stored = self.accessible(attempt, user_id).await?;
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
        if profile.username != stored.username && self.is_last_administrator(&stored).await? {
            return Err(LAST_ADMINISTRATOR_STAYS);
        }
        if !self.users.update(&stored.user_id, &profile).await? {
            return Err(NO_SUCH_USER);
        }
        let UserProfile { name, username, email } = profile;
        Ok(User { name, username, email, ..stored })
    }

    /// Whether nobody else could mend what goes wrong with this user.
    async fn is_last_administrator(&self, user: &User) -> Result<bool, ServiceError> {
        let is_other_one = |other: &User| other.role == Role::Admin && other.user_id != user.user_id;
        Ok(user.role == Role::Admin && !self.users.list().await?.iter().any(is_other_one))
    }

    async fn try_erase(&self, attempt: &mut Attempt<'_>, user_id: &str) -> Result<(), ServiceError> {
        let user = self.accessible(attempt, user_id).await?;
        match self.users.erase(&user.user_id).await? {
            Erasure::Erased => Ok(()),
            Erasure::Absent => Err(NO_SUCH_USER),
            Erasure::LastAdministrator => {
                Err(ServiceError::Conflict("the last administrator cannot be erased"))
            }
        }
    }
}

#[async_trait]
impl UserService for UserServiceImpl {
    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<User, ServiceError> {
        self.audited(self.try_authenticate(credentials).await)
    }

    async fn verify(&self, credentials: Credentials<'_>) -> Result<Username, ServiceError> {
        self.audited(self.try_verify(credentials).await)
    }

    async fn reader(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
    ) -> Result<MeasureReader, ServiceError> {
        self.audited(self.try_reader(username, experiment_id).await)
    }

    async fn list(&self, caller: &User) -> Result<Vec<User>, ServiceError> {
        self.attempt(caller, Operation::ListUsers).conclude(require_admin(caller))?;
        Ok(self.users.list().await?)
    }

    async fn get(&self, caller: &User, user_id: &str) -> Result<User, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::ReadUser);
        let user = self.accessible(&mut attempt, user_id).await;
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
    ) -> Result<User, ServiceError> {
        let mut attempt = self.attempt(caller, Operation::UpdateUser);
        let updated = self.try_update(&mut attempt, user_id, (given_id, given_role), profile).await;
        attempt.conclude(updated)
    }

    async fn erase(&self, caller: &User, user_id: &str) -> Result<(), ServiceError> {
        let mut attempt = self.attempt(caller, Operation::EraseUser);
        let erased = self.try_erase(&mut attempt, user_id).await;
        attempt.conclude(erased)
    }
}
