use mymonit_model::{ExperimentId, Timestamp};
use serde_json::{Value, json};

use crate::site::{Answer, Site, Who};

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
        // As people type it: a `+` that stands for itself.
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
async fn order_and_types_are_chosen_by_parameters() {
    let site = Site::start().await;
    let answer = site.get("/measures/1?order=asc", Who::Peter).await;
    assert_eq!(values(&answer), [100.0, 95.0, 94.0, 110.0, 120.0, 130.0, 110.0, 110.0, 105.0, 120.0]);
    assert_eq!(values(&site.get("/measures/1?type=hertz&order=desc", Who::Peter).await).len(), 10);
    assert_eq!(values(&site.get("/measures/1?type=degree+Celsius", Who::Peter).await).len(), 0);
    assert_eq!(values(&site.get("/measures/1?type=degree%20Celsius&type=hertz", Who::Peter).await).len(), 10);
}

/// The address in a `Link: <…>; rel="next"` header.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
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
async fn times_and_values_come_out_to_the_last_digit() {
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
