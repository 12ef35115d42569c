use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Far longer than any test here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// tokio's clock, stopped: it moves by [`StoppedClock::advance`] only, while input and output go on as ever.
/// So hours pass in no time, and real servers can be talked to meanwhile.
///
/// A clock that is merely paused runs ahead whenever all tasks wait for the network; it does not while a
/// blocking task runs, hence the one here, which ends with this value. Nor can a timeout end a test that waits
/// for ever, so that task does it.
pub(crate) struct StoppedClock {
    _running: mpsc::Sender<()>,
}

impl StoppedClock {
    /// To be called within a single-threaded runtime.
    pub(crate) fn stop() -> Self {
        tokio::time::pause();
        let (running, ended) = mpsc::channel::<()>();
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        tokio::task::spawn_blocking(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
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

/// What the future gives without waiting for anything, or nothing.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
