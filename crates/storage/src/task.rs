//! All work on a database runs in a task of its own, to its end.
//!
//! A request's future is dropped when its client goes away. sqlx then leaves a MySQL connection out of
//! step if that happens while a statement is being prepared (sqlx#563), and the next query on it would
//! read another one's answer. And a transaction could be cut in the middle. A task that nobody can drop
//! knows neither trouble.

use std::future::Future;

use mymonit_services::ports::StorageError;
use tracing::Instrument;

use crate::error::{PrepareError, cause};

/// Runs `work` to its end, whatever becomes of the caller, and hands out its result.
pub(crate) async fn to_the_end<T, E, W>(work: W) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Cut> + Send + 'static,
    W: Future<Output = Result<T, E>> + Send + 'static,
{
    let ended = tokio::spawn(work.in_current_span()).await;
    ended.unwrap_or_else(|error| Err(if error.is_panic() { Cut::Panicked } else { Cut::Ending }.into()))
}

/// Why a task has no result.
pub(crate) enum Cut {
    /// A defect in it.
    Panicked,
    /// The program ends, and its tasks with it.
    Ending,
}

impl From<Cut> for StorageError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Panicked => Self::Internal(cause("the database task panicked")),
            Cut::Ending => Self::Unavailable(cause("the program is ending")),
        }
    }
}

impl From<Cut> for PrepareError {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::Panicked => Self::Incompatible("the migration panicked".to_owned()),
            Cut::Ending => Self::Unavailable(cause("the program is ending")),
        }
    }
}
