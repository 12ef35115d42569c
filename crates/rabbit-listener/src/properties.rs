//! AMQP properties as JSON, so that a rejected message can be shown and nothing of it is lost.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, DecimalValue, FieldTable, ShortString};
use serde_json::{Map, Value, json};

use crate::raw_properties::RawProperties;

/// The properties that are there, by their names with `_` for `-`. Binary values, which JSON has not, become
/// `{"$base64": "…"}`, decimals `{"$decimal": "1.23"}`, and times in headers `{"$timestamp": seconds}`.
pub(crate) fn to_json(properties: &BasicProperties) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    let text = |value: &Option<ShortString>| value.as_ref().map(|text| text.as_str().into());
    put("content_type", text(properties.content_type()));
    put("content_encoding", text(properties.content_encoding()));
    put("headers", properties.headers().as_ref().map(table));
    put("delivery_mode", properties.delivery_mode().map(Value::from));
    put("priority", properties.priority().map(Value::from));
    put("correlation_id", text(properties.correlation_id()));
    put("reply_to", text(properties.reply_to()));
    put("expiration", text(properties.expiration()));
    put("message_id", text(properties.message_id()));
    put("timestamp", properties.timestamp().map(Value::from));
    put("type", text(properties.kind()));
    put("user_id", text(properties.user_id()));
    put("app_id", text(properties.app_id()));
    put("cluster_id", text(properties.cluster_id()));
    Value::Object(object)
}

/// Properties that no one can read, byte for byte as they stood on the wire: the flags that say which ones there
/// are, and all of them in a row (AMQP 0-9-1, §4.2.6.1).
pub(crate) fn raw_to_json(raw: &RawProperties) -> Value {
    json!({ "$raw": { "flags": raw.flags, "list": binary(&raw.list) } })
}

fn table(table: &FieldTable) -> Value {
    table.into_iter().map(|(name, value)| (name.to_string(), header(value))).collect::<Map<_, _>>().into()
}

fn header(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Float(value) => number((*value).into()),
        AMQPValue::Double(value) => number(*value),
        AMQPValue::DecimalValue(value) => json!({ "$decimal": decimal(*value) }),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => text.into(),
            Err(_) => binary(text.as_bytes()),
        },
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(header).collect(),
        AMQPValue::Timestamp(seconds) => json!({ "$timestamp": seconds }),
        AMQPValue::FieldTable(inner) => table(inner),
        AMQPValue::ByteArray(bytes) => binary(bytes.as_slice()),
        AMQPValue::Void => Value::Null,
    }
}

/// JSON has no NaN and no infinity; they become text.
fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

fn binary(bytes: &[u8]) -> Value {
    json!({ "$base64": STANDARD.encode(bytes) })
}

fn decimal(DecimalValue { scale, value }: DecimalValue) -> String {
    let scale = usize::from(scale);
    let digits = format!("{value:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use lapin::types::{ByteArray, FieldArray, LongString};

    use super::*;

    #[test]
    fn every_property_is_kept_and_absent_ones_are_left_out() {
        assert_eq!(to_json(&BasicProperties::default()), json!({}));
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
            to_json(&all),
            json!({
                "content_type": "application/json", "content_encoding": "utf-8", "headers": {}, "delivery_mode": 2,
                "priority": 3, "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m",
                "timestamp": u64::MAX, "type": "t", "user_id": "guest", "app_id": "a", "cluster_id": "k",
            })
        );
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
            to_json(&BasicProperties::default().with_headers(headers)),
            json!({ "headers": {
                "bool": true, "i8": -1, "u8": 255, "i64": i64::MIN, "f32": 0.5, "f64": 0.1, "nan": "NaN",
                "decimal": { "$decimal": "0.05" }, "whole": { "$decimal": "5" }, "text": "é",
                "binary": { "$base64": "/wA=" }, "bytes": { "$base64": "AQID" }, "time": { "$timestamp": 7 },
                "list": [1, null], "table": { "deep": null },
            }})
        );
    }

    #[test]
    fn unreadable_properties_are_kept_byte_for_byte() {
        let raw = RawProperties { flags: 128, list: vec![1, 0xff].into() };
        assert_eq!(raw_to_json(&raw), json!({ "$raw": { "flags": 128, "list": { "$base64": "Af8=" } } }));
    }
}
