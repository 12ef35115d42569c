use std::time::{Duration, Instant};

use lapin::Acker;
use mymonit_services::Delivery;

use crate::RabbitConfiguration;

/// A batch with this many measures is full, whatever the number of its messages: as many as one message may have.
const MAX_MEASURES: usize = mymonit_services::message::MAX_MEASURES;
/// A batch with this many bytes of bodies and large properties is full.
const MAX_BYTES: usize = 8 << 20;

/// When a batch is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    messages: usize,
    linger: Duration,
}

impl BatchLimits {
    pub(crate) fn of(configuration: &RabbitConfiguration) -> Self {
        // The broker hands out no more than the prefetch, so a batch of more would never be full.
        let messages = configuration.batch_size.min(configuration.prefetch);
        Self { messages: usize::from(messages), linger: configuration.linger }
    }
}

/// Messages to be written in one transaction, in the order of their delivery.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) deliveries: Vec<Delivery>,
    /// The bytes that the gate holds for them.
    pub(crate) bytes: usize,
    /// Acknowledges all of them, since it belongs to the last.
    pub(crate) last: Acker,
}

/// A batch that is being filled.
#[derive(Debug)]
pub(crate) struct Filling {
    limits: BatchLimits,
    batch: Option<Batch>,
    measures: usize,
    since: Instant,
}

impl Filling {
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self { limits, batch: None, measures: 0, since: Instant::now() }
    }

    /// Takes a message, for which the gate holds so many bytes.
    pub(crate) fn push(&mut self, delivery: Delivery, bytes: usize, acker: Acker, arrived: Instant) {
        self.measures += delivery.decoded.as_ref().map_or(0, |message| message.measures.len());
        match &mut self.batch {
            Some(batch) => {
                batch.deliveries.push(delivery);
                batch.bytes += bytes;
                batch.last = acker;
            }
            None => {
                self.since = arrived;
                self.batch = Some(Batch { deliveries: vec![delivery], bytes, last: acker });
            }
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| {
            batch.deliveries.len() >= self.limits.messages
                || self.measures >= MAX_MEASURES
                || batch.bytes >= MAX_BYTES
        })
    }

    /// When the oldest message will have waited long enough; `None` while there is none.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.batch.as_ref().map(|_| self.since + self.limits.linger)
    }

    pub(crate) fn take(&mut self) -> Option<Batch> {
        self.measures = 0;
        self.batch.take()
    }
}

#[cfg(test)]
mod tests {
    use lapin::message::Delivery as Message;
    use mymonit_model::Timestamp;
    use mymonit_services::message::decode;

    use super::*;

    const ONE: &str = r#"{"experiment":"e","measure":"hertz","value":1,"timestamp":1}"#;

    fn filling(messages: usize) -> Filling {
        Filling::new(BatchLimits { messages, linger: Duration::from_millis(10) })
    }

    fn push(filling: &mut Filling, tag: u64, body: &str, arrived: Instant) {
        let delivery = Delivery {
            message_id: None,
            received_at: Timestamp::now(),
            decoded: decode(body.as_bytes(), usize::MAX),
            body: body.to_owned().into(),
            properties: serde_json::Value::Null,
        };
        let acker = Message::mock(tag, "".into(), "".into(), false, Vec::new()).acker;
        filling.push(delivery, body.len(), acker, arrived);
    }

    #[test]
    fn a_batch_is_full_by_messages_by_measures_or_by_bytes() {
        let mut by_messages = filling(2);
        push(&mut by_messages, 1, ONE, Instant::now());
        assert!(!by_messages.is_full());
        push(&mut by_messages, 2, ONE, Instant::now());
        assert!(by_messages.is_full());

        let mut by_measures = filling(1_000);
        push(&mut by_measures, 1, &format!("[{}]", vec![ONE; MAX_MEASURES].join(",")), Instant::now());
        assert!(by_measures.is_full());

        let mut by_bytes = filling(1_000);
        push(&mut by_bytes, 1, &" ".repeat(MAX_BYTES), Instant::now());
        assert!(by_bytes.is_full());
        assert_eq!(by_bytes.take().unwrap().deliveries.len(), 1);
        assert!(!by_bytes.is_full());
    }

    #[test]
    fn the_oldest_message_says_when_a_batch_is_due_and_the_last_one_acknowledges_it() {
        let start = Instant::now();
        let mut filling = filling(10);
        assert_eq!(filling.due(), None);
        push(&mut filling, 1, ONE, start);
        push(&mut filling, 2, ONE, start + Duration::from_millis(5));
        assert_eq!(filling.due(), Some(start + Duration::from_millis(10)));
        let batch = filling.take().unwrap();
        let second = Message::mock(2, "".into(), "".into(), false, Vec::new()).acker;
        assert_eq!((batch.deliveries.len(), batch.last), (2, second));
        assert_eq!(filling.due(), None);
    }
}
