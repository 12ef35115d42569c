//! Errors that are independent of the engines.

use std::sync::Arc;

use mymonit_services::ports::{Cause, StorageError};
use thiserror::Error;

/// Why a database address cannot be used. Never repeats the address, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidAddress(pub(crate) String);

impl InvalidAddress {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A cause in words, for the log. It never contains data of a row, which may be personal.
#[derive(Debug, Error)]
#[error("{0}")]
struct Failure(String);

/// A cause in words.
pub(crate) fn cause(message: impl Into<String>) -> Cause {
    Arc::new(Failure(message.into()))
}

/// Why work on a connection failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An error of the database or its driver.
    Sql(sqlx::Error),
    /// The work itself cannot continue.
    Storage(StorageError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}
