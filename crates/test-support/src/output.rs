use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// How many lines are kept; older ones are dropped to bound the memory.
const KEPT_LINES: usize = 100_000;

/// How many output lines an error quotes.
const QUOTED_LINES: usize = 80;

/// The marker that the supervisor prints to both outputs after each end of the program.
const END: &str = "\u{1e}end";

/// Which of a process's two outputs a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that a process printed, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The output that it was printed to.
    pub stream: Stream,
    /// The text, with invalid UTF-8 replaced.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The output of a process and its children, in the order of arrival.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    lines: Arc<Mutex<Lines>>,
    count: watch::Receiver<usize>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    forgotten: usize,
    /// The number of end markers on each output.
    ends: [usize; 2],
}

impl Lines {
    fn count(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    fn push(&mut self, line: Line) {
        if self.kept.len() == KEPT_LINES {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(line);
    }

    fn from(&self, start: usize) -> impl Iterator<Item = &Line> {
        self.kept.iter().skip(start.saturating_sub(self.forgotten))
    }
}

impl Output {
    /// Reads both outputs, each in a thread that ends when all writers are closed.
    pub(crate) fn read(stdout: impl Read + Send + 'static, stderr: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (counter, count) = watch::channel(0);
        let counter = Arc::new(counter);
        read_lines(stdout, Stream::Stdout, Arc::clone(&lines), Arc::clone(&counter));
        read_lines(stderr, Stream::Stderr, Arc::clone(&lines), counter);
        Self { lines, count }
    }

    /// The number of lines so far, as the start of a later search.
    pub(crate) fn count(&self) -> usize {
        self.locked().count()
    }

    /// The lines that are still kept.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.locked().kept.iter().cloned().collect()
    }

    /// Waits for a line from number `start` on that `wanted` accepts.
    pub(crate) async fn wait_for(
        &self,
        start: usize,
        within: Duration,
        wanted: impl Fn(&Line) -> bool,
    ) -> anyhow::Result<Line> {
        let deadline = Instant::now() + within;
        let mut count = self.count.clone();
        let mut next = start;
        loop {
            count.borrow_and_update();
            {
                let lines = self.locked();
                if let Some(line) = lines.from(next).find(|line| wanted(line)) {
                    return Ok(line.clone());
                }
                next = lines.count();
            }
            timeout_at(deadline, count.changed())
                .await
                .with_context(|| format!("no such line within {within:?}; {}", self.quote()))?
                .with_context(|| format!("the output ended without such a line; {}", self.quote()))?;
        }
    }

    /// Waits until both outputs have this many end markers.
    pub(crate) async fn wait_for_ends(&self, ends: usize, within: Duration) -> anyhow::Result<()> {
        let mut count = self.count.clone();
        let arrived = count.wait_for(|_| self.locked().ends.iter().all(|seen| *seen >= ends));
        timeout(within, arrived)
            .await
            .with_context(|| format!("the end of its output did not arrive; {}", self.quote()))?
            .with_context(|| format!("the output ended without the mark of an end; {}", self.quote()))?;
        Ok(())
    }

    /// The last lines, for an error.
    pub(crate) fn quote(&self) -> String {
        let lines = self.locked();
        let start = lines.count().saturating_sub(QUOTED_LINES);
        let last: Vec<&str> = lines.from(start).map(|line| line.text.as_str()).collect();
        if last.is_empty() {
            String::from("it has printed nothing")
        } else {
            format!("its last lines:\n{}", last.join("\n"))
        }
    }

    fn locked(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_lines(
    from: impl Read + Send + 'static,
    stream: Stream,
    lines: Arc<Mutex<Lines>>,
    counter: Arc<watch::Sender<usize>>,
) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while matches!(from.read_until(b'\n', &mut bytes), Ok(read) if read > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
            bytes.clear();
            let count = {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                match text.strip_suffix(END) {
                    None => lines.push(Line { stream, text }),
                    Some(unfinished) => {
                        if !unfinished.is_empty() {
                            lines.push(Line { stream, text: unfinished.to_owned() });
                        }
                        lines.ends[stream as usize] += 1;
                    }
                }
                lines.count()
            };
            counter.send_replace(count);
        }
    });
}
