//! Each message that breaks the contract is kept unchanged with its reason, and blocks no others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use mymonit_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::environment::{
    ADMIN, Client, Engine, OTHER_SCIENTIST, SCIENTIST, TestEnvironment, message, on_every_engine,
};

on_every_engine!(
    every_bad_message_is_kept_whole_with_its_reason_and_holds_nothing_up,
    a_redelivered_bad_message_is_kept_once,
    a_message_that_comes_again_after_its_experiment_was_added_is_stored_and_no_longer_rejected,
    messages_up_to_the_limits_are_stored,
);

/// The default of `RABBIT_MAX_MESSAGE_BYTES`.
const MAX_BYTES: usize = 4 << 20;
const GOOD: &str =
    r#"{"experiment":"device-vibrations","measure":"hertz","value":2.2,"timestamp":1650000000}"#;

/// A message that can never be stored, the reason code, and what the detail must name.
struct Bad {
    body: Vec<u8>,
    reason: &'static str,
    names: String,
}

fn bad(body: impl Into<Vec<u8>>, reason: &'static str, names: impl Into<String>) -> Bad {
    Bad { body: body.into(), reason, names: names.into() }
}

fn bad_messages() -> Vec<Bad> {
    let mut messages = vec![
        bad("", "empty", "body"),
        bad(" \r\n\t", "empty", "body"),
        bad("[]", "empty", "array"),
        bad(" [ ] ", "empty", "array"),
        bad(vec![b' '; MAX_BYTES + 1], "too_large", MAX_BYTES.to_string()),
        bad(format!("{GOOD}{}", " ".repeat(MAX_BYTES)), "too_large", MAX_BYTES.to_string()),
        bad(format!("[{}]", vec![GOOD; 10_001].join(",")), "too_large", "10000"),
        bad(GOOD.replace("device-vibrations", "dark-matter"), "unknown_experiment", "`experiment`"),
        bad(GOOD.replace("device", "Device"), "unknown_experiment", "`experiment`"),
        bad(GOOD.replace("hertz", "furlong"), "unknown_measure_type", "`measure`"),
        bad(GOOD.replace("hertz", "Hertz"), "unknown_measure_type", "`measure`"),
        bad(format!("[{GOOD},{}]", GOOD.replace("hertz", "HZ")), "unknown_measure_type", "measure 1"),
        bad(format!("[{GOOD},{GOOD},{}]", GOOD.replace("2.2", "null")), "invalid_value", "measure 2"),
    ];
    messages.extend(not_json().into_iter().map(|body| bad(body, "malformed_json", "")));
    messages.extend(missing_fields());
    messages.extend(wrong_fields());
    messages
}

fn not_json() -> Vec<Vec<u8>> {
    let texts = [
        "x",
        "{",
        "[",
        "}",
        "5",
        "null",
        "true",
        "\"text\"",
        "[1]",
        "[[]]",
        "[null]",
        "{}{}",
        "{'experiment':1}",
        "\u{feff}{}",
        "experiment=device-vibrations&value=1",
        "<measure/>",
    ];
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bodies.extend([
        format!("{GOOD}x").into_bytes(),
        format!("[{GOOD},]").into_bytes(),
        GOOD.as_bytes()[..GOOD.len() - 1].to_vec(),
        GOOD.replace("2.2", "NaN").into_bytes(),
        GOOD.replace("2.2", "Infinity").into_bytes(),
        GOOD.replace("2.2", "02.2").into_bytes(),
        GOOD.replace("2.2", "2.2,").into_bytes(),
        GOOD.replace("2.2", "2.2,\"value\":2.2").into_bytes(),
        GOOD.replace("hertz", "her\ntz").into_bytes(),
        "[".repeat(100_000).into_bytes(),
        vec![0; 100],
        (0..=255).collect(),
        b"{\"experiment\":\"\xff\xfe\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
    ]);
    bodies
}

