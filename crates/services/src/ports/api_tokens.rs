use async_trait::async_trait;
use mymonit_model::{ApiToken, ApiTokenId, ApiTokenName, ExperimentId, Faceted, Timestamp, UserId, Username};
use shaku::Interface;

use super::StorageError;

/// The SHA-256 of an API token's secret.
pub type TokenDigest = Faceted<[u8; 32]>;

/// The key by which the user of a request is found.
#[derive(Debug, Clone)]
pub enum Identity {
    /// The subject of a verified ID token.
    Username(Faceted<Username>),
    /// An API token, which must be valid at that time.
    ApiToken(TokenDigest, Timestamp),
}

/// The API token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenUse {
    /// Which one.
    pub id: ApiTokenId,
    /// The full hour of the last use that was noted.
    pub last_used_at: Option<Timestamp>,
}

/// What an API token may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// The token.
    pub token: TokenUse,
    /// These experiments, or `None` for all of its user's.
    pub experiments: Option<Vec<ExperimentId>>,
}

/// An API token to be stored.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Whose it is.
    pub user_id: UserId,
    /// What the user calls it.
    pub name: ApiTokenName,
    /// By which it is found.
    pub digest: TokenDigest,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is not accepted.
    pub expires_at: Timestamp,
    /// What it may read; `None` for all that its user may.
    pub experiments: Option<Vec<ExperimentId>>,
}

/// Keeps the API tokens. [`UserStore::find_by_token`](super::UserStore::find_by_token) finds by
/// them.
#[async_trait]
pub trait ApiTokenStore: Interface {
    /// The tokens of a user by id, expired ones included.
    async fn list(&self, user_id: &UserId) -> Result<Vec<ApiToken>, StorageError>;
    /// Adds a token; `None` if the user is unknown or erased.
    /// [`Conflict::TooManyApiTokens`](super::Conflict::TooManyApiTokens) if the user has `limit`.
    async fn insert(&self, token: &NewApiToken, limit: u32) -> Result<Option<ApiTokenId>, StorageError>;
    /// Removes a token of that user; `false` if there is none.
    async fn delete(&self, user_id: &UserId, id: ApiTokenId) -> Result<bool, StorageError>;
    /// Notes a use in that hour, unless the hour or a later one is noted.
    async fn note_use(&self, id: ApiTokenId, hour: Timestamp) -> Result<(), StorageError>;
}
