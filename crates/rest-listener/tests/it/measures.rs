use mymonit_model::{ExperimentId, Timestamp};
use serde_json::{Value, json};

use crate::site::{Answer, Site, Who, next};

fn values(answer: &Answer) -> Vec<f64> {
    let measures = answer.json();
    measures.as_array().unwrap().iter().map(|measure| measure["value"].as_f64().unwrap()).collect()
}

#[tokio::test]
async fn measures_come_newest_first_each_field_under_its_name() {
    let site = Site::start().await;
    let answer = site.get("/measures/1", Who::Peter).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(values(&answer), [120.0, 105.0, 110.0, 110.0, 130.0, 120.0, 110.0, 94.0, 95.0, 100.0]);
    assert_eq!(
        answer.json()[0],
        json!({
            "experiment": "device-vibrations",
            "measure_type": "hertz",
            "timestamp": "2022-04-06T07:09:00Z",
            "value": 120.0
        })
    );
    assert!(answer.headers.get("link").is_none());
}

#[tokio::test]
async fn an_experiment_without_measures_is_an_empty_array() {
    let site = Site::start().await;
    let answer = site.get("/measures/2", Who::Katie).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "[]"));
}

#[tokio::test]
async fn measures_are_for_associated_scientists_only() {
    let site = Site::start().await;
    site.get("/measures/1", Who::Admin).await.problem(403, "forbidden");
    let other = site.get("/measures/1", Who::Katie).await.problem(404, "not_found");
    let absent = site.get("/measures/99", Who::Katie).await.problem(404, "not_found");
    assert_eq!(other, absent);
}

#[tokio::test]
async fn a_time_range_includes_its_beginning_and_not_its_end() {
    let site = Site::start().await;
    for query in [
        "from=2022-04-06T07:02:00Z&to=2022-04-06T07:04:00Z",
        "from=1649228520&to=1649228640",
        "from=1649228520.0&to=1.64922864e9",
        "from=2022-04-06T07%3A02%3A00%2B00%3A00&to=2022-04-06T09:04:00%2B02:00",
        // As typed by hand: a `+` that is not percent-encoded.
        "from=2022-04-06T09:02:00+02:00&to=2022-04-06T09:04:00+02:00",
        // As some tools then mend it.
        "from=2022-04-06T09:02:00%2002:00&to=1.64922864e+9",
        "from=2022-04-06+09:02:00+02:00&to=2022-04-06%2009:04:00%2B02:00",
    ] {
        let answer = site.get(&format!("/measures/1?{query}"), Who::Peter).await;
        assert_eq!(values(&answer), [110.0, 94.0], "{query}");
    }
    assert_eq!(site.get("/measures/1?from=2100-01-01T00:00:00Z", Who::Peter).await.text, "[]");
}

#[tokio::test]
async fn times_relative_to_now_are_resolved_once_and_absolute_in_the_link() {
    let site = Site::start().await;
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for (ago, value) in [(60, 1.0), (1_800, 2.0), (5_400, 3.0), (86_400, 4.0)] {
        let nanos = i64::try_from(seconds - ago).unwrap() * 1_000_000_000;
        site.memory.add_measure(ExperimentId::new(2), Timestamp::from_unix_nanos(nanos).unwrap(), value);
    }
    for (query, expected) in [
        ("from=now-1h", &[1.0, 2.0][..]),
        ("from=now-2h&to=now-10m", &[2.0, 3.0]),
        ("from=now-1w&to=now", &[1.0, 2.0, 3.0, 4.0]),
        ("to=now-7000s", &[4.0]),
    ] {
        assert_eq!(values(&site.get(&format!("/measures/2?{query}"), Who::Katie).await), expected, "{query}");
    }
    let first = site.get("/measures/2?from=now-2h&to=now&limit=2&order=asc", Who::Katie).await;
    let link = next(&first).unwrap();
    assert!(!link.contains("now") && link.contains("from=20") && link.contains("to=20"), "{link}");
    let second = site.get(&link, Who::Katie).await;
    assert_eq!([values(&first), values(&second)].concat(), [3.0, 2.0, 1.0]);
    assert!(next(&second).is_none());
}

#[tokio::test]
async fn order_and_types_are_chosen_by_parameters() {
    let site = Site::start().await;
    let answer = site.get("/measures/1?order=asc", Who::Peter).await;
    assert_eq!(values(&answer), [100.0, 95.0, 94.0, 110.0, 120.0, 130.0, 110.0, 110.0, 105.0, 120.0]);
    assert_eq!(values(&site.get("/measures/1?type=hertz&order=desc", Who::Peter).await).len(), 10);
    assert_eq!(values(&site.get("/measures/1?type=degree+Celsius", Who::Peter).await).len(), 0);
    assert_eq!(values(&site.get("/measures/1?type=degree%20Celsius&type=hertz", Who::Peter).await).len(), 10);
}

