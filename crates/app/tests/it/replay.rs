//! Administrators read, replay and discard rejected messages over REST.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use mymonit_test_support::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::environment::{
    ADMIN, Answer, Client, Engine, SCIENTIST, TIMEOUT, TestEnvironment, message, on_every_engine,
};

on_every_engine!(
    a_message_for_an_experiment_that_is_made_later_is_listed_shown_replayed_and_read,
    an_archived_experiment_takes_no_measures_until_it_is_brought_back,
    all_messages_of_a_filter_are_replayed_and_the_others_stay,
    a_discarded_message_may_be_published_again_under_its_id,
    hostile_bodies_are_shown_byte_for_byte,
    rejected_messages_are_for_administrators_only,
    a_message_that_two_processes_replay_at_once_is_stored_once,
);

const LIST: &str = "/rejected-messages/";

async fn post(client: &Client, path: &str) -> Answer {
    client.send(Method::POST, path, None).await.unwrap()
}

/// The rejected messages, once there are that many.
async fn rejected(administrator: &Client, count: usize) -> Vec<Value> {
    wait_until("the messages are rejected", TIMEOUT, async || {
        let list = administrator.read(LIST).await.map_err(|error| format!("{error:#}"))?;
        let list = list.as_array().cloned().unwrap_or_default();
        if list.len() == count { Ok(list) } else { Err(format!("there are {}", list.len())) }
    })
    .await
    .unwrap()
}

/// Replays all messages of a filter in several requests, since each has a time limit.
/// Returns how many were stored and how many are still rejected.
async fn replay_all(administrator: &Client, filter: &str) -> [u64; 2] {
    let (mut stored, mut still_rejected) = (0, 0);
    let mut next = Some(format!("/rejected-messages/replay{filter}"));
    while let Some(path) = next.take() {
        let replayed = post(administrator, &path).await;
        assert_eq!(replayed.status, 200, "{replayed:?}");
        stored += replayed.body["stored"].as_u64().unwrap();
        still_rejected += replayed.body["still_rejected"].as_u64().unwrap();
        next = next_of(&replayed);
        assert_eq!(replayed.body["complete"], next.is_none(), "{replayed:?}");
    }
    [stored, still_rejected]
}

/// The path of the next request, if any.
fn next_of(answer: &Answer) -> Option<String> {
    let (path, _) = answer.header("link").strip_prefix('<')?.split_once('>')?;
    Some(path.to_owned())
}

async fn associated_experiment(administrator: &Client, name: &str) -> u64 {
    let experiment = administrator.add_experiment(name).await.unwrap();
    administrator.associate(experiment, "S001").await.unwrap();
    experiment
}

async fn a_message_for_an_experiment_that_is_made_later_is_listed_shown_replayed_and_read(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let adapter = environment.adapter().await.unwrap();
    let body = message("pendulum", "hertz", 0.5, 1_650_000_000);
    let mut headers = FieldTable::default();
    headers.insert("device".into(), AMQPValue::LongString("é 7".into()));
    let properties = BasicProperties::default()
        .with_message_id("early bird".into())
        .with_content_type("application/json".into())
        .with_headers(headers);
    adapter.publish_with([(body.clone(), properties.clone())]).await.unwrap();

    let listed = rejected(&administrator, 1).await.remove(0);
    let id = listed["id"].as_u64().unwrap();
    assert_eq!(listed["reason"], "unknown_experiment");
    assert_eq!(listed["detail"], "`experiment`: there is no experiment named `pendulum`");
    assert_eq!((&listed["message_id"], &listed["size"]), (&json!("early bird"), &json!(body.len())));
    let expected = json!({
        "content_type": "application/json", "delivery_mode": 2, "headers": {"device": "é 7"},
        "message_id": "early bird"
    });
    assert_eq!(listed["properties"], expected);
    let one = format!("/rejected-messages/{id}");
    let mut shown = administrator.read(&one).await.unwrap();
    assert_eq!(shown["body"], String::from_utf8(body.clone()).unwrap());
    assert_eq!(shown["body_encoding"], "utf-8");
    shown.as_object_mut().unwrap().retain(|name, _| !name.starts_with("body"));
    assert_eq!(shown, listed);

    // Too early.
    let replay = format!("{one}/replay");
    let still = post(&administrator, &replay).await;
    let expected = json!({"outcome": "rejected", "reason": "unknown_experiment", "detail": listed["detail"]});
    assert_eq!((still.status, still.body), (200, expected));

    let experiment = associated_experiment(&administrator, "pendulum").await;
    let stored = post(&administrator, &replay).await;
    assert_eq!((stored.status, stored.body), (200, json!({"outcome": "stored", "measures": 1})));
    let path = format!("/measures/{experiment}");
    let expected = json!({
        "experiment": "pendulum", "measure_type": "hertz", "timestamp": "2022-04-15T05:20:00Z", "value": 0.5
    });
    assert_eq!(scientist.measures(&path).await.unwrap(), [expected]);

    for answer in [
        post(&administrator, &replay).await,
        administrator.get(&one).await.unwrap(),
        administrator.delete(&one).await.unwrap(),
    ] {
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{answer:?}");
    }
    // The repeated message has a known id; a later message shows when it was consumed.
    adapter.publish_with([(body, properties)]).await.unwrap();
    adapter.publish(&message("pendulum", "hertz", 1.5, 1_650_000_001), None).await.unwrap();
    let measures =
        scientist.measures_when(&path, |measures| measures.first().is_some_and(|one| one["value"] == 1.5));
    assert_eq!(measures.await.unwrap().len(), 2);
    assert_eq!(administrator.read(LIST).await.unwrap(), json!([]));
}

