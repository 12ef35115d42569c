use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mymonit_services::ports::IngestOutcome;

/// What has come in since the start, in messages. Redeliveries count again.
#[derive(Debug, Default)]
pub struct IngestCounters {
    received: AtomicU64,
    stored: AtomicU64,
    duplicate: AtomicU64,
    rejected: AtomicU64,
}

impl IngestCounters {
    /// Messages that the broker delivered.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Messages whose measures were committed.
    pub fn stored(&self) -> u64 {
        self.stored.load(Relaxed)
    }

    /// Messages that were known by their `message-id`.
    pub fn duplicate(&self) -> u64 {
        self.duplicate.load(Relaxed)
    }

    /// Messages that were kept among the rejected ones.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Relaxed)
    }

    pub(crate) fn count_received(&self) {
        self.received.fetch_add(1, Relaxed);
    }

    pub(crate) fn count(&self, outcomes: &[IngestOutcome]) {
        let count =
            |outcome| outcomes.iter().filter(|each| **each == outcome).count().try_into().unwrap_or(u64::MAX);
        self.stored.fetch_add(count(IngestOutcome::Stored), Relaxed);
        self.duplicate.fetch_add(count(IngestOutcome::Duplicate), Relaxed);
        self.rejected.fetch_add(count(IngestOutcome::Rejected), Relaxed);
    }
}