#[tokio::test]
async fn pages_are_walked_by_their_links_and_are_the_whole() {
    let site = Site::start().await;
    for (path, count) in [
        ("/measures/1?limit=3", 10),
        ("/measures/1/?limit=1&order=asc", 10),
        ("/measures/1?limit=5&from=2022-04-06T09:00:00+02:00&type=hertz&type=degree+Celsius", 10),
        ("/measures/1?limit=2&to=2022-04-06T07:05:00Z", 5),
        ("/measures/1?limit=10", 10),
        ("/measures/1?limit=11", 10),
    ] {
        let unpaged = path.replace("limit=", "cursor=").split_once("cursor=").unwrap().1.to_owned();
        let rest = unpaged.split_once('&').map_or("", |(_, rest)| rest);
        let whole = site.get(&format!("/measures/1?{rest}"), Who::Peter).await.json();
        let mut walked: Vec<Value> = Vec::new();
        let mut page = site.get(path, Who::Peter).await;
        loop {
            walked.extend(page.json().as_array().unwrap().iter().cloned());
            let Some(link) = next(&page) else { break };
            assert_eq!(link.matches("cursor=").count(), 1, "{link}");
            page = site.get(&link, Who::Peter).await;
        }
        assert_eq!(Value::Array(walked), whole, "{path}");
        assert_eq!(whole.as_array().unwrap().len(), count, "{path}");
    }
}

#[tokio::test]
async fn a_link_keeps_all_other_parameters_encoded_anew() {
    let site = Site::start().await;
    let path = "/measures/1?type=hertz&from=2022-04-06T09:00:00+02:00&limit=1&type=degree+Celsius";
    let link = next(&site.get(path, Who::Peter).await).unwrap();
    let (kept, _cursor) = link.split_once("&cursor=").unwrap();
    assert_eq!(
        kept,
        "/measures/1?type=hertz&from=2022-04-06T09%3A00%3A00%2B02%3A00&limit=1&type=degree%20Celsius"
    );
}

#[tokio::test]
async fn times_and_values_are_exact() {
    let site = Site::start().await;
    let moment = Timestamp::from_unix_nanos(1_650_000_000_000_000_001).unwrap();
    for value in [-0.0, 5e-324, f64::MAX, 0.1 + 0.2] {
        site.memory.add_measure(ExperimentId::new(2), moment, value);
    }
    let answer = site.get("/measures/2?order=asc", Who::Katie).await;
    let bits: Vec<_> = values(&answer).iter().map(|value| value.to_bits()).collect();
    assert_eq!(bits, [-0.0, 5e-324, f64::MAX, 0.1 + 0.2].map(f64::to_bits));
    assert_eq!(answer.json()[0]["timestamp"], "2022-04-15T05:20:00.000000001Z");
}

#[tokio::test]
async fn measure_types_are_for_every_user() {
    let site = Site::start().await;
    for who in [Who::Admin, Who::Peter] {
        let answer = site.get("/measure-types/", who).await;
        assert_eq!(
            answer.json(),
            json!([
                {"measure_type_id": 1, "name": "hertz", "symbol": "Hz", "quantity": "frequency"},
                {"measure_type_id": 16, "name": "degree Celsius", "symbol": "°C", "quantity": "Celsius temperature"}
            ])
        );
    }
}

#[tokio::test]
async fn administrators_add_and_correct_measure_types() {
    let site = Site::start().await;
    let body = |name: &str, symbol: &str| json!({"name": name, "symbol": symbol, "quantity": "torque"});
    let created = site.post("/measure-types/", Who::Admin, &body(" newton metre ", "Nm")).await;
    let location = (created.status.as_u16(), created.header("location").to_owned());
    assert_eq!(location, (201, "/measure-types/17".to_owned()));
    let stored = json!({"measure_type_id": 17, "name": "newton metre", "symbol": "Nm", "quantity": "torque"});
    assert_eq!(created.json(), stored);

    let mut corrected = stored.clone();
    corrected["symbol"] = json!("N m");
    let answer = site.put("/measure-types/17", Who::Admin, &corrected).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, corrected.clone()));
    assert_eq!(site.get("/measure-types/", Who::Peter).await.json()[2], corrected);

    for (name, symbol, status, code, word) in [
        ("hertz", "new", 409, "conflict", "`name`"),
        ("new", "Hz", 409, "conflict", "`symbol`"),
        (" ", "new", 400, "invalid_argument", "`name`"),
        ("new", "", 400, "invalid_argument", "`symbol`"),
    ] {
        let answer = site.post("/measure-types/", Who::Admin, &body(name, symbol)).await;
        let detail = answer.problem(status, code).to_owned();
        assert!(detail.contains(word), "{detail}");
    }
    let mut renamed = stored.clone();
    renamed["name"] = json!("metre newton");
    let mut other_id = stored.clone();
    other_id["measure_type_id"] = json!(1);
    let mut taken = stored.clone();
    taken["symbol"] = json!("Hz");
    for (body, status, code, word) in [
        (renamed, 400, "invalid_argument", "`name`"),
        (other_id, 400, "invalid_argument", "`measure_type_id`"),
        (taken, 409, "conflict", "`symbol`"),
    ] {
        let answer = site.put("/measure-types/17", Who::Admin, &body).await;
        let detail = answer.problem(status, code).to_owned();
        assert!(detail.contains(word), "{detail}");
    }
    site.put("/measure-types/99", Who::Admin, &body("hertz", "new")).await.problem(404, "not_found");
    site.put("/measure-types/0", Who::Admin, &body("hertz", "new")).await.problem(400, "invalid_argument");
    site.post("/measure-types/", Who::Peter, &body("new", "new")).await.problem(403, "forbidden");
    site.put("/measure-types/1", Who::Peter, &body("hertz", "Hz")).await.problem(403, "forbidden");
}
