use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Far longer than any of these tests.
const TIMEOUT: Duration = Duration::from_secs(120);

/// tokio's clock, stopped: it moves by [`StoppedClock::advance`] only, while I/O continues.
///
/// A paused clock advances whenever all tasks wait, except while a blocking task runs. So this one
/// runs a blocking task, which also ends a test that would hang.
pub(crate) struct StoppedClock {
    _running: mpsc::Sender<()>,
}

impl StoppedClock {
    /// Must be called within a single-threaded runtime.
    pub(crate) fn stop() -> Self {
        tokio::time::pause();
        let (running, ended) = mpsc::channel::<()>();
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        tokio::task::spawn_blocking(move || {
            if ended.recv_timeout(TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                give_up(&test);
            }
        });
        Self { _running: running }
    }

    pub(crate) async fn advance(&self, seconds: f64) {
        tokio::time::advance(Duration::from_secs_f64(seconds)).await;
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a test run")]
fn give_up(test: &str) -> ! {
    eprintln!("{test} waits for something that does not come");
    std::process::abort();
}

/// The result of the future if it is ready at once.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
