use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use mymonit_rabbit_listener::{ConsumerState, RabbitConfiguration};
use mymonit_services::message::RejectionReason;
use mymonit_test_support::{Proxy, RabbitMq};

use crate::broker::{Adapter, measure, until_counted};
use crate::harness::{NEVER, Running, configuration};
use crate::ingest::{Database, ScriptedIngest, rejection, value};
use crate::log::Log;
use crate::raw::RawPublisher;

#[tokio::test]
async fn during_a_database_outage_nothing_is_acknowledged_and_later_all_is_stored_once() -> anyhow::Result<()>
{
    for failure in [Database::Away, Database::Broken] {
        let rabbit = RabbitMq::shared().await?;
        let url = rabbit.create_vhost().await?;
        let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
        let configuration = RabbitConfiguration { batch_size: 10, ..configuration(&url) };
        let mut running = Running::consuming(configuration, &ingest).await?;
        ingest.database(failure);
        adapter.publish(0..35).await?;
        running.until(ConsumerState::WaitingForDatabase).await?;
        ingest.called(5).await?;
        until_counted(rabbit, &url, 35, 0).await?;
        assert!(ingest.values().is_empty());

        ingest.database(Database::Works);
        ingest.messages(35).await?;
        running.until(ConsumerState::Consuming).await?;
        until_counted(rabbit, &url, 0, 0).await?;
        assert_eq!(ingest.values(), (0..35).collect::<Vec<_>>());
        assert_eq!(
            running.counters.received(),
            35,
            "nothing was sent back to the broker and delivered again"
        );
        running.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_outage_logs_two_lines_without_message_content() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let log = Log::capture();
    let running = Running::consuming(configuration(&url), &ingest).await?;
    ingest.database(Database::Away);
    let canary = measure(1).replace("device-vibrations", "canary");
    adapter
        .publish_body(canary.as_bytes(), BasicProperties::default().with_message_id("canary".into()))
        .await?;
    ingest.called(8).await?;
    ingest.database(Database::Works);
    ingest.messages(1).await?;
    running.stop().await?;
    let lines = log.lines();
    let said: Vec<_> = ["consuming", "storing failed", "storing again", "stopped"]
        .into_iter()
        .zip(&lines)
        .map(|(word, line)| line.contains(word) && !line.contains("canary"))
        .collect();
    assert_eq!((said, lines.len()), (vec![true; 4], 4), "{lines:#?}");
    assert!(lines[1].contains("as the test has it"), "the cause is said: {}", lines[1]);
    Ok(())
}

/// The prefetch alone would admit all of them.
#[tokio::test]
async fn large_messages_are_bounded_by_their_bytes_and_the_wait_does_not_break_the_connection()
-> anyhow::Result<()> {
    // The broker tolerates silence of two heartbeats, longer than this host stalls.
    const HEARTBEAT: u16 = 8;
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    for value in 0..80 {
        let body = measure(value) + &" ".repeat(1 << 20);
        adapter.publish_body(body.as_bytes(), BasicProperties::default()).await?;
    }
    ingest.database(Database::Away);
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    let configuration = RabbitConfiguration {
        batch_size: 10,
        ..configuration(&format!("{through_proxy}?heartbeat={HEARTBEAT}"))
    };
    let mut running = Running::consuming(configuration, &ingest).await?;
    let connections = proxy.accepted();
    running.until(ConsumerState::WaitingForDatabase).await?;
    // Long enough for the broker to close a connection without heartbeats.
    let silent = RawPublisher::sign_in(rabbit.port(), url.rsplit('/').next().unwrap(), HEARTBEAT).await?;
    silent.until_given_up().await?;
    until_counted(rabbit, &url, 80, 0).await?;
    assert_eq!(running.counters.received(), 31, "32 of them take more than 32 MiB");

    ingest.database(Database::Works);
    ingest.messages(80).await?;
    assert_eq!(ingest.values(), (0..80).collect::<Vec<_>>());
    until_counted(rabbit, &url, 0, 0).await?;
    assert_eq!(proxy.accepted(), connections);
    running.stop().await
}

/// A message can be small and have headers of a hundred kilobytes.
#[tokio::test]
async fn large_headers_are_bounded_by_their_bytes_as_bodies_are() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let mut headers = FieldTable::default();
    headers.insert("trace".into(), AMQPValue::LongString("x".repeat(120_000).into()));
    let properties = BasicProperties::default().with_headers(headers);
    for value in 0..400 {
        adapter.publish_body(measure(value).as_bytes(), properties.clone()).await?;
    }
    ingest.database(Database::Hangs);
    let configuration = RabbitConfiguration { batch_size: 10, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.called(1).await?;
    until_counted(rabbit, &url, 400, 0).await?;
    // 32 MiB of them.
    running.received(270).await?;
    assert!(running.counters.received() < 285, "{}", running.counters.received());

    ingest.database(Database::Works);
    let messages = ingest.messages(400).await?;
    assert_eq!(ingest.values(), (0..400).collect::<Vec<_>>());
    assert_eq!(messages[399].properties["headers"]["trace"], "x".repeat(120_000));
    until_counted(rabbit, &url, 0, 0).await?;
    running.stop().await
}

#[tokio::test]
async fn messages_that_the_database_refuses_are_found_and_rejected_alone() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.refuse_measures([0, 3, 7, 8, 99]);
    adapter.publish(0..100).await?;
    let configuration = RabbitConfiguration { batch_size: 100, linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    let messages = ingest.messages(100).await?;
    let counters = running.counters.clone();
    running.stop().await?;
    assert_eq!(ingest.values(), (0..100).collect::<Vec<_>>(), "in order, each once");
    let (stored, rejected): (Vec<_>, Vec<_>) = messages.iter().partition(|message| message.decoded.is_ok());
    assert_eq!((stored.len(), rejected.len()), (95, 5));
    for message in rejected {
        assert!([0, 3, 7, 8, 99].contains(&value(message)));
        assert_eq!(rejection(message).reason, RejectionReason::InvalidValue);
        assert!(rejection(message).detail.contains("the database refuses"), "{}", rejection(message));
        assert_eq!(message.body, measure(value(message)).as_bytes());
    }
    assert_eq!((counters.stored(), counters.rejected()), (95, 5));
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_message_that_has_nowhere_to_go_is_kept_by_waiting() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.refuse_entirely([2]);
    adapter.publish(0..4).await?;
    let mut running = Running::consuming(configuration(&url), &ingest).await?;
    running.until(ConsumerState::WaitingForDatabase).await?;
    until_counted(rabbit, &url, 4, 0).await?;
    ingest.refuse_entirely([]);
    ingest.messages(4).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), (0..4).collect::<Vec<_>>());
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_panic_while_writing_loses_nothing() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.database(Database::Panics);
    let mut running = Running::consuming(configuration(&url), &ingest).await?;
    adapter.publish(0..3).await?;
    running.until_not(ConsumerState::Consuming).await?;
    ingest.database(Database::Works);
    ingest.has_all(0..3).await?;
    until_counted(rabbit, &url, 0, 0).await?;
    running.stop().await
}