async fn an_archived_experiment_takes_no_measures_until_it_is_brought_back(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let adapter = environment.adapter().await.unwrap();
    let experiment = associated_experiment(&administrator, "pendulum").await;
    let path = format!("/experiments/{experiment}");
    let archive = async |archived: bool| {
        let body = json!({"name": "pendulum", "archived": archived});
        let answer = administrator.send(Method::PUT, &path, Some(&body)).await.unwrap();
        assert_eq!((answer.status, &answer.body["archived"]), (200, &json!(archived)));
    };
    archive(true).await;
    adapter.publish(&message("pendulum", "hertz", 0.5, 1_650_000_000), None).await.unwrap();
    let listed = rejected(&administrator, 1).await.remove(0);
    assert_eq!(listed["reason"], "experiment_archived");
    assert_eq!(listed["detail"], "`experiment`: the experiment `pendulum` is archived and takes no measures");
    assert_eq!(replay_all(&administrator, "?reason=experiment_archived").await, [0, 1]);
    let measures = format!("/measures/{experiment}");
    assert!(scientist.measures(&measures).await.unwrap().is_empty());
    archive(false).await;
    assert_eq!(replay_all(&administrator, "?reason=experiment_archived").await, [1, 0]);
    assert_eq!(scientist.measures(&measures).await.unwrap().len(), 1);
}

async fn all_messages_of_a_filter_are_replayed_and_the_others_stay(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let adapter = environment.adapter().await.unwrap();
    let early = (0..230).map(|number| (message("pendulum", "hertz", 1.0, number), Some(number.to_string())));
    let bad = [
        (message("nowhere", "hertz", 1.0, 1), None),
        (message("pendulum", "furlong", 1.0, 1), None),
        (b"{".to_vec(), None),
    ];
    adapter.publish_all(early.chain(bad)).await.unwrap();
    let all = rejected(&administrator, 233).await;

    // The pages together equal the list.
    let mut paged = Vec::new();
    let mut next = Some(format!("{LIST}?limit=100"));
    while let Some(path) = next.take() {
        let page = administrator.get(&path).await.unwrap();
        paged.extend(page.body.as_array().unwrap().iter().cloned());
        next = next_of(&page);
    }
    assert_eq!(paged, all);

    let experiment = associated_experiment(&administrator, "pendulum").await;
    assert_eq!(replay_all(&administrator, "?to=2022-04-06T07:00:00Z").await, [0, 0]);
    // One still lacks its experiment; the other has one now, but no measure type.
    assert_eq!(replay_all(&administrator, "?reason=unknown_experiment").await, [230, 2]);
    assert_eq!(scientist.measures(&format!("/measures/{experiment}")).await.unwrap().len(), 230);
    let mut reasons: Vec<_> =
        rejected(&administrator, 3).await.iter().map(|left| left["reason"].to_string()).collect();
    reasons.sort();
    assert_eq!(reasons, ["\"malformed_json\"", "\"unknown_experiment\"", "\"unknown_measure_type\""]);
    // The second replay stores nothing.
    assert_eq!(replay_all(&administrator, "").await, [0, 3]);
}

