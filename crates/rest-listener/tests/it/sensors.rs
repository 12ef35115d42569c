//! Sensors in readings, the list of sensors, and series.

use mymonit_model::{
    Description, ExperimentId, MeasureId, MeasureValue, Sensor, SensorId, SensorName, StoredMeasure,
    Timestamp,
};
use reqwest::Method;
use serde_json::json;

use crate::memory::HERTZ;
use crate::site::{Site, Who, finish, next};

const NAMES: [&str; 2] = ["oven/left", "öfen rechts"];

/// Adds two sensors to the first experiment. Each has a measure after the example data and one at a
/// common time, which a third measure without sensor shares.
async fn site() -> Site {
    let site = Site::start().await;
    let experiment = ExperimentId::new(1);
    let timestamp = Timestamp::from_unix_nanos(1_700_000_000_000_000_000).unwrap();
    for number in [0, 1, 2] {
        let sensor = SensorId::new(number);
        if let Some(id) = sensor {
            let name = SensorName::new(NAMES[number as usize - 1]).unwrap();
            let sensor = Sensor { id, name, description: Description::default() };
            site.memory.sensors.lock().unwrap().push((experiment, sensor));
        }
        let measure = StoredMeasure {
            id: MeasureId::new(100 + u64::from(number)),
            measure_type: HERTZ,
            sensor,
            timestamp,
            value: MeasureValue::new(f64::from(number)).unwrap(),
        };
        site.memory.measures.lock().unwrap().push((experiment, measure));
    }
    site
}

#[tokio::test]
async fn a_sensor_is_in_an_object_only_where_there_is_one_and_in_a_table_always() {
    let site = site().await;
    let objects = site.get("/measures/1?limit=3", Who::Peter).await.json();
    assert_eq!([&objects[0]["sensor"], &objects[1]["sensor"]], ["öfen rechts", "oven/left"]);
    assert!(objects[2].get("sensor").is_none(), "{objects}");
    let csv = site.get("/measures/1?limit=3&format=csv", Who::Peter).await.text;
    let last: Vec<_> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(last, ["sensor", "öfen rechts", "oven/left", ""]);
}

#[tokio::test]
async fn measures_are_read_by_sensor_or_without_one() {
    let site = site().await;
    for (query, expected) in [
        ("sensor=oven%2Fleft", vec![1.0]),
        ("sensor=oven%2Fleft&sensor=%C3%B6fen+rechts", vec![2.0, 1.0]),
        ("sensor=&sensor=oven/left&limit=2", vec![1.0, 0.0]),
        ("sensor=&limit=1", vec![0.0]),
    ] {
        let answer = site.get(&format!("/measures/1?{query}"), Who::Peter).await;
        let values = answer.json();
        let values: Vec<_> =
            values.as_array().unwrap().iter().map(|each| each["value"].as_f64().unwrap()).collect();
        assert_eq!(values, expected, "{query}");
    }
}

