use std::time::Duration;

use bytes::Bytes;
use mymonit_rest_listener::Limits;
use mymonit_services::message::RejectionReason;
use reqwest::Method;
use serde_json::json;

use crate::site::{Answer, MAX_MESSAGE_BYTES, Site, Who, finish, next, patient};

const LIST: &str = "/rejected-messages/";
const REPLAY: &str = "/rejected-messages/replay";

/// A message that can be stored once there is such an experiment.
fn body(experiment: &str) -> Bytes {
    json!({"experiment": experiment, "measure": "hertz", "value": 1.5, "timestamp": 5}).to_string().into()
}

/// A site with that many messages, received one a second from 1970 on, all for the same unknown
/// experiment.
async fn site_with(count: i64) -> Site {
    let site = Site::start().await;
    for second in 0..count {
        site.memory.rejected.add(second, None, body("pendulum"));
    }
    site
}

async fn add_experiment(site: &Site, name: &str) {
    let created = site.post("/experiments/", Who::Admin, &json!({ "name": name })).await;
    assert_eq!(created.status, 201, "{created:?}");
}

fn ids(answer: &Answer) -> Vec<u64> {
    let messages = answer.json();
    messages.as_array().unwrap().iter().map(|message| message["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn rejected_messages_come_last_received_first_each_field_under_its_name() {
    let site = Site::start().await;
    assert_eq!(site.get(LIST, Who::Admin).await.text, "[]");
    site.memory.rejected.add(60, Some(b"the id"), "{");
    site.memory.rejected.add(0, None, "");
    let answer = site.get(LIST, Who::Admin).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let common = json!({"content_type": "application/json", "headers": {"a": [1, null]}});
    assert_eq!(
        answer.json(),
        json!([
            {
                "id": 1, "reason": "unknown_experiment", "detail": "`experiment`: unknown",
                "received_at": "1970-01-01T00:01:00Z", "message_id": "the id", "properties": common, "size": 1
            },
            {
                "id": 2, "reason": "unknown_experiment", "detail": "`experiment`: unknown",
                "received_at": "1970-01-01T00:00:00Z", "message_id": null, "properties": common, "size": 0
            }
        ])
    );
}

#[tokio::test]
async fn a_message_id_that_is_no_text_is_shown_as_binary_values_are() {
    let site = Site::start().await;
    site.memory.rejected.add(0, Some(&[0xff, 0xfe]), "x");
    site.memory.rejected.add(1, Some("é\u{0}".as_bytes()), "x");
    let messages = site.get(LIST, Who::Admin).await.json();
    assert_eq!(messages[0]["message_id"], "é\u{0}");
    assert_eq!(messages[1]["message_id"], json!({"$base64": "//4="}));
}

#[tokio::test]
async fn one_message_is_shown_with_its_body() {
    let site = Site::start().await;
    let text = "{\"k\": \"é\u{1f600}\u{0}\"";
    let long: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    for (given, encoding) in [
        (Bytes::from(text), "utf-8"),
        (Bytes::new(), "utf-8"),
        (Bytes::from_static(b"\xff\x00\xfe"), "base64"),
        (Bytes::from("黒".repeat(100_000)), "utf-8"),
        (Bytes::from(long), "base64"),
    ] {
        let id = site.memory.rejected.add(0, None, given.clone());
        let answer = site.get(&format!("/rejected-messages/{id}"), Who::Admin).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        let mut shown = answer.json();
        assert_eq!(shown["body_encoding"], encoding);
        let body = shown["body"].as_str().unwrap().to_owned();
        let body = if encoding == "utf-8" { body.into_bytes() } else { decoded(&body) };
        assert!(body == given, "{} bytes", given.len());
        // Beside its body it has the fields that it has in the list.
        let fields = shown.as_object_mut().unwrap();
        fields.retain(|name, _| !name.starts_with("body"));
        let listed = site.get(LIST, Who::Admin).await.json();
        assert!(listed.as_array().unwrap().contains(&shown), "{shown}");
    }
}

fn decoded(base64: &str) -> Vec<u8> {
    let value = |character| {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        alphabet.iter().position(|known| *known == character).map(|index| u32::try_from(index).unwrap())
    };
    let mut bytes = Vec::new();
    for group in base64.as_bytes().chunks(4) {
        let bits = group.iter().fold(0, |bits, character| bits << 6 | value(*character).unwrap_or(0));
        let padding = group.iter().filter(|character| **character == b'=').count();
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    bytes
}

#[tokio::test]
async fn a_list_is_filtered_by_reason_and_time() {
    let site = site_with(5).await;
    site.memory.rejected.set_reason(2, RejectionReason::TooLarge);
    site.memory.rejected.set_reason(4, RejectionReason::TooLarge);
    for (query, expected) in [
        ("", &[5, 4, 3, 2, 1][..]),
        ("reason=too_large", &[4, 2]),
        ("reason=empty", &[]),
        ("from=1", &[5, 4, 3, 2]),
        ("from=1&to=1970-01-01T00:00:03Z", &[3, 2]),
        ("to=1970-01-01T01:00:03+01:00&reason=unknown_experiment", &[3, 1]),
    ] {
        assert_eq!(ids(&site.get(&format!("{LIST}?{query}"), Who::Admin).await), expected, "{query}");
    }
}

#[tokio::test]
async fn a_list_without_a_limit_is_the_whole_and_with_one_it_is_walked_by_links() {
    let site = site_with(1_250).await;
    let whole = site.get(LIST, Who::Admin).await;
    assert!(whole.headers.get("link").is_none());
    assert_eq!(ids(&whole), (1..=1_250).rev().collect::<Vec<_>>());
    for (query, first, last) in [
        ("limit=1000", 1_250, 1),
        ("limit=613&reason=unknown_experiment", 1_250, 1),
        ("limit=100&from=1970-01-01T01:00:10%2B01:00&to=700", 700, 11),
    ] {
        let mut walked = Vec::new();
        let mut page = site.get(&format!("{LIST}?{query}"), Who::Admin).await;
        loop {
            walked.extend(ids(&page));
            let Some(link) = next(&page) else { break };
            assert!(link.starts_with("/rejected-messages/?"), "{link}");
            page = site.get(&link, Who::Admin).await;
        }
        assert_eq!(walked, (last..=first).rev().collect::<Vec<_>>(), "{query}");
    }
    // A cursor alone continues to the end.
    let link = next(&site.get("/rejected-messages?limit=1000", Who::Admin).await).unwrap();
    let rest = site.get(&link.replace("limit=1000&", ""), Who::Admin).await;
    assert_eq!(ids(&rest), (1..=250).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn each_parameter_is_checked_by_name() {
    let site = site_with(1).await;
    for (field, wrong) in [
        ("reason", ""),
        ("reason", "unknown"),
        ("reason", "TOO_LARGE"),
        ("from", "now"),
        ("to", "-1"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "+1"),
        ("cursor", ""),
        ("cursor", "forged"),
        ("form", "1"),
    ] {
        site.get(&format!("{LIST}?{field}={wrong}"), Who::Admin).await.names(field);
        site.post_nothing(&format!("{REPLAY}?{field}={wrong}"), Who::Admin).await.names(field);
    }
    let detail = site.get(&format!("{LIST}?reason=x"), Who::Admin).await.names("reason");
    assert!(detail.contains("`malformed_json`") && detail.contains("`empty`"), "{detail}");
    // A cursor of measures is refused.
    let link = next(&site.get("/measures/1?limit=1", Who::Peter).await).unwrap();
    let cursor = link.rsplit_once('=').unwrap().1;
    site.get(&format!("{LIST}?cursor={cursor}"), Who::Admin).await.names("cursor");
    for id in ["0", "-1", "+1", "1.0", "abc", "18446744073709551616", "%20"] {
        for (method, after) in [("GET", ""), ("DELETE", ""), ("POST", "/replay")] {
            let path = format!("/rejected-messages/{id}{after}");
            finish(site.request(method.parse().unwrap(), &path, Who::Admin)).await.names("id");
        }
    }
    site.get("/rejected-messages/1?limit=1", Who::Admin).await.names("limit");
    site.post_nothing("/rejected-messages/1/replay?limit=1", Who::Admin).await.names("limit");
    site.delete("/rejected-messages/1?limit=1", Who::Admin).await.names("limit");
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [1]);
}

#[tokio::test]
async fn rejected_messages_are_for_administrators_only() {
    let site = site_with(1).await;
    for (method, path) in [
        ("GET", LIST),
        ("GET", "/rejected-messages/1"),
        ("GET", "/rejected-messages/99"),
        ("DELETE", "/rejected-messages/1"),
        ("POST", "/rejected-messages/1/replay"),
        ("POST", REPLAY),
    ] {
        let method: Method = method.parse().unwrap();
        for who in [Who::Peter, Who::Stranger] {
            finish(site.request(method.clone(), path, who)).await.problem(403, "forbidden");
        }
        for who in [Who::Nobody, Who::Forger] {
            finish(site.request(method.clone(), path, who)).await.problem(401, "unauthenticated");
        }
    }
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [1]);
}

#[tokio::test]
async fn absent_messages_are_404() {
    let site = site_with(1).await;
    for id in ["2", "18446744073709551615"] {
        let path = format!("/rejected-messages/{id}");
        site.get(&path, Who::Admin).await.problem(404, "not_found");
        site.delete(&path, Who::Admin).await.problem(404, "not_found");
        site.post_nothing(&format!("{path}/replay"), Who::Admin).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn each_path_says_which_methods_it_has() {
    let site = Site::start().await;
    for (path, allowed) in [
        ("/rejected-messages", "GET, HEAD, OPTIONS"),
        ("/rejected-messages/1", "GET, HEAD, DELETE, OPTIONS"),
        ("/rejected-messages/1/replay", "POST, OPTIONS"),
        ("/rejected-messages/replay", "POST, OPTIONS"),
        ("/rejected-messages/discard", "POST, OPTIONS"),
    ] {
        for path in [path.to_owned(), format!("{path}/")] {
            let answer = finish(site.request(Method::PATCH, &path, Who::Nobody)).await;
            answer.problem(405, "method_not_allowed");
            assert_eq!(answer.header("allow"), allowed, "{path}");
        }
    }
}

#[tokio::test]
async fn a_message_is_replayed_once_its_experiment_exists() {
    let site = site_with(1).await;
    let still = site.post_nothing("/rejected-messages/1/replay", Who::Admin).await;
    let detail = "`experiment`: there is no experiment named `pendulum`";
    assert_eq!(
        (still.status.as_u16(), still.json()),
        (200, json!({"outcome": "rejected", "reason": "unknown_experiment", "detail": detail}))
    );
    // The new reason is shown from now on.
    assert_eq!(site.get("/rejected-messages/1", Who::Admin).await.json()["detail"], detail);

    add_experiment(&site, "pendulum").await;
    let stored = site.post_nothing("/rejected-messages/1/replay/", Who::Admin).await;
    assert_eq!((stored.status.as_u16(), stored.json()), (200, json!({"outcome": "stored", "measures": 1})));
    site.post_nothing("/rejected-messages/1/replay", Who::Admin).await.problem(404, "not_found");
    site.get("/rejected-messages/1", Who::Admin).await.problem(404, "not_found");
    assert_eq!(site.post_nothing("/scientists-experiments/3/S001", Who::Admin).await.status, 201);
    let measures = site.get("/measures/3", Who::Peter).await.json();
    assert_eq!(
        measures,
        json!([{"experiment": "pendulum", "measure_type": "hertz", "timestamp": "1970-01-01T00:00:05Z", "value": 1.5}])
    );
}

#[tokio::test]
async fn a_replay_follows_the_rules_of_a_delivery() {
    let site = Site::start().await;
    let good = body("device-vibrations");
    let large = [&good[..], &vec![b' '; MAX_MESSAGE_BYTES][..]].concat();
    let array = format!("[{}, {{}}]", std::str::from_utf8(&good).unwrap());
    for (given, reason) in [
        (Bytes::from(large), "too_large"),
        (Bytes::from(array), "missing_field"),
        (Bytes::from_static(b"\xff"), "malformed_json"),
        (Bytes::new(), "empty"),
    ] {
        let id = site.memory.rejected.add(0, None, given);
        let answer = site.post_nothing(&format!("/rejected-messages/{id}/replay"), Who::Admin).await.json();
        assert_eq!((&answer["outcome"], &answer["reason"]), (&json!("rejected"), &json!(reason)));
        assert_eq!(site.get(&format!("/rejected-messages/{id}"), Who::Admin).await.json()["reason"], reason);
    }
}

#[tokio::test]
async fn a_concurrently_removed_message_is_404() {
    let site = Site::start().await;
    let id = site.memory.rejected.add(0, None, body("device-vibrations"));
    *site.memory.rejected.snatched.lock().unwrap() = Some(id);
    let path = format!("/rejected-messages/{id}/replay");
    site.post_nothing(&path, Who::Admin).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_message_that_the_database_refuses_is_kept_with_the_reason() {
    let site = Site::start().await;
    let id = site.memory.rejected.add(0, None, body("device-vibrations"));
    *site.memory.rejected.refused.lock().unwrap() = Some(id);
    let answer = site.post_nothing(&format!("/rejected-messages/{id}/replay"), Who::Admin).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (200, &json!("invalid_value")));
    assert!(!answer.text.contains("canary"), "{answer:?}");
    assert_eq!(site.get(LIST, Who::Admin).await.json()[0]["reason"], "invalid_value");
}

#[tokio::test]
async fn a_message_is_discarded() {
    let site = site_with(2).await;
    let answer = site.delete("/rejected-messages/1", Who::Admin).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    site.delete("/rejected-messages/1/", Who::Admin).await.problem(404, "not_found");
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [2]);
}

#[tokio::test]
async fn all_messages_of_a_filter_are_replayed_and_counted() {
    let site = site_with(250).await;
    site.memory.rejected.add(500, None, body("other"));
    site.memory.rejected.add(501, None, "{");
    add_experiment(&site, "pendulum").await;
    let answer = site.post_nothing(&format!("{REPLAY}?to=100"), Who::Admin).await;
    let expected = json!({"stored": 100, "still_rejected": 0, "complete": true});
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    assert!(answer.headers.get("link").is_none());
    let answer = site.post_nothing(REPLAY, Who::Admin).await;
    assert_eq!(answer.json(), json!({"stored": 150, "still_rejected": 2, "complete": true}));
    let answer = site.post_nothing(&format!("{REPLAY}?reason=malformed_json"), Who::Admin).await;
    assert_eq!(answer.json(), json!({"stored": 0, "still_rejected": 1, "complete": true}));
    assert_eq!(ids(&site.get(LIST, Who::Admin).await).len(), 2);
}

#[tokio::test]
async fn a_long_replay_answers_in_time_and_links_the_rest() {
    let limits = Limits { request: Duration::from_secs(24), ..patient() };
    let site = Site::start_with(limits).await;
    for second in 0..7 {
        site.memory.rejected.add(second, None, body(if second % 2 == 0 { "pendulum" } else { "other" }));
    }
    add_experiment(&site, "pendulum").await;
    // A sixth of what the request may take is over with this one.
    *site.memory.rejected.slow.lock().unwrap() = Some((4, limits.request / 6));

    let mut answer = site.post_nothing(&format!("{REPLAY}?from=1"), Who::Admin).await;
    assert_eq!(answer.json()["complete"], false, "{answer:?}");
    let (mut stored, mut still_rejected) = (0, 0);
    loop {
        stored += answer.json()["stored"].as_u64().unwrap();
        still_rejected += answer.json()["still_rejected"].as_u64().unwrap();
        assert_eq!(answer.json()["complete"], next(&answer).is_none());
        let Some(link) = next(&answer) else { break };
        assert!(link.starts_with("/rejected-messages/replay?from=1&cursor="), "{link}");
        answer = site.post_nothing(&link, Who::Admin).await;
    }
    // Messages that still cannot be stored are replayed once only.
    assert_eq!((stored, still_rejected), (3, 3));
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [6, 4, 2, 1]);
}

#[tokio::test]
async fn a_failed_replay_reports_what_was_done_and_links_the_rest() {
    let site = site_with(5).await;
    add_experiment(&site, "pendulum").await;
    *site.memory.rejected.fails_at.lock().unwrap() = Some(3);
    let answer = site.post_nothing(REPLAY, Who::Admin).await;
    let expected = json!({"stored": 2, "still_rejected": 0, "complete": false});
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let link = next(&answer).unwrap();
    site.post_nothing(&link, Who::Admin).await.problem(503, "unavailable");
    site.post_nothing(REPLAY, Who::Admin).await.problem(503, "unavailable");
    *site.memory.rejected.fails_at.lock().unwrap() = None;
    let rest = site.post_nothing(&link, Who::Admin).await;
    assert_eq!(rest.json(), json!({"stored": 3, "still_rejected": 0, "complete": true}));
}

#[tokio::test]
async fn an_unreachable_database_has_a_status() {
    let site = site_with(1).await;
    site.set_unreachable(true);
    for (method, path) in [("GET", LIST), ("GET", "/rejected-messages?limit=1"), ("POST", REPLAY)] {
        finish(site.request(method.parse().unwrap(), path, Who::Admin)).await.problem(503, "unavailable");
    }
}

#[tokio::test]
async fn messages_of_a_filter_are_discarded_and_the_others_stay() {
    let site = site_with(5).await;
    site.memory.rejected.set_reason(2, RejectionReason::TooLarge);
    for path in ["/rejected-messages/discard", "/rejected-messages/discard?cursor=AAAA"] {
        site.post_nothing(path, Who::Admin).await.names("reason");
    }
    site.post_nothing("/rejected-messages/discard?reason=too_large", Who::Peter)
        .await
        .problem(403, "forbidden");
    for wrong in ["reason=bad_luck", "from=2&to=1", "cursor=forged&from=0", "limit=1"] {
        let answer = site.post_nothing(&format!("/rejected-messages/discard?{wrong}"), Who::Admin).await;
        answer.problem(400, "invalid_argument");
    }
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [5, 4, 3, 2, 1]);
    let answer = site.post_nothing("/rejected-messages/discard?reason=too_large", Who::Admin).await;
    assert_eq!(answer.json(), json!({"discarded": 1, "complete": true}));
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [5, 4, 3, 1]);
    let answer = site.post_nothing("/rejected-messages/discard?from=2", Who::Admin).await;
    assert_eq!(answer.json(), json!({"discarded": 3, "complete": true}));
    assert_eq!(ids(&site.get(LIST, Who::Admin).await), [1]);
    let answer = site.post_nothing("/rejected-messages/discard?from=2", Who::Admin).await;
    assert_eq!(answer.json(), json!({"discarded": 0, "complete": true}));
}
