//! Publishers: bindings to experiments, and replies to rejected messages.

use anyhow::Context;
use futures::StreamExt;
use lapin::BasicProperties;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use mymonit_test_support::{RabbitMq, wait_until};
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use crate::environment::{
    ADMIN, Adapter, Client, Engine, SCIENTIST, TIMEOUT, TestEnvironment, message, on_every_engine,
};

on_every_engine!(
    a_bound_publisher_publishes_to_its_experiments_only,
    equal_ids_of_two_accounts_are_two_messages,
    a_user_id_can_be_required_and_a_replay_does_without,
    a_publisher_gets_a_rejection_within_a_second,
    consumption_pauses_while_the_rejected_messages_take_too_much,
);

/// An account of that name on the test's virtual host.
async fn account(environment: &TestEnvironment, name: &str) -> Adapter {
    let rabbit = RabbitMq::shared().await.unwrap();
    let (_, vhost) = environment.broker_url.rsplit_once('/').unwrap();
    // The broker's accounts are shared by all tests.
    let user = format!("{name}-{vhost}");
    rabbit.ctl(&["add_user", &user, "secret"]).await.unwrap();
    rabbit.ctl(&["set_permissions", "-p", vhost, &user, ".*", ".*", ".*"]).await.unwrap();
    let url = environment.broker_url.replace("guest:guest@", &format!("{user}:secret@"));
    let adapter = Adapter::connect(&url).await.unwrap();
    adapter.declare().await.unwrap();
    adapter
}

fn user_id(environment: &TestEnvironment, name: &str) -> String {
    format!("{name}-{}", environment.broker_url.rsplit('/').next().unwrap())
}

fn by(user: &str, id: &str) -> BasicProperties {
    BasicProperties::default().with_user_id(user.into()).with_message_id(id.into())
}

/// Waits for that many rejected messages, the last received first.
async fn rejected(administrator: &Client, number: usize) -> Vec<Value> {
    let list = wait_until("messages are rejected", TIMEOUT, async || {
        let list = administrator.read("/rejected-messages/").await.map_err(|error| format!("{error:#}"))?;
        let list = list.as_array().cloned().unwrap_or_default();
        if list.len() == number { Ok(list) } else { Err(format!("{list:?}")) }
    });
    list.await.unwrap()
}

async fn a_bound_publisher_publishes_to_its_experiments_only(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let (station, user) = (account(&environment, "station").await, user_id(&environment, "station"));
    let path = format!("/publishers/{user}");
    assert_eq!(administrator.put(&path, json!({"experiments": [1]})).await.unwrap().status, 200);

    let of = |experiment| message(experiment, "hertz", 1.0, 1_700_000_000);
    station.publish_with([(of("device-vibrations"), by(&user, "a"))]).await.unwrap();
    scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    let others = ["black-holes", "no-such-experiment", "device-vibration"];
    station.publish_with(others.map(|name| (of(name), by(&user, name)))).await.unwrap();
    for kept in rejected(&administrator, 3).await {
        let name = kept["message_id"].as_str().unwrap();
        assert_eq!(
            (&kept["reason"], &kept["properties"]["user_id"]),
            (&json!("not_permitted"), &json!(user))
        );
        let hint = if name == "device-vibration" {
            "; the closest of its experiments is `device-vibrations`"
        } else {
            ""
        };
        let detail = format!("`experiment`: the publisher `{user}` may not publish to `{name}`{hint}");
        assert_eq!(kept["detail"], detail);
    }
    // Others are not bound.
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(&of("black-holes"), None).await.unwrap();
    environment.wait_until_all_is_acknowledged().await;
    assert_eq!(rejected(&administrator, 3).await.len(), 3);

    // A replay applies the present binding.
    let replay = "/rejected-messages/replay?reason=not_permitted";
    let answer = administrator.post(replay, json!(null)).await.unwrap();
    assert_eq!((&answer.body["stored"], &answer.body["still_rejected"]), (&json!(0), &json!(3)));
    assert_eq!(administrator.delete(&path).await.unwrap().status, 204);
    let answer = administrator.post(replay, json!(null)).await.unwrap();
    assert_eq!((&answer.body["stored"], &answer.body["still_rejected"]), (&json!(1), &json!(2)));
}

