use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Consumer};
use mymonit_model::Faceted;
use mymonit_rabbit_listener::{RabbitConfiguration, compose_uri};
use mymonit_test_support::{RabbitMq, wait_until};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::broker::{Adapter, until_counted};
use crate::harness::{Running, TIMEOUT, configuration};
use crate::ingest::ScriptedIngest;
use crate::log::Log;

/// RabbitMQ's pseudo-queue for direct replies.
const DIRECT: &str = "amq.rabbitmq.reply-to";

/// A measure of an experiment without a name.
fn bad(value: u64) -> String {
    format!(r#"{{"experiment":"","measure":"hertz","value":{value},"timestamp":1650000000}}"#)
}

fn asking(reply_to: &str, number: u64) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(format!("m{number}").into())
        .with_correlation_id(format!("c{number}").into())
        .with_reply_to(reply_to.into())
}

async fn consume(adapter: &Adapter, queue: &str) -> anyhow::Result<Consumer> {
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    Ok(adapter.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// The next reply, with its correlation id.
async fn reply(consumer: &mut Consumer) -> anyhow::Result<(Option<String>, Value)> {
    let delivery = timeout(TIMEOUT, consumer.next()).await?.unwrap()?;
    let id = delivery.properties.correlation_id().as_ref().map(ToString::to_string);
    Ok((id, serde_json::from_slice(&delivery.data)?))
}

#[tokio::test]
async fn a_publisher_gets_a_reply_to_a_rejected_message() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let running = Running::consuming(configuration(&url), &ingest).await?;
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let named = adapter.channel.queue_declare("".into(), options, FieldTable::default()).await?;
    for queue in [DIRECT, named.name().as_str()] {
        let mut replies = consume(&adapter, queue).await?;
        adapter.publish_body(bad(1).as_bytes(), asking(queue, 1)).await?;
        let told = reply(&mut replies).await?;
        let detail = "`experiment` must not be blank";
        let body = json!({ "message_id": "m1", "reason": "invalid_value", "detail": detail });
        assert_eq!(told, (Some("c1".to_owned()), body));
        assert_eq!(ingest.values().last(), Some(&1), "the message is committed before the reply");
        adapter.channel.basic_cancel(replies.tag(), Default::default()).await?;
    }
    let counters = running.counters.clone();
    running.stop().await?;
    assert_eq!((counters.replies_sent(), counters.replies_dropped()), (2, 0));
    Ok(())
}

#[tokio::test]
async fn other_reply_queues_are_ignored_and_invalid_tokens_are_harmless() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let log = Log::capture();
    let options = QueueDeclareOptions::default();
    adapter.channel.queue_declare("others".into(), options, FieldTable::default()).await?;
    let running = Running::consuming(configuration(&url), &ingest).await?;
    let mut replies = consume(&adapter, DIRECT).await?;
    let hostile = [
        "measures",
        "others",
        "amq.gen-unknown",
        "amq.rabbitmq.reply-to.x",
        "amq.rabbitmq.reply-to.x.y",
        "amq.rabbitmq.reply-to.g1h2AA==.AAAA",
        "amq.rabbitmq.reply-to.g2gCdwJva3cBYQ==.AAAA",
        "amq.rabbitmq.reply-to.%00%00.%",
        // Well-formed, but without consumer.
        "amq.rabbitmq.reply-to.g1h2AAtnZW5lcmF0ZWRAMQAAAAEAAAACAAAAAw==.aWsf9pYvwwFRtLSRXdVIzA==",
    ];
    for (number, name) in (2..).zip(hostile) {
        adapter.publish_body(bad(number).as_bytes(), asking(name, number)).await?;
        ingest.has_all([number]).await?;
    }
    adapter.publish_body(bad(1).as_bytes(), asking(DIRECT, 1)).await?;
    assert_eq!(reply(&mut replies).await?.0.as_deref(), Some("c1"));
    until_counted(rabbit, &url, 0, 0).await?;
    let vhost = url.rsplit('/').next().unwrap();
    assert_eq!(rabbit.queue(vhost, "others").await?.ready, 0);
    let counters = running.counters.clone();
    running.stop().await?;
    // RabbitMQ 3.10 ends the connection at a name of an unknown node.
    let (sent, dropped) = (counters.replies_sent(), counters.replies_dropped());
    assert!(sent >= 2 && sent + dropped == 3, "{sent} {dropped}");
    assert_eq!(counters.received(), 10, "no reply comes back as a message");
    assert_eq!(log.lines().iter().filter(|line| line.contains("WARN")).count(), 0, "{:#?}", log.lines());
    Ok(())
}

