//! AMQP message properties, read from the wire into JSON (AMQP 0-9-1, 4.2.5 and 4.2.6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mymonit_model::PublisherName;
use mymonit_services::message::MessageId;
use serde_json::{Map, Value, json};

/// Deeper tables and arrays are not read. Real ones have two or three levels; a stack has some
/// thousand.
const MAX_DEPTH: usize = 32;
/// More header values are not read, since their JSON takes a hundred times their bytes. Real
/// headers have dozens.
const MAX_VALUES: usize = 4_000;
/// The number of values that a table counts as: its JSON node takes some hundred bytes, even if
/// empty.
const VALUES_PER_TABLE: usize = 20;
/// The memory of a header value besides its bytes on the wire.
const BYTES_PER_VALUE: usize = 64;

/// The properties in the order of the wire. Their flags begin with the highest bit.
const FIELDS: [(&str, Kind); 14] = [
    ("content_type", Kind::Text),
    ("content_encoding", Kind::Text),
    ("headers", Kind::Table),
    ("delivery_mode", Kind::Octet),
    ("priority", Kind::Octet),
    ("correlation_id", Kind::Text),
    ("reply_to", Kind::Text),
    ("expiration", Kind::Text),
    ("message_id", Kind::Text),
    ("timestamp", Kind::Timestamp),
    ("type", Kind::Text),
    ("user_id", Kind::Text),
    ("app_id", Kind::Text),
    ("cluster_id", Kind::Text),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Table,
    Octet,
    Timestamp,
}

/// The properties of one message.
#[derive(Debug, PartialEq)]
pub(crate) struct Properties {
    pub(crate) message_id: Option<MessageId>,
    /// The `user-id`, which RabbitMQ has checked against the account of the connection.
    pub(crate) publisher: Option<PublisherName>,
    /// An object with the names of [`FIELDS`]; JSON has no binary values, so they become
    /// `{"$base64": "…"}`. Unreadable properties are kept as `{"$raw": {"flags": …, "list":
    /// {"$base64": "…"}}}`.
    pub(crate) json: Value,
    /// The memory they take, roughly.
    pub(crate) bytes: usize,
}

impl Properties {
    /// Reads the flags and the list of a header frame. Publishers may send any bytes.
    pub(crate) fn read(flags: u16, list: &[u8]) -> Self {
        let mut fields = Vec::new();
        let is_whole = split(flags, list, &mut fields).is_some();
        let field = |name| fields.iter().find(|(each, ..)| *each == name).map(|(_, _, bytes)| *bytes);
        let message_id = field("message_id").and_then(MessageId::new);
        let publisher = field("user_id").and_then(PublisherName::from_user_id);
        let mut values = 0;
        match is_whole.then(|| to_json(&fields, &mut values)).flatten() {
            Some(json) => Self {
                message_id: message_id.or_else(|| mqtt_message_id(&json)),
                publisher,
                json,
                bytes: list.len() + values * BYTES_PER_VALUE,
            },
            None => {
                let json = json!({ "$raw": { "flags": flags, "list": binary(list) } });
                Self { message_id, publisher, json, bytes: 2 * list.len() }
            }
        }
    }
}

/// The user property `message-id` of an MQTT client, whose messages have no such AMQP property.
/// Headers of that name from other publishers are not ids. RabbitMQ's plugin adds
/// `x-mqtt-publish-qos`.
fn mqtt_message_id(json: &Value) -> Option<MessageId> {
    let headers = json.get("headers")?;
    headers.get("x-mqtt-publish-qos")?;
    MessageId::new(headers.get("message-id")?.as_str()?.as_bytes())
}

/// Finds the bytes of each property; `None` if some are missing or left over.
fn split<'a>(flags: u16, list: &'a [u8], fields: &mut Vec<(&'static str, Kind, &'a [u8])>) -> Option<()> {
    let mut reader = Reader { bytes: list };
    for (position, (name, kind)) in FIELDS.into_iter().enumerate() {
        if flags & (1 << (15 - position)) != 0 {
            let bytes = match kind {
                Kind::Text => reader.short_string()?,
                Kind::Table => reader.long_string()?,
                Kind::Octet => reader.take(1)?,
                Kind::Timestamp => reader.take(8)?,
            };
            fields.push((name, kind, bytes));
        }
    }
    reader.bytes.is_empty().then_some(())
}

