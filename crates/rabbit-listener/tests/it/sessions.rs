use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use mymonit_model::Faceted;
use mymonit_rabbit_listener::{ConsumerState, RabbitConfiguration, compose_uri};
use mymonit_test_support::{Proxy, RabbitMq};

use crate::broker::{Adapter, until_counted};
use crate::harness::{NEVER, Running, configuration};
use crate::ingest::{Database, ScriptedIngest};
use crate::log::Log;

#[tokio::test]
async fn connecting_is_retried_until_the_broker_starts() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    proxy.refuse().await;
    let ingest = ScriptedIngest::new();
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    let mut running = Running::start(configuration(&through_proxy), &ingest);
    assert_eq!(running.state(), ConsumerState::Connecting);
    proxy.resume().await?;
    running.until(ConsumerState::Consuming).await?;
    let adapter = Adapter::connect(&url).await?;
    adapter.publish([1]).await?;
    ingest.messages(1).await?;
    running.stop().await
}

#[tokio::test]
async fn adapters_may_declare_what_the_contract_says_before_and_after() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let before = Adapter::start(&url).await?;
    let ingest = ScriptedIngest::new();
    let running = Running::consuming(configuration(&url), &ingest).await?;
    let after = Adapter::start(&url).await?;
    before.publish([1]).await?;
    after.publish([2]).await?;
    ingest.messages(2).await?;
    running.stop().await?;
    before.declare().await
}

#[tokio::test]
async fn connections_that_are_cut_are_renewed_and_nothing_is_lost() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    let configuration =
        RabbitConfiguration { prefetch: 300, batch_size: 100, ..configuration(&through_proxy) };
    let log = Log::capture();
    let mut running = Running::consuming(configuration, &ingest).await?;
    for round in 0..5 {
        running.until(ConsumerState::Consuming).await?;
        let values = round * 2_000..(round + 1) * 2_000;
        adapter.publish(values.clone()).await?;
        proxy.cut().await;
        running.until_not(ConsumerState::Consuming).await?;
        ingest.has_all(values).await?;
    }
    running.until(ConsumerState::Consuming).await?;
    until_counted(rabbit, &url, 0, 0).await?;
    // A stalled broker may cost a second attempt, but only cut connections end.
    let sessions = log.lines().iter().filter(|line| line.contains("consuming queue=")).count();
    assert_eq!(sessions, 6, "{:#?}", log.lines());
    assert!(proxy.accepted() <= 12, "{} connections", proxy.accepted());
    running.stop().await
}

#[tokio::test]
async fn a_connection_that_the_network_swallowed_is_noticed() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let proxy = Proxy::start(rabbit.port()).await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let through_proxy = url.replace(&rabbit.port().to_string(), &proxy.port().to_string());
    let mut running =
        Running::consuming(configuration(&format!("{through_proxy}?heartbeat=1")), &ingest).await?;
    proxy.black_hole();
    running.until(ConsumerState::Connecting).await?;
    adapter.publish(0..10).await?;
    assert!(ingest.values().is_empty());
    proxy.resume().await?;
    running.until(ConsumerState::Consuming).await?;
    ingest.has_all(0..10).await?;
    until_counted(rabbit, &url, 0, 0).await?;
    running.stop().await
}

#[tokio::test]
async fn a_restarted_or_crashed_broker_is_consumed_again() -> anyhow::Result<()> {
    let rabbit = RabbitMq::start().await?;
    let ingest = ScriptedIngest::new();
    let configuration =
        RabbitConfiguration { prefetch: 300, batch_size: 100, ..configuration(&rabbit.url()) };
    let mut running = Running::consuming(configuration, &ingest).await?;

    Adapter::start(&rabbit.url()).await?.publish(0..3_000).await?;
    rabbit.stop().await?;
    running.until(ConsumerState::Connecting).await?;
    rabbit.start_again().await?;
    running.until(ConsumerState::Consuming).await?;
    ingest.has_all(0..3_000).await?;

    Adapter::start(&rabbit.url()).await?.publish(3_000..6_000).await?;
    rabbit.kill().await?;
    running.until(ConsumerState::Connecting).await?;
    rabbit.start_again().await?;
    running.until(ConsumerState::Consuming).await?;
    ingest.has_all(3_000..6_000).await?;

    until_counted(&rabbit, &rabbit.url(), 0, 0).await?;
    running.stop().await
}

#[tokio::test]
async fn a_message_of_a_quorum_queue_outlives_more_processes_than_the_broker_would_allow_it()
-> anyhow::Result<()> {
    /// From RabbitMQ 4.0 on, such a queue drops messages after twenty redeliveries by default.
    const REDELIVERIES: u64 = 25;
    let rabbit = RabbitMq::shared().await?;
    let vhost = unlimited_quorum_vhost(rabbit).await?;
    let url = format!("{}/{vhost}", rabbit.url());
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    adapter.publish([1]).await?;
    for _ in 0..REDELIVERIES {
        let waiting = RabbitConfiguration { linger: NEVER, ..configuration(&url) };
        let doomed = Running::consuming(waiting, &ingest).await?;
        doomed.received(1).await?;
        doomed.crash().await;
    }
    assert!(ingest.values().is_empty());
    let running = Running::consuming(configuration(&url), &ingest).await?;
    ingest.has_all([1]).await?;
    running.stop().await
}

