use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::ports::{RejectedMessageStore, StorageError};

/// How long the sum is trusted. Other processes add to it, and administrators discard.
const MEASURE_EVERY: Duration = Duration::from_secs(60);
/// The same once the limit is reached, so that consumption resumes soon after discards.
const MEASURE_WHEN_FULL: Duration = Duration::from_secs(2);

/// Bounds the bytes of all rejected messages together. The sum is measured once a minute, and what
/// this process adds in between is counted.
#[derive(Debug)]
pub struct RejectedQuota {
    max_bytes: u64,
    bytes: AtomicU64,
    measured: Mutex<Option<Instant>>,
}

impl RejectedQuota {
    /// At most this many bytes, by the last known sum.
    pub fn new(max_bytes: u64) -> Self {
        Self { max_bytes, bytes: AtomicU64::new(0), measured: Mutex::new(None) }
    }

    /// The limit in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The bytes, as far as known: 0 before the first batch.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts a rejected message that was committed.
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Refuses with [`StorageError::RejectedFull`] once the limit is reached.
    pub(crate) async fn check(&self, store: &dyn RejectedMessageStore) -> Result<(), StorageError> {
        let mut measured = self.measured.lock().await;
        let age = if self.is_full() { MEASURE_WHEN_FULL } else { MEASURE_EVERY };
        if measured.is_none_or(|at| at.elapsed() >= age) {
            self.bytes.store(store.total_bytes().await?, Ordering::Relaxed);
            *measured = Some(Instant::now());
        }
        if self.is_full() { Err(StorageError::RejectedFull) } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.bytes() >= self.max_bytes
    }
}
