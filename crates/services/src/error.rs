use std::sync::Arc;

use mymonit_model::InvalidField;
use thiserror::Error;

use crate::ports::{StorageError, TokenError};

/// The cause of a failure, for the log only; clients never see it.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a service did not do what it was asked.
///
/// The policy from here to the client is one to one and stands in the REST listener: 400, 401, 403,
/// 404, 409, 503, 500 in the order of the variants. Messages are written for the client.
#[derive(Debug, Clone, Error)]
pub enum ServiceError {
    /// A field or parameter is missing or breaks a rule.
    #[error("`{field}` {message}")]
    InvalidArgument {
        /// The field's or parameter's name.
        field: String,
        /// What is wrong with it; reads on after the name.
        message: String,
    },
    /// No token, or one that does not verify. The reason is for the log.
    #[error("the request needs a valid ID token")]
    Unauthenticated {
        /// What is wrong with the token, without any of its content.
        reason: &'static str,
    },
    /// The caller is known but may not do this, or is not known here at all.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing, or none that the caller may know of; the two look alike.
    #[error("{0}")]
    NotFound(&'static str),
    /// What was asked contradicts what is there.
    #[error("{0}")]
    Conflict(&'static str),
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
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
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
            StorageError::Data(cause) | StorageError::Internal(cause) => Self::Internal(cause),
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

/// An error and all that it stems from, in one line for the log.
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