/// The broker closes a channel whose deliveries are not acknowledged in time, and counts each as
/// returned.
#[tokio::test]
async fn an_outage_longer_than_the_acknowledgement_timeout_loses_nothing_of_a_quorum_queue()
-> anyhow::Result<()> {
    const TIMEOUTS: usize = 3;
    let rabbit = RabbitMq::start().await?;
    let short = "application:set_env(rabbit, consumer_timeout, 2000), \
                 application:set_env(rabbit, channel_tick_interval, 500).";
    rabbit.ctl(&["eval", short]).await?;
    let vhost = unlimited_quorum_vhost(&rabbit).await?;
    let url = format!("{}/{vhost}", rabbit.url());
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let mut running = Running::consuming(configuration(&url), &ingest).await?;
    ingest.database(Database::Away);
    adapter.publish(0..50).await?;
    for _ in 0..TIMEOUTS {
        running.until(ConsumerState::WaitingForDatabase).await?;
        running.until_not(ConsumerState::WaitingForDatabase).await?;
    }
    assert!(ingest.values().is_empty());
    ingest.database(Database::Works);
    ingest.has_all(0..50).await?;
    running.until(ConsumerState::Consuming).await?;
    until_counted(&rabbit, &url, 0, 0).await?;
    running.stop().await
}

#[tokio::test]
async fn a_queue_that_is_deleted_is_declared_again() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let (adapter, ingest) = (Adapter::start(&url).await?, ScriptedIngest::new());
    let mut running = Running::consuming(configuration(&url), &ingest).await?;
    // It may consume again before the broker's reply arrives.
    tokio::try_join!(adapter.delete_queue(), running.until(ConsumerState::Connecting))?;
    running.until(ConsumerState::Consuming).await?;
    adapter.publish([1]).await?;
    ingest.messages(1).await?;
    running.stop().await
}

#[tokio::test]
async fn a_queue_declared_otherwise_is_refused_until_it_is_fixed() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let adapter = Adapter::connect(&url).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1_000));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    adapter.channel.queue_declare("measures".into(), options, arguments).await?;
    let (log, ingest) = (Log::capture(), ScriptedIngest::new());
    let mut running = Running::start(configuration(&url), &ingest);
    running.until(ConsumerState::Refused).await?;
    log.says(&["ERROR", "refuses the queue `measures`", "406", "x-max-length", "durable", "RABBIT_QUEUE"])
        .await?;
    adapter.delete_queue().await?;
    running.until(ConsumerState::Consuming).await?;
    adapter.publish([1]).await?;
    ingest.messages(1).await?;
    running.stop().await
}

#[tokio::test]
async fn an_exchange_declared_otherwise_is_refused_until_it_is_fixed() -> anyhow::Result<()> {
    let url = RabbitMq::shared().await?.create_vhost().await?;
    let adapter = Adapter::connect(&url).await?;
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    adapter
        .channel
        .exchange_declare("mymonit".into(), ExchangeKind::Fanout, options, FieldTable::default())
        .await?;
    let (log, ingest) = (Log::capture(), ScriptedIngest::new());
    let mut running = Running::start(configuration(&url), &ingest);
    running.until(ConsumerState::Refused).await?;
    log.says(&["ERROR", "refuses the exchange `mymonit`", "406", "direct and durable", "RABBIT_EXCHANGE"])
        .await?;
    adapter.channel.exchange_delete("mymonit".into(), ExchangeDeleteOptions::default()).await?;
    running.until(ConsumerState::Consuming).await?;
    running.stop().await
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_permission_are_refused_until_fixed() -> anyhow::Result<()> {
    let rabbit = RabbitMq::shared().await?;
    let url = rabbit.create_vhost().await?;
    let vhost = url.rsplit('/').next().unwrap();
    let user = format!("user-of-{vhost}");
    rabbit.ctl(&["add_user", &user, "another"]).await?;
    let address = format!("amqp://127.0.0.1:{}/{vhost}", rabbit.port());
    let uri = compose_uri(&address, &user, &Faceted::new("p@ss/w:rd%41".to_owned()))?;
    let (log, ingest) = (Log::capture(), ScriptedIngest::new());
    let mut running = Running::start(RabbitConfiguration::new(uri), &ingest);
    running.until(ConsumerState::Refused).await?;
    log.says(&["ERROR", "refuses the connection", "403", "RABBIT_PASSWORD"]).await?;
    let set_permissions =
        async |pattern| rabbit.ctl(&["set_permissions", "-p", vhost, &user, pattern, pattern, pattern]).await;

    // Now it may only connect.
    set_permissions("^$").await?;
    rabbit.ctl(&["change_password", &user, "p@ss/w:rd%41"]).await?;
    log.says(&["ERROR", "refuses the exchange `mymonit`", "403", "allow the user to configure it"]).await?;
    assert_eq!(running.state(), ConsumerState::Refused);

    set_permissions("^(mymonit|measures)$").await?;
    running.until(ConsumerState::Consuming).await?;
    running.stop().await?;
    assert!(!log.lines().join("\n").contains("p@ss"), "the password stands in the log");
    rabbit.ctl(&["delete_user", &user]).await?;
    Ok(())
}

/// A virtual host of quorum queues with the policy of docs/ingest.md.
async fn unlimited_quorum_vhost(rabbit: &RabbitMq) -> anyhow::Result<String> {
    let vhost = rabbit.create_quorum_vhost().await?;
    // Before RabbitMQ 4 there was no such limit by default, and no such value.
    if !rabbit.ctl(&["version"]).await?.starts_with("3.") {
        let unlimited = r#"{"delivery-limit": -1}"#;
        let set =
            ["set_policy", "--vhost", &vhost, "keep-all", "^measures$", unlimited, "--apply-to", "queues"];
        rabbit.ctl(&set).await?;
    }
    Ok(vhost)
}