#[tokio::test]
async fn a_connection_lost_during_a_database_outage_is_noticed_and_renewed() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.database(Database::Away);
    adapter.publish(0..60).await?;
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    let configuration = RabbitConfiguration { prefetch: 20, batch_size: 5, ..configuration(&through_proxy) };
    let mut running = Running::start(configuration, &ingest);
    running.until(ConsumerState::WaitingForDatabase).await?;
    proxy.refuse().await;
    proxy.cut().await;
    running.until(ConsumerState::Connecting).await?;
    adapter.until_ready(60).await?;
    proxy.resume().await?;
    running.until(ConsumerState::WaitingForDatabase).await?;
    assert!(ingest.values().is_empty());
    ingest.database(Database::Works);
    ingest.messages(60).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), (0..60).collect::<Vec<_>>());
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_write_under_way_ends_before_the_next_session_begins() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.database(Database::Hangs);
    adapter.publish(0..5).await?;
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    // So that one write holds all of them, however slowly they arrive.
    let configuration = RabbitConfiguration { batch_size: 5, linger: NEVER, ..configuration(&through_proxy) };
    let mut running = Running::consuming(configuration, &ingest).await?;
    ingest.called(1).await?;
    let connections = proxy.accepted();
    proxy.cut().await;
    running.until(ConsumerState::Connecting).await?;
    adapter.until_ready(5).await?;
    assert_eq!((proxy.accepted(), ingest.calls()), (connections, 1));
    ingest.database(Database::Works);
    running.until(ConsumerState::Consuming).await?;
    // Once by the first write, which could not be acknowledged, and once after the redelivery.
    ingest.messages(10).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    adapter.until_ready(0).await
}
