use std::fmt;

use crate::text::text_type;
use crate::{ExperimentId, Timestamp};

text_type! {
    /// The name that a user gives to an API token, 1–100 characters.
    ApiTokenName, "name", 100
}

/// The generated number of an API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiTokenId(u64);

impl ApiTokenId {
    /// Takes a number that the system gave.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ApiTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A credential with which a program reads what its user may read. The secret is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Given by the system.
    pub id: ApiTokenId,
    /// Given by the user.
    pub name: ApiTokenName,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is not accepted.
    pub expires_at: Timestamp,
    /// The experiments that it may read; `None` for all of its user's.
    pub experiments: Option<Vec<ExperimentId>>,
    /// The full hour of its last use.
    pub last_used_at: Option<Timestamp>,
}
