//! Measures out of a file, each line a message, through the same decoding and the same ingest as messages from the
//! broker.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mymonit_model::Timestamp;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::audit::{Action, AuditEvent, AuditLog, Command, Outcome, Throughput};
use crate::message::{MessageId, Rejection, RejectionReason, decode};
use crate::names::{unknown_experiment, unknown_measure_type};
use crate::ports::{IngestOutcome, StorageError};
use crate::{Delivery, IngestService};

/// Names the lines of a file: a line's `message-id` depends on its content and on all lines before it. So the same file,
/// or one that goes on where the other ended, has the same ids again, however it was cut off, while equal lines of one
/// file, or of two files that differ anywhere before, have different ones.
#[derive(Default)]
pub struct MessageChain(Sha256);

impl MessageChain {
    /// At the beginning of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of the next line.
    pub fn next(&mut self, line: &[u8]) -> Option<MessageId> {
        // The length goes along, so that no two sequences of lines run into each other.
        self.0.update((line.len() as u64).to_be_bytes());
        self.0.update(line);
        let digest = self.0.clone().finalize();
        let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        MessageId::new(format!("import-{hex}").as_bytes())
    }
}

/// A line that was kept among the rejected messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLine {
    /// Which line, from 1.
    pub line: u64,
    /// Why.
    pub reason: RejectionReason,
    /// The sentence; of a line with several measures, only where it is known without the database.
    pub detail: Option<String>,
}

/// An import of measures under way.
pub struct MeasureImport {
    ingest: Arc<dyn IngestService>,
    audit: Arc<dyn AuditLog>,
    max_message_bytes: usize,
    chain: MessageChain,
    begun: Instant,
    received: u64,
    stored: u64,
    duplicate: u64,
    rejected: u64,
}

impl MeasureImport {
    /// Lines of at most that many bytes are stored.
    pub fn new(ingest: Arc<dyn IngestService>, audit: Arc<dyn AuditLog>, max_message_bytes: usize) -> Self {
        Self {
            ingest,
            audit,
            max_message_bytes,
            chain: MessageChain::new(),
            begun: Instant::now(),
            received: 0,
            stored: 0,
            duplicate: 0,
            rejected: 0,
        }
    }

    /// Stores the next lines of the file in one transaction, and tells of those that were rejected. When this returns
    /// `Ok`, every line of them is committed.
    ///
    /// # Errors
    /// If the database is away. None of these lines is committed then, or it is not known; importing the same file
    /// again within the deduplication window goes on where it ended.
    pub async fn store(&mut self, lines: Vec<(u64, Bytes)>) -> Result<Vec<RejectedLine>, StorageError> {
        let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
        let mut deliveries: Vec<_> =
            lines.into_iter().map(|(number, line)| self.delivery(number, line)).collect();
        let outcomes = match self.ingest.store(&deliveries).await {
            Err(StorageError::Data(_)) => self.store_one_by_one(&mut deliveries).await?,
            outcomes => outcomes?,
        };
        let mut rejected = Vec::new();
        for ((line, delivery), outcome) in numbers.into_iter().zip(&deliveries).zip(outcomes) {
            self.received += 1;
            match outcome {
                IngestOutcome::Stored => self.stored += 1,
                IngestOutcome::Duplicate => self.duplicate += 1,
                IngestOutcome::Rejected(reason) => {
                    self.rejected += 1;
                    rejected.push(RejectedLine { line, reason, detail: detail(delivery, reason) });
                }
            }
        }
        Ok(rejected)
    }

    fn delivery(&mut self, number: u64, line: Bytes) -> Delivery {
        Delivery {
            message_id: self.chain.next(&line),
            received_at: Timestamp::now(),
            decoded: decode(&line, self.max_message_bytes),
            body: line,
            properties: json!({ "import": { "line": number } }),
        }
    }

    /// Finds the lines whose values the database refuses, which then are kept among the rejected ones.
    async fn store_one_by_one(
        &self,
        deliveries: &mut [Delivery],
    ) -> Result<Vec<IngestOutcome>, StorageError> {
        let mut outcomes = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            let stored = match self.ingest.store(std::slice::from_ref(delivery)).await {
                Err(StorageError::Data(_)) => {
                    delivery.decoded = Err(Rejection::refused_by_database());
                    self.ingest.store(std::slice::from_ref(delivery)).await?
                }
                stored => stored?,
            };
            outcomes.extend(stored);
        }
        Ok(outcomes)
    }

    /// Tells the auditor what was taken in, and gives it.
    pub fn finish(self, outcome: Outcome) -> Throughput {
        let throughput = Throughput {
            during: self.begun.elapsed(),
            received: self.received,
            stored: self.stored,
            duplicate: self.duplicate,
            rejected: self.rejected,
        };
        self.audit.record(AuditEvent {
            command: Some(Command::Import),
            throughput: Some(throughput),
            ..AuditEvent::new(Action::ConsumeMessages, outcome)
        });
        throughput
    }
}

/// The sentence of a line that was rejected. What the database does not know is told by its reason alone, which says what of a single measure
/// it is.
fn detail(delivery: &Delivery, reason: RejectionReason) -> Option<String> {
    let rejection = match &delivery.decoded {
        Err(rejection) => return Some(rejection.detail.clone()),
        Ok(message) => match (&message.measures[..], reason) {
            ([measure], RejectionReason::UnknownExperiment) => unknown_experiment(measure),
            ([measure], RejectionReason::UnknownMeasureType) => unknown_measure_type(measure),
            _ => return None,
        },
    };
    Some(rejection.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(lines: &[&str]) -> Vec<MessageId> {
        let mut chain = MessageChain::new();
        lines.iter().map(|line| chain.next(line.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn a_line_is_named_by_itself_and_all_before_it() {
        let ids = |lines: &[&str]| ids(lines);
        assert_eq!(ids(&["a", "b"]), ids(&["a", "b", "c"])[..2]);
        assert_ne!(ids(&["a", "a"])[0], ids(&["a", "a"])[1]);
        assert_ne!(ids(&["a", "c"])[1], ids(&["b", "c"])[1]);
        assert_ne!(ids(&["ab", "c"])[1], ids(&["a", "bc"])[1]);
    }
}