/// `None` if a value is malformed, or if there are too many.
fn to_json(fields: &[(&'static str, Kind, &[u8])], values: &mut usize) -> Option<Value> {
    let mut object = Map::new();
    for &(name, kind, bytes) in fields {
        let mut reader = Reader { bytes };
        let value = match kind {
            Kind::Text => std::str::from_utf8(bytes).ok()?.into(),
            Kind::Table => reader.table(MAX_DEPTH, values)?,
            Kind::Octet => u8::from_be_bytes(reader.array()?).into(),
            Kind::Timestamp => u64::from_be_bytes(reader.array()?).into(),
        };
        object.insert(name.to_owned(), value);
    }
    Some(object.into())
}

/// What is left to read. Each method returns `None` if the bytes are not what it reads.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn short_string(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.take(length.into())
    }

    fn long_string(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(length.try_into().ok()?)
    }

    /// Reads the rest as the entries of a table.
    fn table(&mut self, depth: usize, values: &mut usize) -> Option<Value> {
        count(VALUES_PER_TABLE, values)?;
        let mut table = Map::new();
        while !self.bytes.is_empty() {
            let name = std::str::from_utf8(self.short_string()?).ok()?;
            table.insert(name.to_owned(), self.value(depth, values)?);
        }
        Some(table.into())
    }

    /// Reads the rest as the items of an array.
    fn items(&mut self, depth: usize, values: &mut usize) -> Option<Value> {
        let mut items = Vec::new();
        while !self.bytes.is_empty() {
            items.push(self.value(depth, values)?);
        }
        Some(items.into())
    }

    /// Reads a header value as RabbitMQ writes them: `s` is a number, and `L` is signed.
    fn value(&mut self, depth: usize, values: &mut usize) -> Option<Value> {
        count(1, values)?;
        let [kind] = self.array()?;
        Some(match kind {
            b'V' => Value::Null,
            b't' => (self.array()? != [0]).into(),
            b'b' => i8::from_be_bytes(self.array()?).into(),
            b'B' => u8::from_be_bytes(self.array()?).into(),
            b's' | b'U' => i16::from_be_bytes(self.array()?).into(),
            b'u' => u16::from_be_bytes(self.array()?).into(),
            b'I' => i32::from_be_bytes(self.array()?).into(),
            b'i' => u32::from_be_bytes(self.array()?).into(),
            b'l' | b'L' => i64::from_be_bytes(self.array()?).into(),
            b'f' => number(f32::from_be_bytes(self.array()?).into()),
            b'd' => number(f64::from_be_bytes(self.array()?)),
            b'D' => {
                let [scale] = self.array()?;
                json!({ "$decimal": decimal(scale.into(), u32::from_be_bytes(self.array()?)) })
            }
            b'T' => json!({ "$timestamp": u64::from_be_bytes(self.array()?) }),
            b'S' => {
                let bytes = self.long_string()?;
                std::str::from_utf8(bytes).map_or_else(|_| binary(bytes), Value::from)
            }
            b'x' => binary(self.long_string()?),
            b'F' => Reader { bytes: self.long_string()? }.table(depth.checked_sub(1)?, values)?,
            b'A' => Reader { bytes: self.long_string()? }.items(depth.checked_sub(1)?, values)?,
            _ => return None,
        })
    }
}

fn count(more: usize, values: &mut usize) -> Option<()> {
    *values += more;
    (*values <= MAX_VALUES).then_some(())
}

/// JSON has no NaN and no infinity; they become text.
fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

fn binary(bytes: &[u8]) -> Value {
    json!({ "$base64": STANDARD.encode(bytes) })
}

