use std::sync::Arc;

use mymonit_services::ports::{Cause, StorageError};
use thiserror::Error;

/// Why the schema could not be brought up to date.
#[derive(Debug, Clone, Error)]
pub enum PrepareError {
    /// The database cannot be reached or used for now; try again.
    #[error("the database is unavailable for now")]
    Unavailable(#[source] Cause),
    /// The database is not one that this program can bring up to date: its schema is newer than the
    /// program, or it was changed by somebody else. Trying again does not help.
    #[error("the database does not fit this program: {0}")]
    Incompatible(String),
}

/// Why a database address cannot be used. Never repeats the address, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidAddress(pub(crate) String);

impl InvalidAddress {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What went wrong, in words for the log. It never holds data of a row, which may be personal.
#[derive(Debug, Error)]
#[error("{0}")]
struct Failure(String);

/// A cause that is said in words.
pub(crate) fn cause(message: impl Into<String>) -> Cause {
    Arc::new(Failure(message.into()))
}

/// The answer of every store before `prepare` has succeeded.
pub(crate) fn not_prepared() -> StorageError {
    StorageError::Unavailable(cause("the database schema has not been brought up to date yet"))
}
