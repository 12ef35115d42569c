use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The capacity in bytes: about 16,000 lines.
const CAPACITY: usize = 8 << 20;
/// The share reserved for audit events, so that other lines cannot crowd them out.
const FOR_AUDIT: usize = 2 << 20;
/// What a line takes besides its bytes.
const OVERHEAD: usize = size_of::<Vec<u8>>() + 16;

/// Statistics of the lines for Logstash since the start.
#[derive(Debug, Default)]
pub struct LogstashStatistics {
    pub(super) sent: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) is_connected: AtomicBool,
    waiting: AtomicUsize,
}

impl LogstashStatistics {
    /// Lines that the network has accepted.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Lines dropped because the buffer was full. Standard output has them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Bytes that wait to be sent.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Relaxed)
    }
}

/// Lines that wait to be sent, each with its line end.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    state: Mutex<State>,
    changed: Condvar,
    pub(crate) statistics: std::sync::Arc<LogstashStatistics>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines in flight; they count as waiting until the sender reports them.
    in_hand: u64,
    bytes_in_hand: usize,
    /// Lines dropped since the last report.
    unsaid: u64,
    is_closed: bool,
}

impl Buffer {
    /// Takes a line, or drops it if the buffer is full. Never blocks on the network.
    pub(crate) fn push(&self, line: Vec<u8>, is_audit: bool) {
        let capacity = if is_audit { CAPACITY } else { CAPACITY - FOR_AUDIT };
        let mut state = self.state();
        let bytes = line.len() + OVERHEAD;
        if state.is_closed || state.bytes + state.bytes_in_hand + bytes > capacity {
            state.unsaid += 1;
            self.statistics.dropped.fetch_add(1, Relaxed);
            return;
        }
        state.bytes += bytes;
        state.lines.push_back(line);
        self.note(&state);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for lines, at most `within`, and returns about `most_bytes` of them; `None` when the
    /// buffer is closed and empty.
    pub(super) fn take(&self, most_bytes: usize, within: Duration) -> Option<Vec<Vec<u8>>> {
        let is_quiet = |state: &mut State| state.lines.is_empty() && !state.is_closed;
        let waited = self.changed.wait_timeout_while(self.state(), within, is_quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while state.bytes_in_hand < most_bytes
            && let Some(line) = state.lines.pop_front()
        {
            let bytes = line.len() + OVERHEAD;
            state.bytes -= bytes;
            state.bytes_in_hand += bytes;
            state.in_hand += 1;
            taken.push(line);
        }
        if taken.is_empty() && state.is_closed { None } else { Some(taken) }
    }

    /// Records lines as sent. Returns the dropped lines to report, once there is room again.
    pub(super) fn sent(&self, lines: u64) -> u64 {
        let mut state = self.state();
        // After `abandon` they have been counted as dropped already, which cannot be taken back.
        if state.in_hand == lines {
            self.statistics.sent.fetch_add(lines, Relaxed);
        }
        state.in_hand = 0;
        state.bytes_in_hand = 0;
        self.note(&state);
        if state.lines.is_empty() { std::mem::take(&mut state.unsaid) } else { 0 }
    }

    /// Waits, at most `within`, until the buffer is closed; returns whether it is.
    pub(super) fn wait_for_close(&self, within: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), within, |state| !state.is_closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }

    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    /// Counts unsent lines as dropped. Returns the number of dropped lines that were not reported.
    pub(super) fn abandon(&self) -> u64 {
        let mut state = self.state();
        let left = state.in_hand + u64::try_from(state.lines.len()).unwrap_or(u64::MAX);
        state.lines.clear();
        (state.in_hand, state.bytes, state.bytes_in_hand) = (0, 0, 0);
        self.statistics.dropped.fetch_add(left, Relaxed);
        self.note(&state);
        std::mem::take(&mut state.unsaid) + left
    }

    fn note(&self, state: &State) {
        self.statistics.waiting.store(state.bytes + state.bytes_in_hand, Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn fill(buffer: &Buffer, is_audit: bool) -> u64 {
        let mut taken = 0;
        while buffer.statistics.dropped() == 0 {
            buffer.push(vec![b'x'; 1_000], is_audit);
            taken += 1;
        }
        taken - 1
    }

    #[test]
    fn dropped_lines_are_counted_and_reported_once_there_is_space() {
        let buffer = Buffer::default();
        let taken = fill(&buffer, false);
        buffer.push(vec![b'y'; 1_000], false);
        assert_eq!(buffer.statistics.dropped(), 2);
        assert!(buffer.statistics.waiting_bytes() <= CAPACITY);
        let mut sent = 0;
        let mut said = 0;
        while said == 0 {
            let lines = buffer.take(64 << 10, TIMEOUT).unwrap().len().try_into().unwrap();
            sent += lines;
            said = buffer.sent(lines);
        }
        assert_eq!((sent, said), (taken, 2));
        assert_eq!((buffer.statistics.sent(), buffer.statistics.waiting_bytes()), (taken, 0));
        buffer.push(vec![b'z'], false);
        assert_eq!(buffer.take(1, TIMEOUT).unwrap(), [b"z"]);
        assert_eq!(buffer.sent(1), 0);
    }

    #[test]
    fn room_is_kept_for_audit_events() {
        let buffer = Buffer::default();
        fill(&buffer, false);
        buffer.push(b"audit\n".to_vec(), true);
        assert_eq!(buffer.statistics.dropped(), 1);
    }

    #[test]
    fn unsent_lines_are_counted_at_the_end() {
        let buffer = Buffer::default();
        for _ in 0..5 {
            buffer.push(b"line\n".to_vec(), false);
        }
        assert_eq!(buffer.take(1, TIMEOUT).unwrap().len(), 1);
        buffer.close();
        buffer.push(b"late\n".to_vec(), false);
        assert_eq!(buffer.abandon(), 6);
        assert_eq!(buffer.sent(1), 0);
        assert_eq!((buffer.statistics.sent(), buffer.statistics.dropped()), (0, 6));
        assert_eq!(buffer.take(1, TIMEOUT), None);
    }
}
