//! The messages. Each is derived from the seed and its number, so that the checker can compare it.

use std::fmt::Write as _;

use lapin::BasicProperties;
use lapin::types::ShortString;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A message to publish.
pub(crate) struct Outgoing {
    pub(crate) body: Vec<u8>,
    pub(crate) properties: BasicProperties,
}

/// A deterministic source of numbered messages.
pub(crate) trait Source: Send + Sync {
    /// The message with this number; always the same.
    fn message(&self, number: u32) -> Outgoing;
}

/// A separate random generator for each purpose, from the same seed.
pub(crate) fn random(seed: u64, number: u64) -> StdRng {
    // The odd constant (golden ratio) keeps seeds of neighbouring numbers apart.
    StdRng::seed_from_u64(seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The time of the first measure of message 0; in nanoseconds, and a multiple of [`SLOT`].
pub(crate) const EPOCH: i64 = 1_600_000_000_000_000_000;
/// A time between the last message and the example data.
pub(crate) const END: i64 = 1_640_000_000_000_000_000;
/// Nanoseconds from one message to the next; a message's measures are one nanosecond apart.
pub(crate) const SLOT: i64 = 1_000_000;
/// The maximum number of measures in these messages.
pub(crate) const MAX_MEASURES_PER_MESSAGE: usize = 5;
/// How many messages in a hundred are arrays.
const ARRAYS: u32 = 10;
/// How many messages in a hundred are invalid.
const BAD: u32 = 2;

/// Two experiments of the example data, with the numbers that they get in an empty database.
const EXPERIMENTS: [(u8, &str); 2] = [(1, "device-vibrations"), (2, "black-holes")];
/// Some measure types, with their numbers.
const TYPES: [(u8, &str); 4] = [(1, "hertz"), (9, "volt"), (11, "ohm"), (16, "degree Celsius")];

/// A row of the table of measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub(crate) timestamp: i64,
    pub(crate) experiment: u8,
    pub(crate) measure_type: u8,
    pub(crate) value: f64,
}

/// The content of a message.
pub(crate) enum Content {
    /// Measures, expected to be stored.
    Measures(Vec<Row>),
    /// An invalid body, expected to be rejected.
    Bad(Vec<u8>),
}

/// Valid messages of one or several measures, and some invalid ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Catalogue {
    pub(crate) seed: u64,
    /// Whether each message carries a `message-id`.
    pub(crate) with_ids: bool,
}

impl Catalogue {
    /// The content of a message.
    pub(crate) fn content(&self, number: u32) -> Content {
        let mut random = random(self.seed, number.into());
        let kind = random.random_range(0..100);
        if kind < BAD {
            return Content::Bad(bad(number, &mut random));
        }
        let count = if kind < BAD + ARRAYS { random.random_range(2..=MAX_MEASURES_PER_MESSAGE) } else { 1 };
        let first = EPOCH + i64::from(number) * SLOT;
        let rows = (first..).take(count).map(|timestamp| Row {
            timestamp,
            experiment: EXPERIMENTS[random.random_range(0..EXPERIMENTS.len())].0,
            measure_type: TYPES[random.random_range(0..TYPES.len())].0,
            value: random.random_range(-1e9..1e9),
        });
        Content::Measures(rows.collect())
    }

    /// The `message-id` of a message. Its text sorts like the number.
    pub(crate) fn id(&self, number: u32) -> String {
        format!("chaos-{:016x}-{number:010}", self.seed)
    }

    /// The body of a message.
    pub(crate) fn body(&self, number: u32) -> Vec<u8> {
        match self.content(number) {
            Content::Bad(body) => body,
            Content::Measures(rows) => match rows.as_slice() {
                [row] => json(row).into_bytes(),
                rows => format!("[{}]", rows.iter().map(json).collect::<Vec<_>>().join(",")).into_bytes(),
            },
        }
    }
}

impl Source for Catalogue {
    fn message(&self, number: u32) -> Outgoing {
        let mut properties = BasicProperties::default();
        if self.with_ids {
            properties = properties.with_message_id(ShortString::from(self.id(number)));
        }
        Outgoing { body: self.body(number), properties }
    }
}

/// The number at the start of a body from [`bad`].
pub(crate) fn number_of_bad(body: &[u8]) -> Option<u32> {
    let rest = body.strip_prefix(BEGINNING_OF_BAD.as_bytes())?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

const BEGINNING_OF_BAD: &str = r#"{"number":"#;

fn bad(number: u32, random: &mut StdRng) -> Vec<u8> {
    let rest = match random.random_range(0..3) {
        0 => r#""experiment":"nobody-knows-it","measure":"hertz","value":1,"timestamp":1600000000}"#,
        1 => r#""experiment":"device-vibrations","measure":"hertz","timestamp":1600000000}"#,
        _ => r#""experiment":"device-vibrations","measure":"hertz","value":1,"timesta"#,
    };
    format!("{BEGINNING_OF_BAD}{number},{rest}").into_bytes()
}

/// A measure as adapters write it.
pub(crate) fn json(row: &Row) -> String {
    let name = |names: &[(u8, &'static str)], id| {
        names.iter().find(|(known, _)| *known == id).map_or("", |(_, name)| *name)
    };
    let (seconds, nanos) = (row.timestamp / 1_000_000_000, row.timestamp % 1_000_000_000);
    let mut text = String::with_capacity(128);
    // Infallible: the writer is a string.
    let _ = write!(
        text,
        r#"{{"experiment":"{}","measure":"{}","value":{},"timestamp":{seconds}.{nanos:09}}}"#,
        name(&EXPERIMENTS, row.experiment),
        name(&TYPES, row.measure_type),
        row.value
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_each_time_and_another_for_another_number_or_seed() {
        let of = |seed, number| Catalogue { seed, with_ids: true }.body(number);
        assert_eq!(of(1, 7), of(1, 7));
        assert_ne!(of(1, 7), of(1, 8));
        assert_ne!(of(1, 7), of(2, 7));
    }

    #[test]
    fn single_array_and_bad_messages_occur_and_bad_ones_hold_their_number() {
        let catalogue = Catalogue { seed: 3, with_ids: false };
        let (mut single, mut arrays, mut bad) = (0, 0, 0);
        for number in 0..1_000 {
            match catalogue.content(number) {
                Content::Measures(rows) if rows.len() == 1 => single += 1,
                Content::Measures(_) => arrays += 1,
                Content::Bad(body) => {
                    assert_eq!(number_of_bad(&body), Some(number));
                    bad += 1;
                }
            }
        }
        assert!(single > 800 && arrays > 50 && bad > 5, "{single} {arrays} {bad}");
    }
}
