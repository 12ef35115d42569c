use mymonit_model::{ExperimentId, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::memory::ChunkFault;
use crate::site::{Site, Who, next};

fn bin(minute: u32, count: u32, [min, max, mean, std]: [f64; 4]) -> Value {
    json!({
        "experiment": "device-vibrations",
        "measure_type": "hertz",
        "timestamp": format!("2022-04-06T07:{minute:02}:00Z"),
        "count": count, "min": min, "max": max, "mean": mean, "std": std
    })
}

#[tokio::test]
async fn a_window_reduces_measures_to_bins_and_the_answer_says_so() {
    let site = Site::start().await;
    let answer = site.get("/measures/1?window=5m", Who::Peter).await;
    assert_eq!(answer.header("mymonit-window"), "300s");
    // 130, 110, 110, 105, 120 and 100, 95, 94, 110, 120.
    let later = bin(5, 5, [105.0, 130.0, 115.0, 8.944_271_909_999_16]);
    let earlier = bin(0, 5, [94.0, 120.0, 103.8, 9.887_365_675_446_62]);
    assert_eq!(answer.json(), json!([later, earlier]));
    assert_eq!(
        site.get("/measures/1?window=300000ms&order=asc", Who::Peter).await.json(),
        json!([earlier, later])
    );
    let unreduced = site.get("/measures/1", Who::Peter).await;
    assert!(unreduced.headers.get("mymonit-window").is_none());
}

#[tokio::test]
async fn a_number_of_points_finds_the_narrowest_round_window() {
    let site = Site::start().await;
    for (points, window, count) in
        [(1, "600s", 1), (2, "300s", 2), (9, "120s", 5), (10, "60s", 10), (100_000, "10ms", 10)]
    {
        let answer = site.get(&format!("/measures/1?max_points={points}"), Who::Peter).await;
        assert_eq!(answer.header("mymonit-window"), window, "{points}");
        assert_eq!(answer.json().as_array().unwrap().len(), count, "{points}");
    }
    // Only measures that are read count.
    let part = "/measures/1?max_points=2&from=2022-04-06T07:02:00Z&to=2022-04-06T07:04:00Z";
    assert_eq!(site.get(part, Who::Peter).await.header("mymonit-window"), "60s");
    let nothing = site.get("/measures/2?max_points=10", Who::Katie).await;
    assert_eq!((nothing.text.as_str(), nothing.header("mymonit-window")), ("[]", "1ns"));
}

#[tokio::test]
async fn bins_at_the_edges_hold_what_lies_between_from_and_to_only() {
    let site = Site::start().await;
    let path = "/measures/1?window=5m&order=asc&from=2022-04-06T07:03:00Z&to=2022-04-06T07:06:00Z";
    let bins = site.get(path, Who::Peter).await.json();
    assert_eq!(bins, json!([bin(0, 2, [110.0, 120.0, 115.0, 5.0]), bin(5, 1, [130.0, 130.0, 130.0, 0.0])]));
}

#[tokio::test]
async fn every_format_holds_bins() {
    let site = Site::start().await;
    let csv = site.get("/measures/1?window=1d&format=csv", Who::Peter).await;
    assert_eq!(
        csv.text,
        "experiment,measure_type,timestamp,count,min,max,mean,std,sensor\r\n\
         device-vibrations,hertz,2022-04-06T00:00:00Z,10,94.0,130.0,109.4,10.96540012949824,\r\n"
    );
    assert_eq!(csv.header("mymonit-window"), "86400s");
    let json = site.get("/measures/1?window=1d", Who::Peter).await.text;
    let ndjson = site.get("/measures/1?window=1d&format=ndjson", Who::Peter).await.text;
    assert_eq!(format!("[{}]", ndjson.trim_end()), json);
}

#[tokio::test]
async fn pages_of_bins_are_walked_by_their_links_and_are_the_whole() {
    let site = Site::start().await;
    for reduction in ["window=2m", "max_points=9", "window=1ns", "max_points=1"] {
        for order in ["asc", "desc"] {
            let whole = site.get(&format!("/measures/1?{reduction}&order={order}"), Who::Peter).await;
            for limit in 1..=11 {
                let mut walked = Vec::new();
                let mut page = site
                    .get(&format!("/measures/1?{reduction}&order={order}&limit={limit}"), Who::Peter)
                    .await;
                loop {
                    assert_eq!(page.header("mymonit-window"), whole.header("mymonit-window"));
                    let bins = page.json().as_array().unwrap().clone();
                    assert!(bins.len() <= limit);
                    walked.extend(bins);
                    let Some(link) = next(&page) else { break };
                    page = site.get(&link, Who::Peter).await;
                }
                assert_eq!(Value::Array(walked), whole.json(), "{reduction} {order} {limit}");
            }
        }
    }
}

#[tokio::test]
async fn pages_keep_the_window_of_the_first_one_whatever_arrives_meanwhile() {
    let site = Site::start().await;
    let whole = site.get("/measures/1?max_points=5&order=asc", Who::Peter).await;
    let first = site.get("/measures/1?max_points=5&order=asc&limit=3", Who::Peter).await;
    // A measure a year later would widen the bins; it is outside the range that was divided into
    // five.
    let later = "2023-04-06T07:00:00Z".parse::<Timestamp>().unwrap();
    site.memory.add_measure(ExperimentId::new(1), later, 1.0);
    let second = site.get(&next(&first).unwrap(), Who::Peter).await;
    assert_eq!(second.header("mymonit-window"), "120s");
    let bins = [first.json().as_array().unwrap().clone(), second.json().as_array().unwrap().clone()].concat();
    assert_eq!(Value::Array(bins), whole.json());
}

#[tokio::test]
async fn a_cursor_goes_on_with_its_own_reading_only() {
    let site = Site::start().await;
    let queries = [
        "limit=2",
        "limit=2&order=asc",
        "limit=2&from=2022-04-06T07:00:00Z",
        "limit=2&to=2023-04-06T07:00:00Z",
        "limit=2&type=hertz",
        "limit=2&window=1m",
        "limit=2&window=2m",
        "limit=2&max_points=10",
        "limit=2&max_points=9",
        "limit=2&max_points=10&order=asc",
    ];
    for query in queries {
        let link = next(&site.get(&format!("/measures/1?{query}"), Who::Peter).await).unwrap();
        let (_, cursor) = link.split_once("&cursor=").unwrap();
        assert_eq!(site.get(&link, Who::Peter).await.status, 200, "{query}");
        for other in queries.iter().filter(|other| **other != query) {
            site.get(&format!("/measures/1?{other}&cursor={cursor}"), Who::Peter).await.names("cursor");
        }
        site.get(&format!("/measures/2?{query}&cursor={cursor}"), Who::Katie).await.names("cursor");
        for length in [0, 1, cursor.len() - 1] {
            let cut = &cursor[..length];
            site.get(&format!("/measures/1?{query}&cursor={cut}"), Who::Peter).await.names("cursor");
        }
        // Another size of the pages is the same reading.
        let larger = query.replace("limit=2", "limit=3");
        assert_eq!(site.get(&format!("/measures/1?{larger}&cursor={cursor}"), Who::Peter).await.status, 200);
    }
}

#[tokio::test]
async fn bins_are_for_associated_scientists_only() {
    let site = Site::start().await;
    for query in ["window=1m", "max_points=10", "window=1m&max_points=10"] {
        site.get(&format!("/measures/1?{query}"), Who::Admin).await.problem(403, "forbidden");
        site.get(&format!("/measures/1?{query}"), Who::Katie).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_long_reading_is_reduced_whole() {
    let site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = 123_456;
    let bins = site.get("/measures/1?window=1h&order=asc", Who::Peter).await.json();
    let bins = bins.as_array().unwrap();
    assert_eq!(bins.len(), 35);
    assert_eq!(bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum::<u64>(), 123_456);
    assert_eq!((&bins[1]["count"], &bins[1]["mean"]), (&json!(3600), &json!(5400.0)));
}

#[tokio::test]
async fn a_failure_half_way_breaks_a_reduced_reading_too() {
    let site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000;
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((4, ChunkFault::Fails));
    let response =
        site.request(Method::GET, "/measures/1?window=1h&order=asc", Who::Peter).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap_err();
    // A page is made before it is answered.
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((8, ChunkFault::Fails));
    let page = "/measures/1?window=1h&order=asc&limit=1000";
    site.get(page, Who::Peter).await.problem(503, "unavailable");
}