#[tokio::test]
async fn an_unknown_sensor_is_named_with_the_closest_one_to_those_who_may_read_only() {
    let site = site().await;
    let detail = site.get("/measures/1?sensor=oven/lift", Who::Peter).await.names("sensor");
    assert!(detail.ends_with("; the closest known name is `oven/left`"), "{detail}");
    let detail = site.get("/measures/1?sensor=x", Who::Peter).await.names("sensor");
    assert!(!detail.contains("closest"), "{detail}");
    for wrong in [".", "a%00", "%20"] {
        site.get(&format!("/measures/1?sensor={wrong}"), Who::Peter).await.names("sensor");
    }
    site.get("/measures/1?sensor=oven/lift", Who::Katie).await.problem(404, "not_found");
    site.get("/measures/1?sensor=oven/lift", Who::Admin).await.problem(403, "forbidden");
    site.get("/measures/1?sensor=oven/lift", Who::Forger).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_cursor_belongs_to_its_sensors() {
    let site = site().await;
    let first = site.get("/measures/1?sensor=&sensor=oven/left&limit=1", Who::Peter).await;
    let link = next(&first).unwrap();
    let second = site.get(&link, Who::Peter).await.json();
    assert_eq!(second[0]["value"], 0.0);
    let other = link.replace("sensor=&", "");
    site.get(&other, Who::Peter).await.names("cursor");
}

#[tokio::test]
async fn bins_are_made_for_each_sensor_and_paged_in_order() {
    let site = site().await;
    for (order, expected) in
        [("asc", [None, Some(NAMES[0]), Some(NAMES[1])]), ("desc", [Some(NAMES[1]), Some(NAMES[0]), None])]
    {
        let mut path = format!("/measures/1?window=1d&from=1699999999&order={order}&limit=1");
        let mut found = Vec::new();
        loop {
            let page = site.get(&path, Who::Peter).await;
            let bins = page.json();
            assert_eq!((bins.as_array().unwrap().len(), &bins[0]["count"]), (1, &json!(1)));
            found.push(bins[0].get("sensor").map(|sensor| sensor.as_str().unwrap().to_owned()));
            match next(&page) {
                Some(link) => path = link,
                None => break,
            }
        }
        assert_eq!(found, expected.map(|name| name.map(str::to_owned)), "{order}");
    }
}

#[tokio::test]
async fn series_have_their_first_and_last_time_and_their_latest_value() {
    let site = site().await;
    let series = site.get("/experiments/1/series", Who::Peter).await.json();
    let one = |sensor: Option<&str>, first, value: f64| {
        json!({
            "sensor": sensor, "measure_type": "hertz", "symbol": "Hz", "first": first,
            "last": "2023-11-14T22:13:20Z", "latest_value": value,
        })
    };
    let at = "2023-11-14T22:13:20Z";
    let expected =
        [one(None, "2022-04-06T07:00:00Z", 0.0), one(Some(NAMES[0]), at, 1.0), one(Some(NAMES[1]), at, 2.0)];
    assert_eq!(series, json!(expected));
    assert_eq!(site.get("/experiments/2/series/", Who::Katie).await.json(), json!([]));
    for path in ["/experiments/2/series", "/experiments/99/series"] {
        site.get(path, Who::Peter).await.problem(404, "not_found");
        site.get(path, Who::Admin).await.problem(403, "forbidden");
    }
    site.get("/experiments/1/series?x=1", Who::Peter).await.names("x");
    site.set_unreachable(true);
    site.get("/experiments/1/series", Who::Peter).await.problem(503, "unavailable");
}

#[tokio::test]
async fn a_sensor_is_described_and_neither_created_nor_renamed() {
    let site = site().await;
    let path = "/experiments/1/sensors/oven%2Fleft";
    let body = |name: &str, description: &str| json!({ "name": name, "description": description });
    let described = site.put(path, Who::Admin, &body(NAMES[0], " PT100 ")).await;
    assert_eq!((described.status.as_u16(), described.json()), (200, body(NAMES[0], "PT100")));
    for who in [Who::Peter, Who::Admin] {
        let list = site.get("/experiments/1/sensors/", who).await.json();
        assert_eq!(list, json!([body(NAMES[0], "PT100"), body(NAMES[1], "")]));
    }
    site.put(path, Who::Admin, &body("oven", "")).await.names("name");
    site.put(path, Who::Admin, &body(NAMES[0], &"x".repeat(2_001))).await.names("description");
    site.send(Method::PUT, path, Who::Admin, "{\"name\":\"oven/left\"}").await.names("description");
    for absent in
        ["/experiments/1/sensors/oven", "/experiments/2/sensors/oven", "/experiments/99/sensors/oven"]
    {
        site.put(absent, Who::Admin, &body("oven", "")).await.problem(404, "not_found");
        site.put(absent, Who::Peter, &body("oven", "")).await.problem(403, "forbidden");
    }
    site.get("/experiments/1/sensors/", Who::Katie).await.problem(404, "not_found");
    site.get("/experiments/99/sensors/", Who::Admin).await.problem(404, "not_found");
    finish(site.request(Method::GET, path, Who::Admin)).await.problem(405, "method_not_allowed");
}