async fn equal_ids_of_two_accounts_are_two_messages(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let (one, two) = (account(&environment, "one").await, account(&environment, "two").await);
    let (user_one, user_two) = (user_id(&environment, "one"), user_id(&environment, "two"));
    let body = |value| message("device-vibrations", "hertz", value, 1_700_000_000);
    for _ in 0..2 {
        one.publish_with([(body(1.5), by(&user_one, "same"))]).await.unwrap();
        two.publish_with([(body(2.5), by(&user_two, "same"))]).await.unwrap();
        let unnamed = BasicProperties::default().with_message_id("same".into());
        two.publish_with([(body(3.5), unnamed)]).await.unwrap();
    }
    environment.wait_until_all_is_acknowledged().await;
    let measures = scientist.measures("/measures/1").await.unwrap();
    let mut values: Vec<_> = measures.iter().filter_map(|measure| measure["value"].as_f64()).collect();
    values.retain(|value| *value < 10.0);
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.5, 2.5, 3.5]);
}

async fn a_user_id_can_be_required_and_a_replay_does_without(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.service().unwrap().env("RABBIT_REQUIRE_USER_ID", "true").ready().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let adapter = environment.adapter().await.unwrap();
    let body = |value| message("device-vibrations", "hertz", value, 1_700_000_000);
    adapter.publish(&body(1.5), Some("anonymous")).await.unwrap();
    adapter.publish_with([(body(2.5), by("guest", "named"))]).await.unwrap();
    scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    let kept = rejected(&administrator, 1).await;
    assert_eq!((&kept[0]["message_id"], &kept[0]["reason"]), (&json!("anonymous"), &json!("not_permitted")));
    assert!(kept[0]["detail"].as_str().unwrap().contains("`user-id`"), "{kept:?}");
    let path = format!("/rejected-messages/{}/replay", kept[0]["id"]);
    let answer = administrator.post(&path, json!(null)).await.unwrap();
    assert_eq!(answer.body["outcome"], "stored", "{answer:?}");
    scientist.measures_when("/measures/1", |measures| measures.len() == 12).await.unwrap();
}

async fn a_publisher_gets_a_rejection_within_a_second(engine: Engine) {
    const REPLIES: &str = "amq.rabbitmq.reply-to";
    let environment = TestEnvironment::new(engine).await.unwrap();
    let _service = environment.ready_service().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consume = adapter.channel.basic_consume(REPLIES.into(), "".into(), options, FieldTable::default());
    let mut replies = consume.await.unwrap();
    let asking = |id: &str| by("guest", id).with_reply_to(REPLIES.into()).with_correlation_id("c".into());
    let body = message("device-vibration", "hertz", 1.0, 1_700_000_000);
    // The first reply waits for its connection, and hosts may be busy.
    let mut fastest = Duration::MAX;
    for attempt in 0..5 {
        let id = format!("m{attempt}");
        let begun = std::time::Instant::now();
        adapter.publish_with([(body.clone(), asking(&id))]).await.unwrap();
        let reply = timeout(TIMEOUT, replies.next()).await.unwrap().context("a reply").unwrap().unwrap();
        fastest = fastest.min(begun.elapsed());
        assert_eq!(reply.properties.correlation_id().as_ref().unwrap().as_str(), "c");
        let detail = "`experiment`: there is no experiment named `device-vibration`; the closest known name is \
            `device-vibrations`";
        let expected = json!({"message_id": id, "reason": "unknown_experiment", "detail": detail});
        assert_eq!(serde_json::from_slice::<Value>(&reply.data).unwrap(), expected);
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
}

async fn consumption_pauses_while_the_rejected_messages_take_too_much(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.service().unwrap().env("REJECTED_MAX_BYTES", "100000").ready().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let adapter = environment.adapter().await.unwrap();
    let state = async || {
        let answer = service.anonymous().get("/health/ready").await.map_err(|error| format!("{error:#}"))?;
        Ok::<_, String>((answer.status, answer.body.to_string()))
    };
    adapter.publish(&[b'x'; 100_000], Some("large")).await.unwrap();
    rejected(&administrator, 1).await;
    let good = message("device-vibrations", "hertz", 1.5, 1_700_000_000);
    adapter.publish(&good, Some("good")).await.unwrap();
    wait_until("the consumer pauses", TIMEOUT, async || match state().await? {
        (503, body) if body.contains("paused: too many rejected messages") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    assert_eq!(scientist.measures("/measures/1").await.unwrap().len(), 10);
    assert_eq!(environment.queued().await.unwrap(), 1, "nothing is acknowledged");

    let kept = rejected(&administrator, 1).await;
    let path = format!("/rejected-messages/{}", kept[0]["id"]);
    assert_eq!(administrator.delete(&path).await.unwrap().status, 204);
    scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    wait_until("the consumer is ready", TIMEOUT, async || match state().await? {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    environment.wait_until_all_is_acknowledged().await;
}
