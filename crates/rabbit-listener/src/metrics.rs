use std::time::{Duration, Instant};

use mymonit_model::Timestamp;
use mymonit_services::Delivery;
use mymonit_services::message::RejectionReason;
use mymonit_services::ports::IngestOutcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Up to the greatest batch that can be configured.
const SIZES: [f64; 10] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 65_535.0];
/// From one message on an idle database to a batch that is retried.
const WRITE_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// From a single message to one that waited in the broker over night.
const COMMIT_SECONDS: [f64; 12] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 43_200.0];

/// Consumed messages since the start. Redeliveries count again.
#[derive(Debug)]
pub struct IngestCounters {
    received: Counter,
    stored: Counter,
    measures: Counter,
    duplicate: Counter,
    rejected: Family<Rejected, Counter>,
    batch_messages: Histogram,
    batch_seconds: Histogram,
    write_failures: Counter,
    replies_sent: Counter,
    replies_dropped: Counter,
    since_receipt: Histogram,
    since_publishing: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    reason: &'static str,
}

impl Default for IngestCounters {
    fn default() -> Self {
        let rejected = Family::default();
        // From 0, so that the first message of a reason is an increase.
        for reason in RejectionReason::ALL {
            drop(rejected.get_or_create(&Rejected { reason: reason.code() }));
        }
        Self {
            received: Counter::default(),
            stored: Counter::default(),
            measures: Counter::default(),
            duplicate: Counter::default(),
            rejected,
            batch_messages: Histogram::new(SIZES),
            batch_seconds: Histogram::new(WRITE_SECONDS),
            write_failures: Counter::default(),
            replies_sent: Counter::default(),
            replies_dropped: Counter::default(),
            since_receipt: Histogram::new(COMMIT_SECONDS),
            since_publishing: Histogram::new(COMMIT_SECONDS),
        }
    }
}

impl IngestCounters {
    /// Messages that the broker delivered.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Messages whose measures were committed.
    pub fn stored(&self) -> u64 {
        self.stored.get()
    }

    /// Measures that were committed.
    pub fn measures(&self) -> u64 {
        self.measures.get()
    }

    /// Messages with a known `message-id`.
    pub fn duplicate(&self) -> u64 {
        self.duplicate.get()
    }

    /// Messages that were kept as rejected.
    pub fn rejected(&self) -> u64 {
        let of_reason = |reason: RejectionReason| {
            self.rejected.get(&Rejected { reason: reason.code() }).map_or(0, |counter| counter.get())
        };
        RejectionReason::ALL.into_iter().map(of_reason).sum()
    }

    /// Replies about rejected messages that the broker took.
    pub fn replies_sent(&self) -> u64 {
        self.replies_sent.get()
    }

