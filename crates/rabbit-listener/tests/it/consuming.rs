use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use mymonit_rabbit_listener::RabbitConfiguration;
use mymonit_services::message::RejectionReason;
use mymonit_test_support::RabbitMq;
use serde_json::json;

use crate::broker::{Adapter, measure, measures, until_counted};
use crate::harness::{NEVER, Running, configuration};
use crate::ingest::{Database, ScriptedIngest, rejection, value};
use crate::raw::{HEADERS, MESSAGE_ID, RawPublisher, long, nested_table, short};

#[tokio::test]
async fn a_lone_message_is_written_when_its_linger_has_passed() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let running = Running::consuming(configuration(&url), &ingest).await?;
    for number in 1..=3 {
        adapter.publish([u64::try_from(number)?]).await?;
        ingest.messages(number).await?;
    }
    assert_eq!(ingest.batches().len(), 3);
    assert_eq!(ingest.values(), [1, 2, 3]);
    running.stop().await
}

#[tokio::test]
async fn a_batch_is_written_when_it_is_full() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish(0..25).await?;
    let configuration = RabbitConfiguration { batch_size: 10, linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.messages(20).await?;
    let sizes: Vec<_> = ingest.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10]);
    running.received(25).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), (0..25).collect::<Vec<_>>(), "the batch in hand is written when it stops");
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_batch_is_full_by_its_measures_too() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    for value in 1..=3 {
        adapter.publish_body(measures(value, 6_000).as_bytes(), BasicProperties::default()).await?;
    }
    let configuration = RabbitConfiguration { linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    assert_eq!(ingest.messages(2).await?.iter().map(value).collect::<Vec<_>>(), [1, 2]);
    running.received(3).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), [1, 2, 3]);
    Ok(())
}

#[tokio::test]
async fn a_backlog_is_written_in_order_and_nothing_twice() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish(0..20_000).await?;
    let configuration = RabbitConfiguration { batch_size: 300, prefetch: 1_000, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.messages(20_000).await?;
    let counters = running.counters.clone();
    running.stop().await?;
    assert_eq!(ingest.values(), (0..20_000).collect::<Vec<_>>());
    assert_eq!((counters.received(), counters.stored(), counters.rejected()), (20_000, 20_000, 0));
    adapter.until_ready(0).await
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_committed() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish(0..30).await?;
    ingest.database(Database::Hangs);
    let configuration = RabbitConfiguration { batch_size: 10, ..configuration(&url) };
    let running = Running::consuming(configuration.clone(), &ingest).await?;
    ingest.called(1).await?;
    until_counted(rabbit, &url, 30, 0).await?;
    running.crash().await;
    adapter.until_ready(30).await?;

    let ingest = ScriptedIngest::new();
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.messages(30).await?;
    until_counted(rabbit, &url, 0, 0).await?;
    assert_eq!(ingest.values(), (0..30).collect::<Vec<_>>());
    running.stop().await
}

#[tokio::test]
async fn the_prefetch_bounds_what_is_in_memory() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish(0..500).await?;
    ingest.database(Database::Hangs);
    let configuration = RabbitConfiguration { prefetch: 40, batch_size: 1_000, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.called(1).await?;
    until_counted(rabbit, &url, 40, 460).await?;
    assert_eq!(running.counters.received(), 40);
    ingest.database(Database::Works);
    ingest.messages(500).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), (0..500).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn rejected_messages_are_kept_whole_and_consumption_continues() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let configuration = RabbitConfiguration { max_message_bytes: 2_000_000, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    let long = measures(1, 30_000);
    let many = measures(2, 10_001);
    let bodies = [long.as_str(), many.as_str(), "not JSON, \"value\":3,", &measure(4)];
    for body in bodies {
        adapter.publish_body(body.as_bytes(), BasicProperties::default()).await?;
    }
    let messages = ingest.messages(4).await?;
    for (message, body) in messages.iter().zip(bodies) {
        assert_eq!(message.body, body.as_bytes());
    }
    assert_eq!(rejection(&messages[0]).reason, RejectionReason::TooLarge);
    assert!(rejection(&messages[0]).detail.contains("2000000"));
    assert_eq!(rejection(&messages[1]).reason, RejectionReason::TooLarge);
    assert!(rejection(&messages[1]).detail.contains("10001"));
    assert_eq!(rejection(&messages[2]).reason, RejectionReason::MalformedJson);
    assert!(messages[3].decoded.is_ok());
    let counters = running.counters.clone();
    running.stop().await?;
    assert_eq!((counters.stored(), counters.rejected()), (1, 3));
    adapter.until_ready(0).await
}