fn decimal(scale: usize, value: u32) -> String {
    let digits = format!("{value:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
pub(crate) mod tests {
    use lapin::BasicProperties;
    use lapin::protocol::basic::gen_properties;
    use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, LongString};
    use proptest::prelude::*;

    use super::*;

    pub(crate) const HEADERS: u16 = 1 << 13;
    pub(crate) const MESSAGE_ID: u16 = 1 << 7;

    fn short(text: &[u8]) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text].concat()
    }

    pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn nested(depth: usize) -> Vec<u8> {
        (1..depth).fold(long(b""), |inner, _| long(&[short(b"k"), vec![b'F'], inner].concat()))
    }

    /// The properties as lapin writes them.
    fn written(properties: &BasicProperties) -> Value {
        read(properties).json
    }

    fn read(properties: &BasicProperties) -> Properties {
        let wire = gen_properties(properties)(Vec::new().into()).unwrap().into_inner().0;
        let (flags, list) = wire.split_first_chunk().unwrap();
        Properties::read(u16::from_be_bytes(*flags), list)
    }

    fn is_raw(flags: u16, list: &[u8]) -> bool {
        Properties::read(flags, list).json.get("$raw").is_some()
    }

    #[test]
    fn every_property_is_kept_and_absent_ones_are_left_out() {
        assert_eq!(written(&BasicProperties::default()), json!({}));
        let all = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_headers(FieldTable::default())
            .with_delivery_mode(2)
            .with_priority(3)
            .with_correlation_id("c".into())
            .with_reply_to("r".into())
            .with_expiration("60000".into())
            .with_message_id("m".into())
            .with_timestamp(u64::MAX)
            .with_type("t".into())
            .with_user_id("guest".into())
            .with_app_id("a".into())
            .with_cluster_id("k".into());
        assert_eq!(
            written(&all),
            json!({
                "content_type": "application/json", "content_encoding": "utf-8", "headers": {}, "delivery_mode": 2,
                "priority": 3, "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m",
                "timestamp": u64::MAX, "type": "t", "user_id": "guest", "app_id": "a", "cluster_id": "k",
            })
        );
    }

    #[test]
    fn a_message_id_in_the_headers_counts_for_mqtt_clients_only() {
        let id = |is_mqtt: bool, property: Option<&str>| {
            let mut headers = FieldTable::default();
            headers.insert("message-id".into(), AMQPValue::LongString("h".into()));
            if is_mqtt {
                headers.insert("x-mqtt-publish-qos".into(), AMQPValue::ShortShortUInt(1));
            }
            let mut properties = BasicProperties::default().with_headers(headers);
            if let Some(property) = property {
                properties = properties.with_message_id(property.into());
            }
            read(&properties).message_id
        };
        assert_eq!(id(true, None), MessageId::new(b"h"));
        assert_eq!(id(true, Some("p")), MessageId::new(b"p"));
        assert_eq!(id(false, None), None);
    }

    #[test]
    fn every_type_of_header_is_kept_without_loss() {
        let mut headers = FieldTable::default();
        let mut inner = FieldTable::default();
        inner.insert("deep".into(), AMQPValue::Void);
        for (name, value) in [
            ("bool", AMQPValue::Boolean(true)),
            ("i8", AMQPValue::ShortShortInt(-1)),
            ("u8", AMQPValue::ShortShortUInt(255)),
            ("i16", AMQPValue::ShortInt(-2)),
            ("u16", AMQPValue::ShortUInt(65_535)),
            ("i32", AMQPValue::LongInt(-3)),
            ("u32", AMQPValue::LongUInt(u32::MAX)),
            ("i64", AMQPValue::LongLongInt(i64::MIN)),
            ("f32", AMQPValue::Float(0.5)),
            ("f64", AMQPValue::Double(0.1)),
            ("nan", AMQPValue::Double(f64::NAN)),
            ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 5 })),
            ("whole", AMQPValue::DecimalValue(DecimalValue { scale: 0, value: 5 })),
            ("text", AMQPValue::LongString("é".into())),
            ("binary", AMQPValue::LongString(LongString::from(vec![0xff, 0]))),
            ("bytes", AMQPValue::ByteArray(ByteArray::from(vec![1, 2, 3]))),
            ("time", AMQPValue::Timestamp(7)),
            ("list", AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongInt(1), AMQPValue::Void]))),
            ("table", AMQPValue::FieldTable(inner)),
        ] {
            headers.insert(name.into(), value);
        }
        assert_eq!(
            written(&BasicProperties::default().with_headers(headers)),
            json!({ "headers": {
                "bool": true, "i8": -1, "u8": 255, "i16": -2, "u16": 65_535, "i32": -3, "u32": u32::MAX,
                "i64": i64::MIN, "f32": 0.5, "f64": 0.1, "nan": "NaN",
                "decimal": { "$decimal": "0.05" }, "whole": { "$decimal": "5" }, "text": "é",
                "binary": { "$base64": "/wA=" }, "bytes": { "$base64": "AQID" }, "time": { "$timestamp": 7 },
                "list": [1, null], "table": { "deep": null },
            }})
        );
        for (value, read) in [(&b"U\xff\xff"[..], -1), (b"L\xff\xff\xff\xff\xff\xff\xff\xff", -1)] {
            let table = long(&[short(b"k"), value.to_vec()].concat());
            assert_eq!(Properties::read(HEADERS, &table).json, json!({ "headers": { "k": read } }));
        }
    }

    #[test]
    fn unreadable_properties_are_kept_byte_for_byte() {
        for (flags, list) in [
            (MESSAGE_ID, short(b"\xff\xfe")),
            (HEADERS, long(&[short(b"\xff"), b"V".to_vec()].concat())),
            (HEADERS, long(b"\x01kz")),
            (HEADERS, nested(1_000)),
            (HEADERS, nested(MAX_DEPTH + 2)),
            (MESSAGE_ID, b"\x05id".to_vec()),
            (MESSAGE_ID, [short(b"id"), b"more".to_vec()].concat()),
        ] {
            let raw = json!({ "$raw": { "flags": flags, "list": { "$base64": STANDARD.encode(&list) } } });
            assert_eq!(Properties::read(flags, &list).json, raw);
        }
        assert!(!is_raw(HEADERS, &nested(MAX_DEPTH + 1)));
    }

    #[test]
    fn headers_of_very_many_values_are_not_read() {
        let list = |values: usize| long(&[short(b"k"), b"A".to_vec(), long(&vec![b'V'; values])].concat());
        let most = MAX_VALUES - VALUES_PER_TABLE - 1;
        assert!(!is_raw(HEADERS, &list(most)) && is_raw(HEADERS, &list(most + 1)));
        let tables = |number: usize| {
            let tables = [b"F".to_vec(), long(b"")].concat().repeat(number);
            long(&[short(b"k"), b"A".to_vec(), long(&tables)].concat())
        };
        assert!(!is_raw(HEADERS, &tables(180)) && is_raw(HEADERS, &tables(200)));
    }

    #[test]
    fn their_memory_is_counted() {
        let bytes = |flags, list: &[u8]| Properties::read(flags, list).bytes;
        let text = long(&[short(b"k"), b"S".to_vec(), long(&[b'x'; 100_000])].concat());
        assert!((100_000..102_000).contains(&bytes(HEADERS, &text)));
        let values = long(&[short(b"k"), b"A".to_vec(), long(&[b'V'; 1_000])].concat());
        assert!(bytes(HEADERS, &values) > 1_000 * size_of::<Value>());
        assert!(bytes(MESSAGE_ID, &short(b"id")) < 10);
        assert!(bytes(HEADERS, &nested(1_000)) > 2_000);
    }

    #[test]
    fn a_message_id_of_any_bytes_is_found_behind_any_headers() {
        let list = [short(b"t"), nested(1_000), vec![2], short(b"\xff\xfe"), short(b"user")].concat();
        let flags = 1 << 15 | HEADERS | 1 << 12 | MESSAGE_ID | 1 << 4;
        let properties = Properties::read(flags, &list);
        assert_eq!(properties.message_id, MessageId::new(b"\xff\xfe"));
        assert_eq!(properties.publisher.unwrap().as_str(), "user");
        assert_eq!(Properties::read(HEADERS, &list).message_id, None);
        assert_eq!(Properties::read(MESSAGE_ID, b"\x09id").message_id, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_kept(flags: u16, list in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Properties::read(flags, &list).json.is_object());
        }
    }
}
