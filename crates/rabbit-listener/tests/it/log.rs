use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use mymonit_test_support::wait_until;
use tracing::level_filters::LevelFilter;

use crate::harness::TIMEOUT;

thread_local! {
    static TEXT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of the listener during a test. It is kept by thread, so the test's runtime must be
/// single-threaded.
pub(crate) struct Log;

impl Log {
    /// Keeps everything at the level of production.
    pub(crate) fn capture() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_max_level(LevelFilter::INFO)
                .with_writer(|| OfThisThread)
                .init();
        });
        TEXT.set(Some(Vec::new()));
        Self
    }

    /// The lines of the listener itself, without lapin's.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = TEXT.with_borrow(|text| String::from_utf8(text.clone().unwrap_or_default()).unwrap());
        text.lines().filter(|line| line.contains("mymonit_rabbit_listener")).map(str::to_owned).collect()
    }

    /// Waits for a line with all of these words.
    pub(crate) async fn says(&self, words: &[&str]) -> anyhow::Result<()> {
        let look = async || {
            let lines = self.lines();
            let said = lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
            if said { Ok(()) } else { Err(lines.join("\n")) }
        };
        wait_until(&format!("a log line with {words:?}"), TIMEOUT, look).await
    }
}

struct OfThisThread;

impl Write for OfThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TEXT.with_borrow_mut(|text| text.as_mut().map_or(Ok(bytes.len()), |text| text.write(bytes)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
