//! All work on a database runs in a task of its own, to its end.
//!
//! A request's future is dropped when its client goes away. sqlx then leaves a MySQL connection out of
//! step if that happens while a statement is being prepared (sqlx#563), and the next query on it would
//! read another one's answer. And a transaction could be cut in the middle. A task that nobody can drop
//! knows neither trouble.

use std::future::Future;

use mymonit_services::ports::StorageError;
use tracing::Instrument;

use crate::error::cause;

/// Runs `work` to its end, whatever becomes of the caller, and hands out its result.
pub(crate) async fn to_the_end<T, W>(work: W) -> Result<T, StorageError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, StorageError>> + Send + 'static,
{
    tokio::spawn(work.in_current_span()).await.unwrap_or_else(|error| {
        if error.is_panic() {
            return Err(StorageError::Internal(cause("the database task panicked")));
        }
        Err(StorageError::Unavailable(cause("the process is ending")))
    })
}
