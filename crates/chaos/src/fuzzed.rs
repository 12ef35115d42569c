//! Invalid messages of every kind, and valid ones that look invalid. Each is derived from the seed
//! and its number.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString, ShortString};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::message::{EPOCH, Outgoing, Row, SLOT, Source, json, random};

/// The default of `RABBIT_MAX_MESSAGE_BYTES`.
const MAX_BYTES: usize = 4 << 20;
/// The maximum number of measures in a message.
const MAX_MEASURES: usize = 10_000;
/// The prefix of `correlation-id`, which holds the message's number. Rejected messages keep it.
const NUMBER: &str = "fuzzed-";

/// The expected result for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It is valid and holds that many measures.
    Stored(usize),
    /// It is kept among the rejected ones.
    Rejected,
    /// It may be valid by chance, with one measure.
    Either,
}

/// Fuzzed messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fuzz {
    pub(crate) seed: u64,
    /// One message in this many has some megabytes.
    pub(crate) seldom: u32,
}

impl Fuzz {
    /// The body of a message, and its expected result.
    pub(crate) fn body(&self, number: u32) -> (Vec<u8>, Expected) {
        let mut random = random(self.seed, number.into());
        match number % self.seldom {
            7 => large(number, number / self.seldom, &mut random),
            11 => (array(number, MAX_MEASURES + 1), Expected::Rejected),
            13 => (array(number, MAX_MEASURES), Expected::Stored(MAX_MEASURES)),
            _ => small(number, &mut random),
        }
    }

    /// The `message-id` of a message: most have one, of any kind.
    pub(crate) fn id(&self, number: u32) -> Option<String> {
        let mut random = random(!self.seed, number.into());
        match random.random_range(0..10) {
            0 => None,
            1 => Some(format!("\u{0}\n\"{{ %s é 𝄞 {:016x} {number}", self.seed)),
            // The maximum length in AMQP.
            2 => Some(format!("{number:.>255}")),
            _ => Some(format!("{NUMBER}{:016x}-{number}", self.seed)),
        }
    }

    /// The number of a message with that `correlation-id`.
    pub(crate) fn number(correlation_id: &str) -> Option<u32> {
        correlation_id.strip_prefix(NUMBER)?.parse().ok()
    }
}

impl Source for Fuzz {
    fn message(&self, number: u32) -> Outgoing {
        let mut random = random(self.seed.rotate_left(1), number.into());
        let mut properties =
            odd_properties(&mut random).with_correlation_id(ShortString::from(format!("{NUMBER}{number}")));
        if let Some(id) = self.id(number) {
            properties = properties.with_message_id(ShortString::from(id));
        }
        Outgoing { body: self.body(number).0, properties }
    }
}

fn row(number: u32, index: usize) -> Row {
    // After all times of the catalogue, whose slots are too short for these arrays.
    let timestamp = 2 * EPOCH + i64::from(number) * SLOT + i64::try_from(index).unwrap_or_default();
    Row { timestamp, experiment: 2, measure_type: 1, value: f64::from(number) / 8.0 }
}

fn array(number: u32, measures: usize) -> Vec<u8> {
    let measures: Vec<_> = (0..measures).map(|index| json(&row(number, index))).collect();
    format!("[{}]", measures.join(",")).into_bytes()
}

/// Bodies around the maximum size.
fn large(number: u32, turn: u32, random: &mut StdRng) -> (Vec<u8>, Expected) {
    let mut body = json(&row(number, 0)).into_bytes();
    match turn % 4 {
        // Trailing white space is valid JSON; one more byte is too much.
        0 => body.resize(MAX_BYTES, b' '),
        1 => {
            body.resize(MAX_BYTES + 1, b' ');
            return (body, Expected::Rejected);
        }
        2 => return (bytes(random, MAX_BYTES), Expected::Rejected),
        // A string of four megabytes in an unknown field.
        _ => {
            body.pop();
            body.extend(b",\"remark\":\"");
            body.resize(MAX_BYTES - 2, b'x');
            body.extend(b"\"}");
        }
    }
    (body, Expected::Stored(1))
}

