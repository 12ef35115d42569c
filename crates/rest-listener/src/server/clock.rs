use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use crate::limits::Limits;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request's headers, or the first request of a new connection.
    Headers,
    /// The handler. The time of the client is not measured.
    Answer,
    /// Another request.
    Idle,
}

/// The phase of one connection and its start.
///
/// hyper's `header_read_timeout` does not distinguish an idle connection from half a request.
#[derive(Debug, Clone)]
pub(super) struct Clock(Arc<Mutex<(Phase, Instant)>>);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Arc::new(Mutex::new((Phase::Headers, Instant::now()))))
    }

    pub(super) fn phase(&self) -> Phase {
        self.get().0
    }

    pub(super) fn begin(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }

    /// Begins `next` if the connection is idle.
    pub(super) fn leave_idle(&self, next: Phase) {
        if self.phase() == Phase::Idle {
            self.begin(next);
        }
    }

    /// Ends when the client has exceeded the limit of a phase. Phases change in the task that polls
    /// this, so no change has to wake it.
    pub(super) async fn overdue(&self, limits: Limits) {
        let mut sleep = pin!(sleep_until(Instant::now()));
        poll_fn(|context| {
            let deadline = match self.get() {
                (Phase::Headers, since) => since + limits.header_read,
                (Phase::Idle, since) => since + limits.keep_alive,
                (Phase::Answer, _) => return Poll::Pending,
            };
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }

    fn get(&self) -> (Phase, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
