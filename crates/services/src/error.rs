use mymonit_model::InvalidField;
use thiserror::Error;

use crate::ports::{Cause, StorageError, TokenError};

/// Why a service refused or failed. Messages are written for the client.
///
/// The REST listener maps the variants in order to 400, 401, 403, 403, 404, 409, 429, 503, 500.
#[derive(Debug, Clone, Error)]
pub enum ServiceError {
    /// A field or parameter is missing or breaks a rule.
    #[error("`{field}` {message}")]
    InvalidArgument {
        /// The field's or parameter's name.
        field: String,
        /// What is wrong with it; continues the name.
        message: String,
    },
    /// No token, or one that does not verify. The reason is for the log.
    #[error("the request needs a valid token")]
    Unauthenticated {
        /// What is wrong with the token, without any of its content.
        reason: &'static str,
    },
    /// The caller is not permitted to do this, or unknown here.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The caller may do this, but has signed in too long ago.
    #[error("this needs a recent sign-in; sign in again, and repeat it with the new ID token")]
    ReauthenticationRequired,
    /// Not found, or hidden from the caller, with the same answer.
    #[error("{0}")]
    NotFound(&'static str),
    /// The request contradicts stored data.
    #[error("{0}")]
    Conflict(&'static str),
    /// The user has used up their share of the capacity.
    #[error("{0}")]
    TooManyRequests(&'static str),
    /// The database or the signing keys cannot be reached for now.
    #[error("the service is unavailable for now")]
    Unavailable(#[source] Cause),
    /// Anything else; a defect.
    #[error("internal error")]
    Internal(#[source] Cause),
}

impl ServiceError {
    /// The stable code of the error, as clients and auditors know it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidArgument { .. } => "invalid_argument",
            Self::Unauthenticated { .. } => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::ReauthenticationRequired => "reauthentication_required",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::TooManyRequests(_) => "too_many_requests",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// A refusal of one field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidArgument { field: field.into(), message: message.into() }
    }
}

impl From<InvalidField> for ServiceError {
    fn from(refusal: InvalidField) -> Self {
        Self::invalid(refusal.field, refusal.message)
    }
}

impl From<StorageError> for ServiceError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict(conflict) => Self::Conflict(conflict.message()),
            StorageError::Unavailable(cause) => Self::Unavailable(cause),
            StorageError::RejectedFull => Self::Unavailable(std::sync::Arc::new(error)),
            StorageError::Data(cause) | StorageError::Internal(cause) => Self::Internal(cause),
            error @ StorageError::TooManySensors(_) => Self::Internal(std::sync::Arc::new(error)),
        }
    }
}

impl From<TokenError> for ServiceError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid(reason) => Self::Unauthenticated { reason },
            TokenError::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}

/// An error and all its sources, in one line for the log.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Many errors repeat their source in their own text.
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