#[tokio::test]
async fn the_properties_of_a_message_are_kept_whole() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let running = Running::consuming(configuration(&url), &ingest).await?;
    let mut headers = FieldTable::default();
    headers.insert("site".into(), AMQPValue::LongString("Genève".into()));
    headers.insert("key".into(), AMQPValue::LongString(vec![0xff].into()));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_message_id("measure-1".into())
        .with_timestamp(1_650_000_000)
        .with_user_id("guest".into())
        .with_type("vibration".into());
    adapter.publish_body(measure(1).as_bytes(), properties).await?;
    adapter.publish_body(measure(2).as_bytes(), BasicProperties::default()).await?;
    let messages = ingest.messages(2).await?;
    assert_eq!(messages[0].message_id.as_ref().unwrap().as_bytes(), b"measure-1");
    assert_eq!(
        messages[0].properties,
        json!({
            "headers": { "site": "Genève", "key": { "$base64": "/w==" } }, "message_id": "measure-1",
            "timestamp": 1_650_000_000, "user_id": "guest", "type": "vibration",
        })
    );
    assert_eq!((&messages[1].message_id, &messages[1].properties), (&None, &json!({})));
    running.stop().await
}

/// lapin alone closes the connection at the first of these and crashes at the second.
#[tokio::test]
async fn properties_of_any_bytes_and_any_depth_block_nothing() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let vhost = url.rsplit('/').next().unwrap();
    let mut raw = RawPublisher::connect(rabbit.port(), vhost).await?;
    let foreign_key = long(&[short(b"\xe9"), b"V".to_vec()].concat());
    raw.publish(MESSAGE_ID, &short(b"\xff\xfe"), measure(1).as_bytes()).await?;
    raw.publish(HEADERS, &nested_table(10_000), measure(2).as_bytes()).await?;
    raw.publish(HEADERS | MESSAGE_ID, &[foreign_key, short(b"id")].concat(), measure(3).as_bytes()).await?;
    adapter.publish([4]).await?;
    let running = Running::consuming(configuration(&url), &ingest).await?;
    let messages = ingest.messages(4).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), [1, 2, 3, 4]);
    assert!(messages.iter().all(|message| message.decoded.is_ok()));
    let ids: Vec<_> =
        messages.iter().map(|message| message.message_id.as_ref().map(|id| id.as_bytes())).collect();
    assert_eq!(ids, [Some(&b"\xff\xfe"[..]), None, Some(b"id"), None]);
    assert_eq!(
        messages[0].properties,
        json!({ "$raw": { "flags": MESSAGE_ID, "list": { "$base64": "Av/+" } } })
    );
    assert_eq!(messages[3].properties, json!({ "delivery_mode": 2 }));
    adapter.until_ready(0).await
}

/// The values of such a table would take a hundred times as much memory as its bytes.
#[tokio::test]
async fn headers_of_very_many_values_are_kept_as_they_stood_on_the_wire() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let mut raw = RawPublisher::connect(rabbit.port(), url.rsplit('/').next().unwrap()).await?;
    let headers = long(&[short(b"k"), b"A".to_vec(), long(&[b'V'; 120_000])].concat());
    raw.publish(HEADERS | MESSAGE_ID, &[headers.clone(), short(b"id")].concat(), measure(1).as_bytes())
        .await?;
    adapter.publish([2]).await?;
    let running = Running::consuming(configuration(&url), &ingest).await?;
    let messages = ingest.messages(2).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), [1, 2]);
    assert_eq!(messages[0].message_id.as_ref().unwrap().as_bytes(), b"id");
    let kept = messages[0].properties["$raw"]["list"]["$base64"].as_str().unwrap();
    assert_eq!(STANDARD.decode(kept)?, [headers, short(b"id")].concat());
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_prefetch_smaller_than_the_batch_fills_batches_of_its_own_size() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish(0..40).await?;
    let configuration =
        RabbitConfiguration { prefetch: 10, batch_size: 100, linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.messages(40).await?;
    assert!(ingest.batches().iter().all(|batch| batch.len() == 10));
    running.stop().await
}

#[tokio::test]
async fn two_listeners_share_a_queue() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let configuration = RabbitConfiguration { prefetch: 100, batch_size: 50, ..configuration(&url) };
    let one = Running::consuming(configuration.clone(), &ingest).await?;
    let other = Running::consuming(configuration, &ingest).await?;
    adapter.publish(0..5_000).await?;
    ingest.messages(5_000).await?;
    assert!(one.counters.received() > 0 && other.counters.received() > 0);
    one.stop().await?;
    other.stop().await?;
    let mut values = ingest.values();
    values.sort_unstable();
    assert_eq!(values, (0..5_000).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_message_of_many_megabytes_keeps_its_place() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish([1]).await?;
    let body = format!("{}{}", measures(2, 10_000), " ".repeat(8 << 20));
    adapter.publish_body(body.as_bytes(), BasicProperties::default()).await?;
    adapter.publish([3]).await?;
    let configuration = RabbitConfiguration {
        linger: Duration::from_millis(1),
        max_message_bytes: 16 << 20,
        ..configuration(&url)
    };
    let running = Running::consuming(configuration, &ingest).await?;
    let messages = ingest.messages(3).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), [1, 2, 3]);
    assert_eq!(messages[1].body, body.as_bytes());
    assert_eq!(messages[1].decoded.as_ref().unwrap().measures.len(), 10_000);
    Ok(())
}
