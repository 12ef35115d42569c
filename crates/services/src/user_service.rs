use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{Email, Faceted, PersonName, Role, User, UserId, Username};
use shaku::{Component, Interface};

use crate::ServiceError;
use crate::ports::{Erasure, TokenVerifier, UserProfile, UserStore};

const ONLY_ADMINISTRATORS: ServiceError = ServiceError::Forbidden("only an administrator may do this");
const ONLY_THEMSELVES: ServiceError =
    ServiceError::Forbidden("a scientist has access to the own record only");
const NO_SUCH_USER: ServiceError = ServiceError::NotFound("there is no such user");

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

/// Who may sign in, and what may be done to their records (specification §2, §3).
#[async_trait]
pub trait UserService: Interface {
    /// The user whom an ID token stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if the token does not verify, [`ServiceError::Forbidden`] if
    /// it does and its user is not known here or was erased.
    async fn authenticate(&self, token: &str) -> Result<User, ServiceError>;
    /// All users; for administrators.
    async fn list(&self, caller: &User) -> Result<Vec<User>, ServiceError>;
    /// One user; for administrators and the user. A scientist cannot tell other ids from absent ones.
    async fn get(&self, caller: &User, user_id: &str) -> Result<User, ServiceError>;
    /// Adds a user; for administrators.
    async fn create(&self, caller: &User, draft: UserDraft) -> Result<User, ServiceError>;
    /// Replaces what can change of a user; for administrators and the user. The id and the role, where
    /// given, must be the stored ones; the username is changed by administrators only.
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
}

impl UserServiceImpl {
    /// Lets administrators through to any user and everybody to their own record.
    async fn accessible(&self, caller: &User, user_id: &str) -> Result<User, ServiceError> {
        if caller.role == Role::Admin {
            // A text that can be no id names no user.
            let user_id = UserId::new(user_id).map_err(|_| NO_SUCH_USER)?;
            return self.users.find(&user_id).await?.ok_or(NO_SUCH_USER);
        }
        if caller.user_id.as_str() == user_id { Ok(caller.clone()) } else { Err(ONLY_THEMSELVES) }
    }
}

#[async_trait]
impl UserService for UserServiceImpl {
    async fn authenticate(&self, token: &str) -> Result<User, ServiceError> {
        let username = self.tokens.verify(token).await?;
        self.users
            .find_by_username(&username)
            .await?
            .ok_or(ServiceError::Forbidden("the token's user is not known here"))
    }

    async fn list(&self, caller: &User) -> Result<Vec<User>, ServiceError> {
        require_admin(caller)?;
        Ok(self.users.list().await?)
    }

    async fn get(&self, caller: &User, user_id: &str) -> Result<User, ServiceError> {
        self.accessible(caller, user_id).await
    }

    async fn create(&self, caller: &User, draft: UserDraft) -> Result<User, ServiceError> {
        require_admin(caller)?;
        let user_id = UserId::new(&draft.user_id)?;
        let role: Role = draft.role.parse()?;
        let UserProfile { name, username, email } = draft.profile.check()?;
        let user = User { user_id, name, username, email, role };
        self.users.insert(&user).await?;
        Ok(user)
    }

    async fn update(
        &self,
        caller: &User,
        user_id: &str,
        given_id: Option<String>,
        given_role: Option<String>,
        profile: UserProfileDraft,
    ) -> Result<User, ServiceError> {
        let stored = self.accessible(caller, user_id).await?;
        if given_id.is_some_and(|id| id != stored.user_id.as_str()) {
            return Err(ServiceError::invalid("user_id", "cannot be changed"));
        }
        if given_role.is_some_and(|role| role != stored.role.as_str()) {
            return Err(ServiceError::invalid("role", "cannot be changed"));
        }
        let profile = profile.check()?;
        if caller.role != Role::Admin && profile.username != stored.username {
            return Err(ServiceError::Forbidden("only an administrator may change `username`"));
        }
        if !self.users.update(&stored.user_id, &profile).await? {
            return Err(NO_SUCH_USER);
        }
        let UserProfile { name, username, email } = profile;
        Ok(User { name, username, email, ..stored })
    }

    async fn erase(&self, caller: &User, user_id: &str) -> Result<(), ServiceError> {
        let user = self.accessible(caller, user_id).await?;
        match self.users.erase(&user.user_id).await? {
            Erasure::Erased => Ok(()),
            Erasure::Absent => Err(NO_SUCH_USER),
            Erasure::LastAdministrator => {
                Err(ServiceError::Conflict("the last administrator cannot be erased"))
            }
        }
    }
}
