//! Messages of MQTT clients, which RabbitMQ's plugin publishes to `amq.topic`.

use anyhow::{Context, ensure};
use lapin::options::ExchangeBindOptions;
use lapin::types::FieldTable;
use mymonit_services::message::MessageId;
use mymonit_test_support::{RabbitMq, ReservedPort};
use tokio::process::Command;

use crate::broker::{Adapter, measure};
use crate::harness::{Running, configuration};
use crate::ingest::{ScriptedIngest, value};

#[tokio::test]
async fn messages_of_mqtt_clients_are_consumed() -> anyhow::Result<()> {
    let port = ReservedPort::reserve()?;
    let number = port.get();
    let listener = format!("mqtt.listeners.tcp.1 = 127.0.0.1:{number}");
    let rabbit = RabbitMq::builder().plugin("rabbitmq_mqtt").config(&listener).keep(port).start().await?;
    let adapter = Adapter::start(&rabbit.url()).await?;
    let (exchange, source, options) = ("mymonit".into(), "amq.topic".into(), ExchangeBindOptions::default());
    adapter
        .channel
        .exchange_bind(exchange, source, "measures".into(), options, FieldTable::default())
        .await?;
    let ingest = ScriptedIngest::new();
    let running = Running::consuming(configuration(&rabbit.url()), &ingest).await?;

    publish(number, &measure(1), &[]).await?;
    // MQTT 5, whose user properties become headers, came with RabbitMQ 3.13.
    let version = rabbit.ctl(&["version"]).await?;
    let has_properties =
        !["3.8.", "3.9.", "3.10.", "3.11.", "3.12."].iter().any(|old| version.starts_with(old));
    if has_properties {
        let property = ["-V", "mqttv5", "-D", "publish", "user-property", "message-id", "device-7/1"];
        publish(number, &measure(2), &property).await?;
    }
    let deliveries = ingest.messages(if has_properties { 2 } else { 1 }).await?;
    let ids: Vec<_> = deliveries.iter().map(|each| (value(each), each.message_id.clone())).collect();
    let with_id = has_properties.then(|| (2, MessageId::new(b"device-7/1")));
    assert_eq!(ids, [(1, None)].into_iter().chain(with_id).collect::<Vec<_>>());
    running.stop().await
}

/// Publishes with quality of service 1: the client waits for the broker's acknowledgement.
async fn publish(port: u16, message: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let published = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", "measures", "-m", message])
        .args(arguments)
        .output()
        .await
        .context("mosquitto_pub cannot be run (Debian package mosquitto-clients)")?;
    ensure!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    Ok(())
}