fn small(number: u32, random: &mut StdRng) -> (Vec<u8>, Expected) {
    use Expected::{Either, Rejected, Stored};
    let good = json(&row(number, 0));
    let replaced = |from: &str, to: &str| good.replacen(from, to, 1).into_bytes();
    let value = format!(r#""value":{}"#, f64::from(number) / 8.0);
    match random.random_range(0..20) {
        // A random text is practically never a measure.
        0..=2 => {
            let length = random.random_range(0..400);
            (bytes(random, length), Rejected)
        }
        3..=6 => (nearly(good.into_bytes(), random), Either),
        7 => (pick(random, &ODD_TEXTS).as_bytes().to_vec(), Rejected),
        8 => {
            let value_instead = pick(random, &ODD_VALUES);
            (replaced(&value, &format!(r#""value":{value_instead}"#)), Rejected)
        }
        9 => {
            let (text, times) = pick(random, &ODD_TIMES);
            let at = good.find(r#""timestamp":"#).unwrap_or_default();
            (format!(r#"{}"timestamp":{text}}}"#, &good[..at]).into_bytes(), times)
        }
        10 => {
            let name = pick(random, &ODD_NAMES);
            (replaced(r#""black-holes""#, name), Rejected)
        }
        11 => {
            let field = pick(random, &["experiment", "measure", "value", "timestamp"]);
            (replaced(&format!(r#""{field}""#), r#""something""#), Rejected)
        }
        12 => (deep(random, ""), Rejected),
        // Deep nesting in an unknown field: the parser decides whether it is too deep.
        13 => {
            let nested = deep(random, "1");
            let mut body = good.into_bytes();
            body.pop();
            body.extend(b",\"remark\":");
            body.extend(nested);
            body.push(b'}');
            (body, Either)
        }
        14 => {
            let digits = "9".repeat(random.random_range(310..5_000));
            (replaced(&value, &format!(r#""value":{digits}"#)), Rejected)
        }
        15 => {
            // One wrong element makes the array invalid.
            let other = json(&row(number, 1));
            (format!("[{good},{other},{}]", pick(random, &ODD_TEXTS)).into_bytes(), Rejected)
        }
        16 => {
            let mut body = replaced("black-holes", "black-holes\u{fffd}");
            if let Some(at) = body.iter().position(|byte| *byte == 0xef) {
                body[at] = pick(random, &[0x80, 0xc0, 0xff, 0xed, 0xf5]);
            }
            (body, Rejected)
        }
        // Valid ones that look invalid.
        17 => (replaced("black-holes", r"\u0062lack\u002dholes"), Stored(1)),
        18 => (format!("\r\n\t [ {good}\n]\n").into_bytes(), Stored(1)),
        _ => (replaced(r#"{""#, r#"{"remark":{"value":null,"list":[1e999999,"\ud834\udd1e"]},""#), Either),
    }
}

const ODD_TEXTS: [&str; 16] = [
    "",
    " ",
    "{}",
    "[]",
    "[[]]",
    "null",
    "true",
    "0",
    "\"\"",
    "NaN",
    "[null]",
    "\u{feff}{}",
    "{\"experiment\"",
    "{\"experiment\":}",
    "\u{0}",
    "{\"\\ud800\":1}",
];

const ODD_VALUES: [&str; 19] = [
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e999999999999",
    "null",
    "true",
    "\"1\"",
    "[1]",
    "{}",
    "01",
    "+1",
    "1.",
    ".5",
    "0x10",
    "1e",
    "-",
];

const ODD_TIMES: [(&str, Expected); 17] = [
    ("1e300", Expected::Rejected),
    ("-1", Expected::Rejected),
    ("-0.000000001", Expected::Rejected),
    ("99999999999999999999999999", Expected::Rejected),
    ("NaN", Expected::Rejected),
    ("null", Expected::Rejected),
    ("\"\"", Expected::Rejected),
    ("\"yesterday\"", Expected::Rejected),
    ("\"2026-02-30T00:00:00Z\"", Expected::Rejected),
    ("\"2026-01-01T00:00:00\"", Expected::Rejected),
    ("\"1969-12-31T23:59:59.999999999Z\"", Expected::Rejected),
    ("\"9999-12-31T23:59:59Z\"", Expected::Rejected),
    ("[1]", Expected::Rejected),
    ("{}", Expected::Rejected),
    ("\"1970-01-01T00:00:00Z\"", Expected::Stored(1)),
    ("0", Expected::Stored(1)),
    ("\"2026-11-21T10:00:00.123456789+02:00\"", Expected::Stored(1)),
];

const ODD_NAMES: [&str; 12] = [
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud834 \"",
    "\"\\u12\"",
    "\"\\x41\"",
    "\"\u{0}\"",
    "\"\"",
    "\"   \"",
    "null",
    "7",
    "[\"black-holes\"]",
    "\"BLACK-HOLES'; DROP TABLE MEASURES; --\"",
];

/// A valid message with some random changes.
fn nearly(mut body: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    for _ in 0..random.random_range(1..=3) {
        if body.is_empty() {
            break;
        }
        let at = random.random_range(0..body.len());
        match random.random_range(0..5) {
            0 => {
                body.remove(at);
            }
            1 => body.insert(at, random.random()),
            2 => body[at] = random.random(),
            3 => body[at] = pick(random, b"{}[]\",:.-+eE0179nul\\"),
            _ => body.truncate(at),
        }
    }
    body
}

/// Up to a hundred thousand nested arrays or objects, closed or not.
fn deep(random: &mut StdRng, middle: &str) -> Vec<u8> {
    let depth = match random.random_range(0..100) {
        0 => 100_000,
        1..10 => random.random_range(1_000..10_000),
        _ => random.random_range(1..300),
    };
    let (open, close) = if random.random_bool(0.5) { ("[", "]") } else { ("{\"a\":", "}") };
    let closed = if middle.is_empty() && random.random_bool(0.5) { 0 } else { depth };
    format!("{}{middle}{}", open.repeat(depth), close.repeat(closed)).into_bytes()
}

/// Unusual properties that AMQP allows.
fn odd_properties(random: &mut StdRng) -> BasicProperties {
    let properties = BasicProperties::default();
    match random.random_range(0..8) {
        0 => properties.with_content_type("text/\u{202e}plain; charset=\"".into()).with_priority(255),
        1 => properties.with_content_encoding("gzip".into()).with_timestamp(u64::MAX),
        2 => {
            properties.with_reply_to("r".repeat(255).into()).with_app_id("\u{0}".into()).with_type("".into())
        }
        // RabbitMQ drops the message after this day.
        3 => properties.with_expiration("86400000".into()).with_cluster_id("x".into()).with_delivery_mode(2),
        4 => properties.with_headers(odd_headers(random)),
        5 => properties.with_user_id("guest".into()).with_headers(FieldTable::default()),
        _ => properties,
    }
}

fn odd_headers(random: &mut StdRng) -> FieldTable {
    let mut inner = FieldTable::default();
    for _ in 0..random.random_range(0..20) {
        let mut table = FieldTable::default();
        table.insert("in".into(), AMQPValue::FieldTable(inner));
        inner = table;
    }
    let length = random.random_range(0..2_000);
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("", AMQPValue::Void),
        // Not NaN or infinity: Erlang has neither, so RabbitMQ closes the connection.
        ("smallest", AMQPValue::Double(-f64::MIN_POSITIVE)),
        ("largest", AMQPValue::Float(f32::MAX)),
        ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 255, value: u32::MAX })),
        ("time", AMQPValue::Timestamp(u64::MAX)),
        ("bytes", AMQPValue::ByteArray(ByteArray::from(bytes(random, length)))),
        ("text", AMQPValue::LongString(LongString::from(bytes(random, 50)))),
        ("list", AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::Boolean(true), AMQPValue::Void]))),
        ("nested", AMQPValue::FieldTable(inner)),
    ] {
        headers.insert(name.into(), value);
    }
    headers
}

fn bytes(random: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes[..]);
    bytes
}

fn pick<T: Copy>(random: &mut StdRng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_occurs_and_messages_are_deterministic() {
        let fuzz = Fuzz { seed: 1, seldom: 500 };
        let (mut stored, mut rejected, mut either, mut large) = (0, 0, 0, 0);
        for number in 0..2_500 {
            let (body, expected) = fuzz.body(number);
            match expected {
                Expected::Stored(_) => stored += 1,
                Expected::Rejected => rejected += 1,
                Expected::Either => either += 1,
            }
            large += u32::from(body.len() >= MAX_BYTES);
            assert_eq!(fuzz.message(number).body, body);
        }
        assert!(
            stored > 100 && rejected > 1_000 && either > 100 && large == 5,
            "{stored} {rejected} {either} {large}"
        );
    }

    #[test]
    fn a_number_is_read_from_the_correlation_id() {
        let message = Fuzz { seed: 1, seldom: 500 }.message(42);
        let correlation_id = message.properties.correlation_id().clone().unwrap();
        assert_eq!(Fuzz::number(correlation_id.as_str()), Some(42));
    }
}
