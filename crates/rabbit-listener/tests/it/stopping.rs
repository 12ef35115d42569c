use std::time::Duration;

use lapin::BasicProperties;
use mymonit_rabbit_listener::{ConsumerState, RabbitConfiguration};
use mymonit_test_support::{Proxy, RabbitMq, wait_until};
use tokio::time::Instant;

use crate::broker::{Adapter, measure, until_counted, until_no_consumer};
use crate::harness::{NEVER, Running, TIMEOUT, configuration};
use crate::ingest::{Database, ScriptedIngest};

#[tokio::test]
async fn a_stop_under_load_writes_the_current_batch_and_leaves_the_rest() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish(0..10_000).await?;
    let configuration = RabbitConfiguration { prefetch: 500, batch_size: 100, ..configuration(&url) };
    let first = Running::consuming(configuration.clone(), &ingest).await?;
    ingest.messages(1_000).await?;
    first.stop().await?;
    let written = ingest.values();
    assert!(written.len() < 10_000, "it stopped too late to tell");
    adapter.until_ready(u32::try_from(10_000 - written.len())?).await?;

    let second = Running::consuming(configuration, &ingest).await?;
    ingest.messages(10_000).await?;
    second.stop().await?;
    assert_eq!(ingest.values(), (0..10_000).collect::<Vec<_>>(), "nothing lost, nothing twice");
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_stop_writes_a_batch_that_still_lingers() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let configuration = RabbitConfiguration { linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    adapter.publish(0..3).await?;
    running.received(3).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), [0, 1, 2]);
    adapter.until_ready(0).await
}

#[tokio::test]
async fn a_stop_while_large_messages_wait_accepts_no_more() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    for value in 0..60 {
        let body = measure(value) + &" ".repeat(1 << 20);
        adapter.publish_body(body.as_bytes(), BasicProperties::default()).await?;
    }
    ingest.database(Database::Hangs);
    let configuration = RabbitConfiguration { batch_size: 5, linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    until_counted(rabbit, &url, 60, 0).await?;
    running.received(31).await?;
    let counters = running.counters.clone();
    running.ask_to_stop();
    ingest.database(Database::Works);
    running.stop().await?;
    assert_eq!(ingest.values(), (0..10).collect::<Vec<_>>(), "the batch under way and the one in hand");
    assert_eq!(counters.received(), 31);
    adapter.until_ready(50).await
}

#[tokio::test]
async fn a_stop_during_a_database_outage_requeues_the_messages() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.database(Database::Away);
    adapter.publish(0..10).await?;
    let mut running = Running::start(configuration(&url), &ingest);
    running.until(ConsumerState::WaitingForDatabase).await?;
    running.stop().await?;
    assert!(ingest.values().is_empty());
    adapter.until_ready(10).await
}

/// An acknowledgement of the second batch would cover the first, too.
#[tokio::test]
async fn a_stop_with_a_batch_that_cannot_be_written_writes_no_later_one() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.database(Database::Hangs);
    adapter.publish(0..10).await?;
    let configuration = RabbitConfiguration { batch_size: 5, linger: NEVER, ..configuration(&url) };
    let running = Running::consuming(configuration, &ingest).await?;
    ingest.called(1).await?;
    running.received(10).await?;
    running.ask_to_stop();
    // The consumer is cancelled before the write fails.
    until_no_consumer(rabbit, &url).await?;
    ingest.database(Database::FailsOnce);
    running.stop().await?;
    assert!(ingest.values().is_empty(), "{:?}", ingest.values());
    adapter.until_ready(10).await
}

#[tokio::test]
async fn a_shutdown_with_a_stalled_database_requeues_messages_in_time() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    ingest.database(Database::Hangs);
    adapter.publish(0..10).await?;
    let running = Running::consuming(configuration(&url), &ingest).await?;
    ingest.called(1).await?;
    running.stop().await?;
    adapter.until_ready(10).await
}

#[tokio::test]
async fn a_stop_while_the_network_swallows_everything_ends_in_time() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    let running = Running::consuming(configuration(&through_proxy), &ingest).await?;
    ingest.database(Database::Hangs);
    adapter.publish(0..10).await?;
    // All of them, however many fitted into the first batch.
    running.received(10).await?;
    ingest.called(1).await?;
    proxy.black_hole();
    ingest.database(Database::Works);
    running.stop().await?;
    assert_eq!(ingest.values(), (0..10).collect::<Vec<_>>());
    // The broker got no acknowledgement, so it redelivers them.
    proxy.cut().await;
    adapter.until_ready(10).await
}

#[tokio::test]
async fn a_stop_without_a_broker_ends_at_once() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    proxy.black_hole();
    let ingest = ScriptedIngest::new();
    let running = Running::start(configuration(&format!("127.0.0.1:{}", proxy.port())), &ingest);
    wait_until("a connection", TIMEOUT, async || match proxy.accepted() {
        0 => Err("none"),
        _ => Ok(()),
    })
    .await?;
    // The paused clock does not advance while any task can run, so a slow host does not matter.
    tokio::time::pause();
    let asked = Instant::now();
    running.stop().await?;
    assert!(asked.elapsed() < Duration::from_secs(2), "it waited for the broker: {:?}", asked.elapsed());
    Ok(())
}