async fn a_discarded_message_may_be_published_again_under_its_id(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(&message("pendulum", "hertz", 1.0, 1), Some("the one")).await.unwrap();
    let id = rejected(&administrator, 1).await[0]["id"].as_u64().unwrap();
    let experiment = associated_experiment(&administrator, "pendulum").await;
    let discarded = administrator.delete(&format!("/rejected-messages/{id}")).await.unwrap();
    assert_eq!((discarded.status, discarded.body), (204, Value::Null));
    assert_eq!(administrator.read(LIST).await.unwrap(), json!([]));

    // Its publisher has sent a corrected message.
    adapter.publish(&message("pendulum", "hertz", 2.0, 1), Some("the one")).await.unwrap();
    let path = format!("/measures/{experiment}");
    let measures = scientist.measures_when(&path, |measures| measures.len() == 1).await.unwrap();
    assert_eq!(measures[0]["value"], 2.0);
}

async fn hostile_bodies_are_shown_byte_for_byte(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let adapter = environment.adapter().await.unwrap();
    let text = "\u{0}\"</script>\u{1f600}\u{2028}\\";
    let bodies = [
        (b"\xff\x00\xfe{".to_vec(), "base64", "/wD+ew==".to_owned()),
        (text.as_bytes().to_vec(), "utf-8", text.to_owned()),
        (Vec::new(), "utf-8", String::new()),
        (b"\xff".repeat(5 << 20), "base64", format!("{}//8=", "/".repeat((5 << 20) / 3 * 4))),
    ];
    for (body, encoding, shown) in bodies {
        adapter.publish(&body, None).await.unwrap();
        let id = rejected(&administrator, 1).await[0]["id"].as_u64().unwrap();
        let one = format!("/rejected-messages/{id}");
        let found = administrator.read(&one).await.unwrap();
        assert_eq!((&found["body_encoding"], &found["size"]), (&json!(encoding), &json!(body.len())));
        assert!(found["body"] == shown, "{} bytes", body.len());
        assert_eq!(administrator.delete(&one).await.unwrap().status, 204);
    }
}

async fn rejected_messages_are_for_administrators_only(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let (administrator, scientist) =
        (environment.client(&service, ADMIN), environment.client(&service, SCIENTIST));
    environment.adapter().await.unwrap().publish(b"{", None).await.unwrap();
    let before = rejected(&administrator, 1).await;
    let one = format!("/rejected-messages/{}", before[0]["id"]);
    for (method, path) in [
        (Method::GET, LIST),
        (Method::GET, &one),
        (Method::GET, "/rejected-messages/4294967295"),
        (Method::DELETE, &one),
        (Method::POST, &format!("{one}/replay")),
        (Method::POST, "/rejected-messages/replay"),
    ] {
        let refused = scientist.send(method.clone(), path, None).await.unwrap();
        assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{method} {path}");
        let refused = service.anonymous().send(method.clone(), path, None).await.unwrap();
        assert_eq!((refused.status, refused.code()), (401, "unauthenticated"), "{method} {path}");
    }
    assert_eq!(rejected(&administrator, 1).await, before);
}

async fn a_message_that_two_processes_replay_at_once_is_stored_once(engine: Engine) {
    const MESSAGES: usize = 20;
    let environment = TestEnvironment::new(engine).await.unwrap();
    let (one, other) =
        (environment.ready_service().await.unwrap(), environment.ready_service().await.unwrap());
    let (here, there) = (environment.client(&one, ADMIN), environment.client(&other, ADMIN));
    let adapter = environment.adapter().await.unwrap();
    let early = (0..).map(|number| (message("pendulum", "hertz", 1.0, number), None)).take(MESSAGES);
    adapter.publish_all(early).await.unwrap();
    let list = rejected(&here, MESSAGES).await;
    let experiment = associated_experiment(&here, "pendulum").await;
    for kept in &list {
        let path = format!("/rejected-messages/{}/replay", kept["id"]);
        let (one, other) = tokio::join!(post(&here, &path), post(&there, &path));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404], "{one:?} {other:?}");
    }
    let path = format!("/measures/{experiment}");
    assert_eq!(environment.client(&one, SCIENTIST).measures(&path).await.unwrap().len(), MESSAGES);
}
