use reqwest::Method;

use crate::raw::RawClient;
use crate::site::{Site, Who, finish};

#[tokio::test]
async fn an_experiment_id_that_is_no_positive_integer_is_named() {
    let site = Site::start().await;
    for id in ["abc", "0", "-1", "+1", "1.0", "4294967296", "%20", "1%20", "%C3%A9", "99999999999999999999"] {
        for (path, who) in [("/experiments/", Who::Admin), ("/measures/", Who::Peter)] {
            site.get(&format!("{path}{id}"), who).await.names("experiment_id");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_wrongly_encoded_is_refused() {
    let site = Site::start().await;
    for path in ["/users/%ff", "/experiments/%C3", "/users/%zz", "/users/%", "/users/%4", "/measures/1%zz"] {
        // Not through a client that would mend the path.
        let mut raw = RawClient::connect(&site).await;
        raw.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            Who::Admin.token().unwrap()
        ))
        .await;
        let answer = raw.read_to_end().await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("`path`"), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn each_parameter_of_a_reading_is_checked_by_name() {
    let site = Site::start().await;
    for (field, wrong) in [
        ("from", ""),
        ("from", "Now"),
        ("from", "now-"),
        ("from", "now-1"),
        ("from", "now-1.5h"),
        ("from", "now%2B1h"),
        ("to", "now-1y"),
        ("to", "now-10000d"),
        ("from", "2022-04-06"),
        ("from", "2022-04-06T07:00:00"),
        ("to", "1969-12-31T23:59:59Z"),
        ("to", "2263-01-01T00:00:00Z"),
        ("to", "-1"),
        ("to", "1e99"),
        ("to", "2022-04-06%0007:00:00Z"),
        ("type", "parsec"),
        ("type", ""),
        ("type", "hertz%00"),
        ("type", "hertz&type=parsec"),
        ("order", ""),
        ("order", "up"),
        ("order", "DESC"),
        ("limit", ""),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "+1"),
        ("limit", "1.5"),
        ("limit", "ten"),
        ("limit", "100001"),
        ("limit", "99999999999999999999"),
        ("cursor", ""),
        ("cursor", "forged"),
        ("cursor", "%C3%A9"),
        ("window", ""),
        ("window", "0s"),
        ("window", "10"),
        ("window", "1.5s"),
        ("window", "-1s"),
        ("window", "1w"),
        ("window", "100000d"),
        ("max_points", ""),
        ("max_points", "0"),
        ("max_points", "-1"),
        ("max_points", "ten"),
        ("max_points", "100001"),
        ("format", ""),
        ("format", "xml"),
        ("format", "CSV"),
        ("from", "%zz"),
        ("type", "%ff"),
        ("limit", "1%"),
    ] {
        site.get(&format!("/measures/1?{field}={wrong}"), Who::Peter).await.names(field);
        if !field.contains("type") {
            site.get(&format!("/measures/1?{field}={wrong}&{field}={wrong}"), Who::Peter).await.names(field);
        }
    }
    for range in [
        "from=2&to=1",
        "from=1&to=1",
        "from=now&to=now",
        "from=now-1h&to=now-2h",
        "from=2&to=1&limit=5&window=1s",
    ] {
        let detail = site.get(&format!("/measures/1?{range}"), Who::Peter).await.names("from");
        assert!(detail.contains("`to`"), "{detail}");
    }
    let detail = site.get("/measures/1?window=1m&max_points=10", Who::Peter).await.names("max_points");
    assert!(detail.contains("`window`"), "{detail}");
    for twice in [
        "from=1&from=1",
        "to=1&to=1",
        "order=asc&order=asc",
        "limit=1&limit=1",
        "cursor=x&cursor=x",
        "window=1s&window=1s",
        "max_points=1&max_points=1",
        "format=csv&format=csv",
        "limit&limit=1",
    ] {
        let detail =
            site.get(&format!("/measures/1?{twice}"), Who::Peter).await.problem(400, "invalid_argument");
        assert!(detail.contains("may be given only once"), "{detail}");
    }
}

#[tokio::test]
async fn a_misspelt_parameter_does_not_silently_give_another_answer() {
    let site = Site::start().await;
    let detail = site.get("/measures/1?form=2022-04-06T07:05:00Z", Who::Peter).await.names("form");
    assert!(
        detail.contains(
            "`from`, `to`, `type`, `sensor`, `flagged`, `order`, `limit`, `cursor`, `max_points`, `window`, `format`"
        ),
        "{detail}"
    );
    for query in ["From=1", "limit%20=1", "=1", "a%26b=1"] {
        site.get(&format!("/measures/1?{query}"), Who::Peter).await.problem(400, "invalid_argument");
    }
    site.get("/measures/1?%zz=1", Who::Peter).await.names("query");
    let long = "x".repeat(5_000);
    assert!(site.get(&format!("/measures/1?{long}=1"), Who::Peter).await.text.len() < 500);
}

#[tokio::test]
async fn a_request_that_takes_no_parameters_refuses_them() {
    let site = Site::start().await;
    for (method, path) in [
        ("POST", "/users/?limit=1"),
        ("GET", "/users/me?limit=1"),
        ("GET", "/users/S001?limit=1"),
        ("PUT", "/users/S001?limit=1"),
        ("DELETE", "/users/S001?limit=1"),
        ("POST", "/experiments/?limit=1"),
        ("GET", "/experiments/1?limit=1"),
        ("PUT", "/experiments/1?limit=1"),
        ("GET", "/scientists-experiments/?limit=1"),
        ("POST", "/scientists-experiments/2/S001?limit=1"),
        ("DELETE", "/scientists-experiments/1/S001?limit=1"),
        ("GET", "/measure-types/?limit=1"),
    ] {
        let method: Method = method.parse().unwrap();
        finish(site.request(method, path, Who::Admin)).await.names("limit");
    }
    assert_eq!(site.get("/users/?", Who::Admin).await.status, 200);
    assert_eq!(site.get("/users/S001", Who::Admin).await.status, 200);
}
