//! Flags, and readings by them.

use mymonit_model::{
    Description, ExperimentId, Flag, FlagId, FlagRange, FlagReason, Sensor, SensorId, SensorName, Timestamp,
    UserId,
};
use mymonit_services::MAX_FLAGS;
use serde_json::{Value, json};

use crate::site::{Answer, Site, Who, next};

const PATH: &str = "/experiments/1/flags/";

/// The example data, with a sensor that has no measures.
async fn site() -> Site {
    let site = Site::start().await;
    let name = SensorName::new("oven/left").unwrap();
    let sensor = Sensor { id: SensorId::new(1).unwrap(), name, description: Description::default() };
    site.memory.sensors.lock().unwrap().push((ExperimentId::new(1), sensor));
    site
}

fn body(from: &str, to: &str) -> Value {
    json!({ "from": from, "to": to, "reason": "lid open" })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// Sets a flag from one minute of the example data to another.
async fn flag(site: &Site, from: u32, to: u32) -> String {
    let minute = |minute| format!("2022-04-06T07:{minute:02}:00Z");
    let set = site.post(PATH, Who::Peter, &body(&minute(from), &minute(to))).await;
    assert_eq!(set.status, 201, "{set:?}");
    set.header("location").to_owned()
}

/// The minutes of measures or bins.
fn minutes(answer: &Answer) -> Vec<u32> {
    let list = answer.json();
    let minute = |each: &Value| each["timestamp"].as_str().unwrap()[14..16].parse().unwrap();
    list.as_array().unwrap().iter().map(minute).collect()
}

#[tokio::test]
async fn a_flag_is_set_listed_and_withdrawn_by_any_associated_scientist() {
    let site = site().await;
    let whole = site.post(PATH, Who::Peter, &body("2022-04-06T09:00:00+02:00", "1649228700.5")).await;
    let narrow = with(
        with(body("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"), "sensor", ""),
        "measure_type",
        "hertz",
    );
    let narrow = site.post(PATH, Who::Peter, &with(narrow, "reason", " spike ")).await;
    let of_sensor =
        json!({ "from": 0, "to": 1.5, "reason": "x", "sensor": "oven/left", "measure_type": null });
    let of_sensor = site.post(PATH, Who::Peter, &of_sensor).await;
    let mut listed = site.get(PATH, Who::Peter).await.json();
    for (flag, answer) in listed.as_array().unwrap().iter().zip([&whole, &narrow, &of_sensor]) {
        assert_eq!((answer.status.as_u16(), &answer.json()), (201, flag));
        assert_eq!(answer.header("location"), format!("{PATH}{}", flag["flag_id"]));
    }
    for flag in listed.as_array_mut().unwrap() {
        let created_at = flag.as_object_mut().unwrap().remove("created_at").unwrap();
        assert!(created_at.as_str().unwrap().parse::<Timestamp>().unwrap() <= Timestamp::now());
    }
    let expected = json!([
        {
            "flag_id": 1, "from": "2022-04-06T07:00:00Z", "to": "2022-04-06T07:05:00.5Z", "sensor": null,
            "measure_type": null, "reason": "lid open", "user_id": "S001",
        },
        {
            "flag_id": 2, "from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:00:01Z", "sensor": "",
            "measure_type": "hertz", "reason": "spike", "user_id": "S001",
        },
        {
            "flag_id": 3, "from": "1970-01-01T00:00:00Z", "to": "1970-01-01T00:00:01.5Z", "sensor": "oven/left",
            "measure_type": null, "reason": "x", "user_id": "S001",
        },
    ]);
    assert_eq!(listed, expected);

    assert_eq!(site.post_nothing("/scientists-experiments/1/S002", Who::Admin).await.status, 201);
    let withdrawn = site.delete("/experiments/1/flags/2", Who::Katie).await;
    assert_eq!((withdrawn.status.as_u16(), withdrawn.text.as_str()), (204, ""));
    site.delete("/experiments/1/flags/2", Who::Katie).await.problem(404, "not_found");
    let left = site.get("/experiments/1/flags", Who::Katie).await.json();
    let left: Vec<_> = left.as_array().unwrap().iter().map(|flag| &flag["flag_id"]).collect();
    assert_eq!(left, [1, 3]);
}

#[tokio::test]
async fn what_is_wrong_with_a_flag_is_named() {
    let site = site().await;
    let good = || body("2022-04-06T07:00:00Z", "2022-04-06T07:05:00Z");
    for (field, value) in [
        ("from", json!("now-1h")),
        ("from", json!(-1)),
        ("from", json!(1e300)),
        ("from", json!(null)),
        ("from", json!({})),
        ("to", json!("2022-04-06T07:00:00Z")),
        ("to", json!("yesterday")),
        ("sensor", json!(".")),
        ("sensor", json!(" ")),
        ("sensor", json!(7)),
        ("measure_type", json!("")),
        ("measure_type", json!("parsec")),
        ("reason", json!("")),
        ("reason", json!("a\u{202e}b")),
        ("reason", json!("two\nlines")),
        ("reason", json!("x".repeat(501))),
        ("reason", json!(null)),
    ] {
        site.post(PATH, Who::Peter, &with(good(), field, value)).await.names(field);
    }
    for field in ["from", "to", "reason"] {
        let mut incomplete = good();
        incomplete.as_object_mut().unwrap().remove(field);
        site.post(PATH, Who::Peter, &incomplete).await.names(field);
    }
    for (field, name, closest) in [("sensor", "oven/lift", "oven/left"), ("measure_type", "herz", "hertz")] {
        let detail = site.post(PATH, Who::Peter, &with(good(), field, name)).await.names(field);
        assert!(detail.ends_with(&format!("; the closest known name is `{closest}`")), "{detail}");
    }
    assert_eq!(site.get(PATH, Who::Peter).await.json(), json!([]));
}

#[tokio::test]
async fn flags_are_for_associated_scientists_alone() {
    let site = site().await;
    let good = body("2022-04-06T07:00:00Z", "2022-04-06T07:05:00Z");
    let location = flag(&site, 0, 5).await;
    let of_other = "/experiments/2/flags/1";
    for (who, status, code) in [
        (Who::Admin, 403, "forbidden"),
        (Who::Katie, 404, "not_found"),
        (Who::Nobody, 401, "unauthenticated"),
    ] {
        site.get(PATH, who).await.problem(status, code);
        site.post(PATH, who, &good).await.problem(status, code);
        // Errors are reported only to those who may set it.
        site.post(PATH, who, &with(good.clone(), "sensor", "x")).await.problem(status, code);
        site.delete(&location, who).await.problem(status, code);
    }
    site.delete(of_other, Who::Admin).await.problem(403, "forbidden");
    site.delete(of_other, Who::Katie).await.problem(404, "not_found");
    site.get("/experiments/99/flags/", Who::Admin).await.problem(403, "forbidden");
    for wrong in ["0", "x", "-1"] {
        site.delete(&format!("{PATH}{wrong}"), Who::Peter).await.names("flag_id");
    }
    assert_eq!(site.get(PATH, Who::Peter).await.json().as_array().unwrap().len(), 1);
    site.set_unreachable(true);
    site.post(PATH, Who::Peter, &good).await.problem(503, "unavailable");
}

#[tokio::test]
async fn an_experiment_has_so_many_flags_and_no_more() {
    let site = site().await;
    let moment = |nanos| Timestamp::from_unix_nanos(nanos).unwrap();
    let flag = |id| Flag {
        id: FlagId::new(id),
        range: FlagRange::new(moment(0), moment(1), None, None).unwrap(),
        reason: FlagReason::new("x").unwrap(),
        user_id: UserId::new("S001").unwrap(),
        created_at: moment(0),
    };
    let all = (1..=u64::from(MAX_FLAGS)).map(|id| (ExperimentId::new(1), flag(id)));
    site.memory.flags.lock().unwrap().extend(all);
    let refused = site.post(PATH, Who::Peter, &body("0", "1")).await.problem(409, "conflict");
    assert!(refused.contains(&MAX_FLAGS.to_string()), "{refused}");
    assert_eq!(site.delete("/experiments/1/flags/1", Who::Peter).await.status, 204);
    assert_eq!(site.post(PATH, Who::Peter, &body("0", "1")).await.status, 201);
}

#[tokio::test]
async fn flagged_measures_are_left_out_unless_asked_for() {
    let site = site().await;
    let all = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
    assert_eq!(minutes(&site.get("/measures/1", Who::Peter).await), all);
    assert_eq!(site.get("/measures/1?flagged=only", Who::Peter).await.json(), json!([]));
    assert_eq!(site.get("/measures/1?flagged=only&limit=2", Who::Peter).await.json(), json!([]));
    let location = flag(&site, 3, 6).await;
    for (query, expected) in [
        ("", &[9, 8, 7, 6, 2, 1, 0][..]),
        ("?flagged=exclude&order=asc", &[0, 1, 2, 6, 7, 8, 9]),
        ("?flagged=include", &all),
        ("?flagged=only", &[5, 4, 3]),
        ("?limit=5", &[9, 8, 7, 6, 2]),
        ("?limit=2&flagged=only", &[5, 4]),
        ("?type=hertz&sensor=&limit=100&order=asc", &[0, 1, 2, 6, 7, 8, 9]),
        ("?window=1m&order=asc", &[0, 1, 2, 6, 7, 8, 9]),
        ("?window=1m&flagged=only&limit=2", &[5, 4]),
        ("?max_points=1000&flagged=only", &[5, 4, 3]),
    ] {
        let answer = site.get(&format!("/measures/1{query}"), Who::Peter).await;
        assert_eq!(minutes(&answer), expected, "{query}");
    }
    for format in ["csv", "ndjson"] {
        let lines = async |query: &str| {
            let answer = site.get(&format!("/measures/1?format={format}{query}"), Who::Peter).await;
            answer.text.lines().filter(|line| line.contains("2022-04-06")).count()
        };
        assert_eq!(
            [lines("").await, lines("&flagged=only").await, lines("&flagged=include").await],
            [7, 3, 10]
        );
    }
    // Series ignore flags.
    assert_eq!(
        site.get("/experiments/1/series", Who::Peter).await.json()[0]["first"],
        "2022-04-06T07:00:00Z"
    );
    for wrong in ["both", "", "Only"] {
        site.get(&format!("/measures/1?flagged={wrong}"), Who::Peter).await.names("flagged");
    }
    assert_eq!(site.delete(&location, Who::Peter).await.status, 204);
    assert_eq!(minutes(&site.get("/measures/1", Who::Peter).await), all);
}

#[tokio::test]
async fn each_page_goes_by_the_flags_of_its_moment() {
    let site = site().await;
    flag(&site, 8, 9).await;
    for flagged in ["", "&flagged=exclude"] {
        let mut path = format!("/measures/1?limit=2{flagged}");
        let mut pages = Vec::new();
        loop {
            let page = site.get(&path, Who::Peter).await;
            pages.push(minutes(&page));
            let Some(link) = next(&page) else { break };
            assert_eq!(link.contains("flagged=exclude"), !flagged.is_empty(), "{link}");
            path = link;
        }
        assert_eq!(pages, [vec![9, 7], vec![6, 5], vec![4, 3], vec![2, 1], vec![0]]);
    }
    let first = site.get("/measures/1?limit=2", Who::Peter).await;
    let later = flag(&site, 5, 7).await;
    let link = next(&first).unwrap();
    assert_eq!(minutes(&site.get(&link, Who::Peter).await), [4, 3]);
    assert_eq!(site.delete(&later, Who::Peter).await.status, 204);
    assert_eq!(minutes(&site.get(&link, Who::Peter).await), [6, 5]);
    // A cursor belongs to what it was asked for.
    site.get(&format!("{link}&flagged=include"), Who::Peter).await.names("cursor");
}