#[tokio::test]
async fn an_account_that_may_not_reply_keeps_consuming_and_warns_once() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let vhost = url.rsplit('/').next().unwrap();
    let user = format!("silent-{vhost}");
    rabbit.ctl(&["add_user", &user, "secret"]).await?;
    let permit = async |write| {
        let read = "^(mymonit|measures)$";
        rabbit.ctl(&["set_permissions", "-p", vhost, &user, read, write, read]).await
    };
    permit("^measures$").await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let mut replies = consume(&adapter, DIRECT).await?;
    let address = format!("amqp://127.0.0.1:{}/{vhost}", rabbit.port());
    let uri = compose_uri(&address, &user, &Faceted::new("secret".to_owned()))?;
    let log = Log::capture();
    let running = Running::consuming(RabbitConfiguration::new(uri.clone()), &ingest).await?;
    for number in 1..=20 {
        adapter.publish_body(bad(number).as_bytes(), asking(DIRECT, number)).await?;
        ingest.has_all([number]).await?;
    }
    log.says(&["WARN", "refuses replies to publishers", "403", "amq.default"]).await?;
    until_counted(rabbit, &url, 0, 0).await?;
    let counters = running.counters.clone();
    running.stop().await?;
    let lines = log.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("replies")).count(), 1, "{lines:#?}");
    assert!(!lines.join("\n").contains("secret"));
    assert_eq!((counters.replies_sent(), counters.replies_dropped()), (0, 20));

    // The next connection tries again.
    permit("^(measures|amq\\.default)$").await?;
    let running = Running::consuming(RabbitConfiguration::new(uri), &ingest).await?;
    adapter.publish_body(bad(21).as_bytes(), asking(DIRECT, 21)).await?;
    assert_eq!(reply(&mut replies).await?.0.as_deref(), Some("c21"));
    running.stop().await?;
    rabbit.ctl(&["delete_user", &user]).await?;
    Ok(())
}

#[tokio::test]
async fn replies_that_the_broker_does_not_take_keep_nothing_from_being_acknowledged() -> anyhow::Result<()> {
    /// More than the reply queue and the socket buffers hold.
    const MESSAGES: u64 = 30_000;
    // A separate broker: a memory alarm blocks all publishing connections.
    let rabbit = RabbitMq::start().await?;
    let (adapter, ingest) = (Adapter::start(&rabbit.url()).await?, ScriptedIngest::new());
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let queue = adapter.channel.queue_declare("".into(), options, FieldTable::default()).await?;
    for number in 0..MESSAGES {
        adapter.send(bad(number).as_bytes(), asking(queue.name().as_str(), number)).await?;
    }
    adapter.channel.wait_for_confirms().await?;
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.00001"]).await?;
    wait_until("the alarm is on", TIMEOUT, async || {
        let alarms = rabbit.ctl(&["eval", "rabbit_alarm:get_alarms()."]).await.map_err(|e| e.to_string())?;
        if alarms.contains("memory") { Ok(()) } else { Err(alarms) }
    })
    .await?;
    let running = Running::consuming(configuration(&rabbit.url()), &ingest).await?;
    ingest.has_all(0..MESSAGES).await?;
    until_counted(&rabbit, &rabbit.url(), 0, 0).await?;
    let counters = running.counters.clone();
    assert!(counters.replies_dropped() > 0);
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.6"]).await?;
    running.stop().await
}
