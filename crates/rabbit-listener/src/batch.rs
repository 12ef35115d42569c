use std::time::{Duration, Instant};

use bytes::Bytes;
use lapin::Acker;
use lapin::message::Delivery as Message;
use mymonit_model::Timestamp;
use mymonit_services::Delivery;
use mymonit_services::message::{MAX_MEASURES, decode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, spawn_blocking};

use crate::RabbitConfiguration;
use crate::guard::GuardedDelivery;
use crate::properties::Properties;

/// A batch with this many bytes is full.
const MAX_BYTES: usize = 8 << 20;
/// Longer bodies are parsed on a blocking thread: they would delay HTTP requests on this one.
const LONG_BODY: usize = 128 << 10;

/// When a batch is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    messages: usize,
    linger: Duration,
    /// Longer messages are rejected.
    pub(crate) message_bytes: usize,
}

impl BatchLimits {
    pub(crate) fn of(configuration: &RabbitConfiguration) -> Self {
        Self {
            // The broker delivers no more than the prefetch: a larger batch would never be full.
            messages: configuration.batch_size.min(configuration.prefetch).into(),
            linger: configuration.linger,
            message_bytes: configuration.max_message_bytes,
        }
    }
}

/// A message as it came from the broker.
pub(crate) struct Arrival {
    body: Bytes,
    acker: Acker,
    guarded: GuardedDelivery,
    received_at: Timestamp,
    arrived: Instant,
}

/// A decoded message.
pub(crate) struct Decoded {
    delivery: Delivery,
    acker: Acker,
    memory: OwnedSemaphorePermit,
    arrived: Instant,
}

impl Arrival {
    pub(crate) fn new(
        mut message: Message,
        guarded: GuardedDelivery,
        received_at: Timestamp,
        arrived: Instant,
    ) -> Self {
        // lapin doubles the capacity of a growing body.
        message.data.shrink_to_fit();
        Self { body: message.data.into(), acker: message.acker, guarded, received_at, arrived }
    }

    /// Decodes the message without the database.
    ///
    /// # Errors
    /// If decoding panicked, which is a defect.
    pub(crate) async fn decode(self, max_bytes: usize) -> Result<Decoded, JoinError> {
        let Self { body, acker, guarded: GuardedDelivery { properties, memory }, received_at, arrived } =
            self;
        let decoded = if body.len() < LONG_BODY {
            decode(&body, max_bytes)
        } else {
            let body = body.clone();
            spawn_blocking(move || decode(&body, max_bytes)).await?
        };
        let Properties { message_id, publisher, json: properties, .. } = properties;
        let delivery = Delivery { publisher, message_id, received_at, decoded, body, properties };
        Ok(Decoded { delivery, acker, memory, arrived })
    }
}

/// Messages for one transaction, in the order of their delivery.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) deliveries: Vec<Delivery>,
    /// The acknowledgement of the last one.
    pub(crate) last: Acker,
    memory: OwnedSemaphorePermit,
    measures: usize,
    oldest: Instant,
}

impl Batch {
    pub(crate) fn of(Decoded { delivery, acker, memory, arrived }: Decoded) -> Self {
        let measures = measures(&delivery);
        Self { deliveries: vec![delivery], last: acker, memory, measures, oldest: arrived }
    }

    pub(crate) fn push(&mut self, Decoded { delivery, acker, memory, .. }: Decoded) {
        self.measures += measures(&delivery);
        self.deliveries.push(delivery);
        self.last = acker;
        self.memory.merge(memory);
    }

    /// Bytes of its bodies and properties.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.num_permits()
    }

    /// As many measures as one message may have fill it, too.
    pub(crate) fn is_full(&self, limits: &BatchLimits) -> bool {
        self.deliveries.len() >= limits.messages || self.measures >= MAX_MEASURES || self.bytes() >= MAX_BYTES
    }

    /// When it is written: as soon as it is full, or when its oldest message has waited for the
    /// linger time.
    pub(crate) fn due(&self, limits: &BatchLimits) -> Instant {
        if self.is_full(limits) { self.oldest } else { self.oldest + limits.linger }
    }
}

fn measures(delivery: &Delivery) -> usize {
    delivery.decoded.as_ref().map_or(0, |message| message.measures.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    const ONE: &str = r#"{"experiment":"e","measure":"hertz","value":1,"timestamp":1}"#;
    const LIMITS: BatchLimits =
        BatchLimits { messages: 2, linger: Duration::from_millis(10), message_bytes: usize::MAX };

    async fn decoded(memory: &Arc<Semaphore>, tag: u64, body: &str, arrived: Instant) -> Decoded {
        let message = Message::mock(tag, "".into(), "".into(), false, body.as_bytes().to_vec());
        let bytes = u32::try_from(body.len()).unwrap();
        let memory = memory.clone().acquire_many_owned(bytes).await.unwrap();
        let guarded = GuardedDelivery { properties: Properties::read(0, b""), memory };
        let arrival = Arrival::new(message, guarded, Timestamp::now(), arrived);
        arrival.decode(LIMITS.message_bytes).await.unwrap()
    }

    /// A batch of one message.
    pub(crate) async fn batch(body: &str) -> Batch {
        Batch::of(decoded(&Arc::new(Semaphore::new(64 << 20)), 1, body, Instant::now()).await)
    }

    #[tokio::test]
    async fn a_batch_is_full_by_messages_by_measures_or_by_bytes() {
        let memory = Arc::new(Semaphore::new(1_000));
        let mut by_messages = Batch::of(decoded(&memory, 1, ONE, Instant::now()).await);
        assert!(!by_messages.is_full(&LIMITS));
        by_messages.push(decoded(&memory, 2, ONE, Instant::now()).await);
        assert!(by_messages.is_full(&LIMITS));
        assert!(batch(&format!("[{}]", vec![ONE; MAX_MEASURES].join(","))).await.is_full(&LIMITS));
        assert!(batch(&" ".repeat(MAX_BYTES)).await.is_full(&LIMITS));
    }

    #[tokio::test]
    async fn the_oldest_message_says_when_a_batch_is_due_and_the_last_one_acknowledges_it() {
        let (memory, start) = (Arc::new(Semaphore::new(1_000)), Instant::now());
        let limits = BatchLimits { messages: 3, ..LIMITS };
        let mut batch = Batch::of(decoded(&memory, 1, ONE, start).await);
        batch.push(decoded(&memory, 2, ONE, start + Duration::from_millis(5)).await);
        assert_eq!(batch.due(&limits), start + Duration::from_millis(10));
        assert_eq!(batch.due(&LIMITS), start, "a full batch does not wait");
        assert_eq!(batch.last, Message::mock(2, "".into(), "".into(), false, Vec::new()).acker);
        assert_eq!(memory.available_permits(), 1_000 - batch.bytes());
        drop(batch);
        assert_eq!(memory.available_permits(), 1_000);
    }
}
