//! Runs database work to its end, even if its caller is dropped.
//!
//! A request's future is dropped when its client disconnects. If a statement is being prepared
//! then, sqlx leaves the MySQL connection out of sync (sqlx#563): the next query reads the response
//! of another. So the work moves to a task when its caller is dropped. A task for each query would
//! cost nearly as much as a short query.
//!
//! An abandoned read is notified, and kills its query.

use std::any::Any;
use std::future::Future;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse, FusedFuture};
use mymonit_services::ports::StorageError;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::error::{PrepareError, cause};

/// Runs `work` to its end, also when the caller is dropped.
pub(crate) async fn run_to_end<T, E, W>(work: W) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
    W: Future<Output = Result<T, E>> + Send + 'static,
{
    run_unless_abandoned(|_| work).await
}

/// The same for work that may stop early: the token is cancelled when the caller is dropped.
pub(crate) async fn run_unless_abandoned<T, E, W>(work: impl FnOnce(CancellationToken) -> W) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
    W: Future<Output = Result<T, E>> + Send + 'static,
{
    let abandoned = CancellationToken::new();
    let work = AssertUnwindSafe(work(abandoned.clone())).catch_unwind().boxed().fuse();
    let work = Uncancelled { work, abandoned, span: Span::current() };
    work.await.unwrap_or_else(|payload| Err(Panicked(payload).into()))
}

/// Work that is moved to a task when it is dropped before its end.
struct Uncancelled<T: Send + 'static> {
    work: Fuse<BoxFuture<'static, T>>,
    /// Cancelled when the caller is dropped.
    abandoned: CancellationToken,
    /// The caller's span, for later log lines.
    span: Span,
}

impl<T: Send + 'static> Future for Uncancelled<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.work.poll_unpin(context)
    }
}

impl<T: Send + 'static> Drop for Uncancelled<T> {
    fn drop(&mut self) {
        if self.work.is_terminated() {
            return;
        }
        self.abandoned.cancel();
        // Without a runtime the program is ending; the connection is closed with it.
        if let Ok(runtime) = Handle::try_current() {
            let rest = mem::replace(&mut self.work, Fuse::terminated());
            runtime.spawn(rest.instrument(self.span.clone()));
        }
    }
}

/// The work has panicked.
pub(crate) struct Panicked(Box<dyn Any + Send>);

impl Panicked {
    /// The reason. The panic hook has reported the panic itself.
    fn explained(&self) -> String {
        let text = self.0.downcast_ref::<&str>().copied();
        let text = text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str));
        format!("the work on the database panicked: {}", text.unwrap_or("no reason given"))
    }
}

impl From<Panicked> for StorageError {
    fn from(panicked: Panicked) -> Self {
        Self::Internal(cause(panicked.explained()))
    }
}

impl From<Panicked> for PrepareError {
    fn from(panicked: Panicked) -> Self {
        Self::Incompatible(panicked.explained())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn abandoned_work_is_finished() {
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let mut caller = Box::pin(run_to_end(async move {
            let _ = begun.await;
            let _ = end.send("done");
            Ok::<_, StorageError>(())
        }));
        assert!(futures::poll!(&mut caller).is_pending());
        drop(caller);
        begin.send(()).unwrap();
        assert_eq!(ended.await, Ok("done"));
    }

    #[tokio::test]
    async fn the_token_is_cancelled_when_the_caller_is_dropped() {
        let (tell, told) = oneshot::channel();
        let mut caller = Box::pin(run_unless_abandoned(|abandoned| async move {
            abandoned.cancelled().await;
            let _ = tell.send("told");
            Ok::<_, StorageError>(())
        }));
        assert!(futures::poll!(&mut caller).is_pending());
        drop(caller);
        assert_eq!(told.await, Ok("told"));
    }

    #[tokio::test]
    async fn finished_work_is_not_started_again() {
        let (ended, mut ends) = tokio::sync::mpsc::channel(2);
        let work = run_to_end(async move {
            ended.send(()).await.unwrap();
            Ok::<_, StorageError>(7)
        });
        assert_eq!(work.await.unwrap(), 7);
        assert_eq!(ends.recv().await, Some(()));
        assert_eq!(ends.recv().await, None);
    }

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        let error = run_to_end::<(), StorageError, _>(async { panic!("a defect") }).await.unwrap_err();
        let StorageError::Internal(cause) = error else { panic!("{error}") };
        assert_eq!(cause.to_string(), "the work on the database panicked: a defect");
    }
}
