//! All work on a database runs to its end, whatever becomes of those who asked for it.
//!
//! A request's future is dropped when its client goes away. sqlx then leaves a MySQL connection out of
//! step if that happens while a statement is being prepared (sqlx#563), and the next query on it would
//! read another one's answer. And a transaction could be cut in the middle. So work whose caller goes away
//! goes on in a task of its own, which nobody can drop. While the caller is there it needs no such task, and is
//! spared the switching to and fro, which costs nearly as much as a short query.
//!
//! What only reads is not worth carrying to its end for nobody: such work is told when its caller has gone, and has what the
//! database does for it ended.
//!
//! Whoever asks must poll on until there is an answer, or drop the question: one who did neither would keep the
//! connection.

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

/// Runs `work` to its end, whatever becomes of the caller, and hands out its result.
pub(crate) async fn to_the_end<T, E, W>(work: W) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
    W: Future<Output = Result<T, E>> + Send + 'static,
{
    to_the_end_unless_left(|_| work).await
}

/// The same for work that may break off, in good order, when its caller goes away; that cancels the token.
pub(crate) async fn to_the_end_unless_left<T, E, W>(work: impl FnOnce(CancellationToken) -> W) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Panicked> + Send + 'static,
    W: Future<Output = Result<T, E>> + Send + 'static,
{
    let left = CancellationToken::new();
    let work = AssertUnwindSafe(work(left.clone())).catch_unwind().boxed().fuse();
    let work = Unstoppable { work, left, span: Span::current() };
    work.await.unwrap_or_else(|payload| Err(Panicked(payload).into()))
}

/// Work that goes on in a task of its own when it is dropped before its end.
struct Unstoppable<T: Send + 'static> {
    work: Fuse<BoxFuture<'static, T>>,
    /// Cancelled when nobody waits for it any more.
    left: CancellationToken,
    /// Of the one who asked; what is logged later still belongs to it.
    span: Span,
}

impl<T: Send + 'static> Future for Unstoppable<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.work.poll_unpin(context)
    }
}

impl<T: Send + 'static> Drop for Unstoppable<T> {
    fn drop(&mut self) {
        if self.work.is_terminated() {
            return;
        }
        self.left.cancel();
        // Where there is no runtime any more, the program ends: the work is cut, and its connection closed with it.
        if let Ok(runtime) = Handle::try_current() {
            let rest = mem::replace(&mut self.work, Fuse::terminated());
            runtime.spawn(rest.instrument(self.span.clone()));
        }
    }
}

/// The work has no result, because of a defect in it.
pub(crate) struct Panicked(Box<dyn Any + Send>);

impl Panicked {
    /// What is known of the defect. The panic itself has been reported where it happened.
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
    async fn work_whose_caller_has_gone_is_done_all_the_same() {
        let (begin, begun) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let mut asked = Box::pin(to_the_end(async move {
            let _ = begun.await;
            let _ = end.send("done");
            Ok::<_, StorageError>(())
        }));
        assert!(futures::poll!(&mut asked).is_pending());
        drop(asked);
        begin.send(()).unwrap();
        assert_eq!(ended.await, Ok("done"));
    }

    #[tokio::test]
    async fn work_is_told_when_its_caller_has_gone() {
        let (tell, told) = oneshot::channel();
        let mut asked = Box::pin(to_the_end_unless_left(|left| async move {
            left.cancelled().await;
            let _ = tell.send("told");
            Ok::<_, StorageError>(())
        }));
        assert!(futures::poll!(&mut asked).is_pending());
        drop(asked);
        assert_eq!(told.await, Ok("told"));
    }

    #[tokio::test]
    async fn work_that_has_ended_is_not_begun_again() {
        let (ended, mut ends) = tokio::sync::mpsc::channel(2);
        let work = to_the_end(async move {
            ended.send(()).await.unwrap();
            Ok::<_, StorageError>(7)
        });
        assert_eq!(work.await.unwrap(), 7);
        assert_eq!(ends.recv().await, Some(()));
        assert_eq!(ends.recv().await, None);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_that_says_so() {
        let error = to_the_end::<(), StorageError, _>(async { panic!("a defect") }).await.unwrap_err();
        let StorageError::Internal(cause) = error else { panic!("{error}") };
        assert_eq!(cause.to_string(), "the work on the database panicked: a defect");
    }
}