    /// Replies about rejected messages that were not sent.
    pub fn replies_dropped(&self) -> u64 {
        self.replies_dropped.get()
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "messages_received",
            "Messages that the broker delivered, redeliveries counted again",
            self.received.clone(),
        );
        registry.register("messages_stored", "Messages whose measures were committed", self.stored.clone());
        registry.register(
            "measures_stored",
            "Measures of delivered messages that were committed",
            self.measures.clone(),
        );
        registry.register(
            "messages_duplicate",
            "Messages that were known by their message-id, and of which nothing was written",
            self.duplicate.clone(),
        );
        registry.register(
            "messages_rejected",
            "Messages that were kept among the rejected ones",
            self.rejected.clone(),
        );
        registry.register("batch_messages", "Messages in a batch", self.batch_messages.clone());
        registry.register_with_unit(
            "batch_write_duration",
            "Time from the first try to write a batch to its commit",
            Unit::Seconds,
            self.batch_seconds.clone(),
        );
        registry.register(
            "batch_write_failures",
            "Tries to write a batch that failed and were repeated",
            self.write_failures.clone(),
        );
        registry.register(
            "rejection_replies_sent",
            "Replies about rejected messages that the broker took for their publishers",
            self.replies_sent.clone(),
        );
        registry.register(
            "rejection_replies_dropped",
            "Replies about rejected messages that were not sent: too many at once, or refused by the broker",
            self.replies_dropped.clone(),
        );
        registry.register_with_unit(
            "message_receipt_to_commit",
            "Time from the receipt of a message to the commit of its batch",
            Unit::Seconds,
            self.since_receipt.clone(),
        );
        registry.register_with_unit(
            "message_publish_to_commit",
            "Time from a message's AMQP timestamp, which has whole seconds, to the commit of its batch",
            Unit::Seconds,
            self.since_publishing.clone(),
        );
    }

    pub(crate) fn count_received(&self) {
        self.received.inc();
    }

    pub(crate) fn count_replies_sent(&self, replies: usize) {
        self.replies_sent.inc_by(replies.try_into().unwrap_or(u64::MAX));
    }

    pub(crate) fn count_replies_dropped(&self, replies: usize) {
        self.replies_dropped.inc_by(replies.try_into().unwrap_or(u64::MAX));
    }

    pub(crate) fn count_failure(&self) {
        self.write_failures.inc();
    }

    /// Counts a batch that has been committed; its writing began at `began`.
    pub(crate) fn count_committed(
        &self,
        deliveries: &[Delivery],
        outcomes: &[IngestOutcome],
        began: Instant,
    ) {
        let now = Timestamp::now();
        self.batch_messages.observe(f64::from(u32::try_from(deliveries.len()).unwrap_or(u32::MAX)));
        self.batch_seconds.observe(began.elapsed().as_secs_f64());
        for (delivery, outcome) in deliveries.iter().zip(outcomes) {
            match outcome {
                IngestOutcome::Stored => {
                    self.stored.inc();
                    let measures = delivery.decoded.as_ref().map_or(0, |message| message.measures.len());
                    self.measures.inc_by(measures.try_into().unwrap_or(u64::MAX));
                    self.since_receipt.observe(seconds_between(delivery.received_at, now));
                    if let Some(published) = published(delivery) {
                        self.since_publishing.observe(seconds_between(published, now));
                    }
                }
                IngestOutcome::Duplicate => drop(self.duplicate.inc()),
                IngestOutcome::Rejected(reason) => {
                    self.rejected.get_or_create(&Rejected { reason: reason.code() }).inc();
                }
            }
        }
    }
}

/// The AMQP property `timestamp`, in seconds; publishers need not set it.
fn published(delivery: &Delivery) -> Option<Timestamp> {
    let seconds = delivery.properties.get("timestamp")?.as_i64()?;
    Timestamp::from_unix_nanos(seconds.checked_mul(1_000_000_000)?)
}

/// At least 0: clocks differ.
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    let nanos = to.unix_nanos().saturating_sub(from.unix_nanos());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use mymonit_services::message::decode;
    use serde_json::json;

    use super::*;

    fn delivery(body: &str, properties: serde_json::Value) -> Delivery {
        Delivery {
            publisher: None,
            message_id: None,
            received_at: Timestamp::now(),
            decoded: decode(body.as_bytes(), usize::MAX),
            body: body.to_owned().into(),
            properties,
        }
    }

    fn encoded(counters: &IngestCounters) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        counters.register(&mut registry);
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_committed_batch_is_counted_message_by_message() {
        let one = r#"{"experiment":"e","measure":"hertz","value":1,"timestamp":1}"#;
        let (now, later) = (Timestamp::now().unix_nanos() / 1_000_000_000, i64::MAX);
        let deliveries = [
            delivery(&format!("[{one},{one}]"), json!({ "timestamp": now - 100 })),
            delivery(one, json!({})),
            delivery(one, json!({ "timestamp": later })),
            delivery("", json!({})),
            delivery(one, json!({})),
        ];
        let outcomes = [
            IngestOutcome::Stored,
            IngestOutcome::Stored,
            IngestOutcome::Stored,
            IngestOutcome::Rejected(RejectionReason::Empty),
            IngestOutcome::Duplicate,
        ];
        let counters = IngestCounters::default();
        counters.count_committed(&deliveries, &outcomes, Instant::now());
        assert_eq!((counters.stored(), counters.rejected(), counters.duplicate()), (3, 1, 1));
        assert_eq!(counters.measures.get(), 4);
        let text = encoded(&counters);
        assert!(text.contains("message_receipt_to_commit_seconds_count 3\n"), "{text}");
        for (limit, count) in [("30.0", 0), ("300.0", 1)] {
            let line = format!("message_publish_to_commit_seconds_bucket{{le=\"{limit}\"}} {count}\n");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }

    #[test]
    fn every_reason_is_exported_from_the_start() {
        let text = encoded(&IngestCounters::default());
        for reason in RejectionReason::ALL {
            let line = format!("messages_rejected_total{{reason=\"{}\"}} 0\n", reason.code());
            assert!(text.contains(&line), "{text}");
        }
    }
}