fn missing_fields() -> Vec<Bad> {
    let fields = ["experiment", "measure", "value", "timestamp"];
    let without = |field: &&'static str| {
        let mut object: Map<String, Value> = serde_json::from_str(GOOD).unwrap();
        object.remove(*field).unwrap();
        bad(serde_json::to_vec(&object).unwrap(), "missing_field", format!("`{field}`"))
    };
    let mut messages: Vec<_> = fields.iter().map(without).collect();
    messages.push(bad("{}", "missing_field", "`experiment`"));
    messages.push(bad(r#"{"Experiment":"device-vibrations"}"#, "missing_field", "`experiment`"));
    messages.push(bad(format!("[{GOOD},{{}}]"), "missing_field", "measure 1"));
    messages
}

fn wrong_fields() -> Vec<Bad> {
    let long = format!("\"{}\"", "é".repeat(256));
    // Of a wrong type, blank, with control characters, no Unicode, too long.
    let texts = [
        "null",
        "1",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#"" ""#,
        r#""\u2003""#,
        r#""a\u0000b""#,
        r#""a\nb""#,
        r#""a\u007fb""#,
        r#""a\u0085b""#,
        r#""\ud800""#,
        &long,
    ];
    let values = ["null", "true", "[]", "{}", "\"2.2\"", "\"\"", "1e400", "-1e400"];
    let times = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\" \"",
        "\"1650000000\"",
        "\"2022-04-06\"",
        "\"yesterday\"",
        "\"2022-04-06T07:00:00\"",
        "\"2022-13-06T07:00:00Z\"",
        r#""2022-04-06T07:00:00Z\u0000""#,
        "-1",
        "-0.5",
        "1e99",
        "9223372037",
        "\"1969-12-31T23:59:59Z\"",
        "\"2263-01-01T00:00:00Z\"",
    ];
    let fields: [(&str, &str, &[&str], &'static str); 4] = [
        ("experiment", "\"device-vibrations\"", &texts, "invalid_value"),
        ("measure", "\"hertz\"", &texts, "invalid_value"),
        ("value", "2.2", &values, "invalid_value"),
        ("timestamp", "1650000000", &times, "invalid_timestamp"),
    ];
    let mut messages = Vec::new();
    for (field, good, wrong, reason) in fields {
        let with = |wrong: &&str| bad(GOOD.replace(good, wrong), reason, format!("`{field}`"));
        messages.extend(wrong.iter().map(with));
    }
    messages
}

/// Properties that distinguish the messages: every second one has an id, and one has all
/// properties.
fn properties(number: usize) -> BasicProperties {
    let properties = BasicProperties::default();
    match number {
        0 => {
            let mut headers = FieldTable::default();
            headers.insert("adapter".into(), AMQPValue::LongString("Ångström".into()));
            headers.insert("attempt".into(), AMQPValue::LongInt(3));
            properties
                .with_content_type("application/json".into())
                .with_content_encoding("utf-8".into())
                .with_headers(headers)
                .with_priority(4)
                .with_correlation_id("correlation".into())
                .with_reply_to("nobody".into())
                .with_message_id("bad 0".into())
                .with_timestamp(1_650_000_000)
                .with_type("measure".into())
                .with_app_id("vibration-lab".into())
        }
        _ if number.is_multiple_of(2) => {
            properties.with_message_id(ShortString::from(format!("bad {number}")))
        }
        _ => properties,
    }
}

fn expected_properties(number: usize) -> Value {
    match number {
        0 => json!({
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {"adapter": "Ångström", "attempt": 3},
            "delivery_mode": 2,
            "priority": 4,
            "correlation_id": "correlation",
            "reply_to": "nobody",
            "message_id": "bad 0",
            "timestamp": 1_650_000_000,
            "type": "measure",
            "app_id": "vibration-lab",
        }),
        _ if number.is_multiple_of(2) => json!({"delivery_mode": 2, "message_id": format!("bad {number}")}),
        _ => json!({"delivery_mode": 2}),
    }
}

/// The rejected messages with their bodies, as an administrator reads them, in the order of their
/// arrival.
async fn kept_messages(administrator: &Client) -> Vec<(Value, Vec<u8>)> {
    let list = administrator.read("/rejected-messages/").await.unwrap();
    let mut kept = Vec::new();
    for listed in list.as_array().unwrap().iter().rev() {
        let mut shown = administrator.read(&format!("/rejected-messages/{}", listed["id"])).await.unwrap();
        let fields = shown.as_object_mut().unwrap();
        let body = fields.remove("body").unwrap();
        let body = body.as_str().unwrap();
        let body = match fields.remove("body_encoding").unwrap().as_str().unwrap() {
            "utf-8" => body.as_bytes().to_vec(),
            "base64" => STANDARD.decode(body).unwrap(),
            other => panic!("the body is in {other}"),
        };
        assert_eq!(&shown, listed);
        kept.push((shown, body));
    }
    kept
}

async fn every_bad_message_is_kept_whole_with_its_reason_and_holds_nothing_up(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let begin = Timestamp::now();
    let bad_messages = bad_messages();
    // A good message follows each bad one.
    let all = bad_messages.iter().enumerate().flat_map(|(number, bad)| {
        let value = f64::from(u32::try_from(number).unwrap());
        let good = message("black-holes", "hertz", value, 1_700_000_000);
        [(bad.body.clone(), properties(number)), (good, BasicProperties::default())]
    });
    environment.adapter().await.unwrap().publish_with(all).await.unwrap();
    environment.wait_until_all_is_acknowledged().await;

    let scientist = environment.client(&service, OTHER_SCIENTIST);
    let measures = scientist.measures("/measures/2?order=asc").await.unwrap();
    let values: Vec<_> = measures.iter().map(|measure| measure["value"].as_f64().unwrap()).collect();
    let expected: Vec<_> = (0..u32::try_from(bad_messages.len()).unwrap()).map(f64::from).collect();
    assert_eq!(values, expected, "every good message has arrived");
    // An array with one bad element is not stored in part.
    assert_eq!(environment.client(&service, SCIENTIST).measures("/measures/1").await.unwrap().len(), 10);

    let end = Timestamp::now();
    let kept = kept_messages(&environment.client(&service, ADMIN)).await;
    let mut wrong = Vec::new();
    for (number, (bad, (kept, body))) in bad_messages.iter().zip(&kept).enumerate() {
        let beginning = String::from_utf8_lossy(&bad.body[..bad.body.len().min(100)]);
        let mut check = |what: &str, holds: bool| {
            if !holds {
                wrong.push(format!("{number}: {beginning:?}: {what}; kept as {kept}"));
            }
        };
        check("the reason", kept["reason"] == bad.reason);
        let detail = kept["detail"].as_str().unwrap();
        check("the detail", detail.contains(&bad.names) && !detail.is_empty());
        check("the body", *body == bad.body);
        check("the size", kept["size"] == bad.body.len());
        check("the properties", kept["properties"] == expected_properties(number));
        let message_id = number.is_multiple_of(2).then(|| format!("bad {number}"));
        check("the message id", kept["message_id"] == json!(message_id));
        let received_at: Timestamp = kept["received_at"].as_str().unwrap().parse().unwrap();
        check("the time", (begin..=end).contains(&received_at));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(kept.len(), bad_messages.len());
}

async fn a_redelivered_bad_message_is_kept_once(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    for _ in 0..3 {
        adapter.publish(b"{", Some("the one")).await.unwrap();
        adapter.publish(b"{", None).await.unwrap();
    }
    environment.wait_until_all_is_acknowledged().await;
    service.stop().await.unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    adapter.publish(b"{", Some("the one")).await.unwrap();
    environment.wait_until_all_is_acknowledged().await;
    let kept = kept_messages(&environment.client(&service, ADMIN)).await;
    let ids: Vec<_> = kept.iter().map(|(message, _)| &message["message_id"]).collect();
    // Without an id duplicates cannot be detected, so each is kept.
    assert_eq!(ids.iter().filter(|id| id.is_null()).count(), 3, "{ids:?}");
    assert_eq!(ids.iter().filter(|id| **id == "the one").count(), 1, "{ids:?}");
}

async fn a_message_that_comes_again_after_its_experiment_was_added_is_stored_and_no_longer_rejected(
    engine: Engine,
) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let early = message("dark-matter", "hertz", 1.0, 1);
    adapter.publish(&early, Some("early")).await.unwrap();
    environment.wait_until_all_is_acknowledged().await;
    assert_eq!(kept_messages(&administrator).await.len(), 1);

    let experiment = administrator.add_experiment("dark-matter").await.unwrap();
    administrator.associate(experiment, "S001").await.unwrap();
    for _ in 0..2 {
        adapter.publish(&early, Some("early")).await.unwrap();
        environment.wait_until_all_is_acknowledged().await;
        let path = format!("/measures/{experiment}");
        assert_eq!(environment.client(&service, SCIENTIST).measures(&path).await.unwrap().len(), 1);
        assert_eq!(kept_messages(&administrator).await.len(), 0);
    }
}

async fn messages_up_to_the_limits_are_stored(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    let name = "é".repeat(255);
    let administrator = environment.client(&service, ADMIN);
    let experiment = administrator.add_experiment(&name).await.unwrap();
    administrator.associate(experiment, "S001").await.unwrap();
    let longest_name = GOOD.replace("device-vibrations", &name);
    let largest = format!("{longest_name}{}", " ".repeat(MAX_BYTES - longest_name.len()));
    let most = format!("[{}]", vec![GOOD.replace("device-vibrations", "black-holes"); 10_000].join(","));
    let longest_id = "i".repeat(255);
    adapter.publish(largest.as_bytes(), Some(&longest_id)).await.unwrap();
    adapter.publish(largest.as_bytes(), Some(&longest_id)).await.unwrap();
    adapter.publish(most.as_bytes(), None).await.unwrap();
    environment.wait_until_all_is_acknowledged().await;

    let measures =
        environment.client(&service, SCIENTIST).measures(&format!("/measures/{experiment}")).await.unwrap();
    assert_eq!((measures.len(), &measures[0]["experiment"]), (1, &json!(name)));
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    assert_eq!(scientist.measures("/measures/2").await.unwrap().len(), 10_000);
    assert_eq!(kept_messages(&administrator).await.len(), 0);
}
