use reqwest::Method;
use serde_json::json;

use crate::raw::RawClient;
use crate::site::{Site, Who, finish};

/// Every path with the methods it has.
const PATHS: [(&str, &str); 25] = [
    ("/users", "GET, HEAD, POST, OPTIONS"),
    ("/users/me", "GET, HEAD, OPTIONS"),
    ("/users/S001", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ("/users/S001/experiments", "GET, HEAD, OPTIONS"),
    ("/users/me/tokens", "GET, HEAD, POST, OPTIONS"),
    ("/users/me/tokens/1", "DELETE, OPTIONS"),
    ("/users/S001/tokens", "GET, HEAD, OPTIONS"),
    ("/users/S001/tokens/1", "DELETE, OPTIONS"),
    ("/experiments", "GET, HEAD, POST, OPTIONS"),
    ("/experiments/1", "GET, HEAD, PUT, OPTIONS"),
    ("/scientists-experiments", "GET, HEAD, OPTIONS"),
    ("/scientists-experiments/1", "GET, HEAD, PUT, OPTIONS"),
    ("/scientists-experiments/1/S001", "POST, DELETE, OPTIONS"),
    ("/measures/1", "GET, HEAD, OPTIONS"),
    ("/measure-types", "GET, HEAD, POST, OPTIONS"),
    ("/measure-types/1", "PUT, OPTIONS"),
    ("/publishers", "GET, HEAD, OPTIONS"),
    ("/publishers/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ("/experiments/1/series", "GET, HEAD, OPTIONS"),
    ("/experiments/1/sensors", "GET, HEAD, OPTIONS"),
    ("/experiments/1/sensors/left", "PUT, OPTIONS"),
    ("/experiments/1/flags", "GET, HEAD, POST, OPTIONS"),
    ("/experiments/1/flags/1", "DELETE, OPTIONS"),
    ("/health/live", "GET, HEAD, OPTIONS"),
    ("/health/ready", "GET, HEAD, OPTIONS"),
];

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_405_with_those_it_has() {
    let site = Site::start().await;
    for (path, allowed) in PATHS {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            if allowed.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            for path in [path.to_owned(), format!("{path}/")] {
                let answer = finish(site.request(method.parse().unwrap(), &path, Who::Nobody)).await;
                if method == "HEAD" {
                    assert_eq!(answer.status, 405, "{path}");
                } else {
                    answer.problem(405, "method_not_allowed");
                }
                assert_eq!(answer.header("allow"), allowed, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn options_lists_what_a_path_accepts() {
    let site = Site::start().await;
    for (path, allowed) in PATHS {
        let answer = finish(site.request(Method::OPTIONS, path, Who::Nobody)).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, allowed), "{path}");
        assert_eq!(answer.text, "");
    }
    finish(site.request(Method::OPTIONS, "/nowhere", Who::Nobody)).await.problem(404, "not_found");
    let mut raw = RawClient::connect(&site).await;
    raw.send("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let answer = raw.read_to_end().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let site = Site::start().await;
    for (path, who) in [
        ("/users/", Who::Admin),
        ("/users/S999", Who::Admin),
        ("/users/me", Who::Nobody),
        ("/experiments/1", Who::Peter),
        ("/scientists-experiments/", Who::Admin),
        ("/scientists-experiments/1", Who::Admin),
        ("/users/?limit=1", Who::Admin),
        ("/users/S001/experiments", Who::Peter),
        ("/measures/1?limit=3", Who::Peter),
        ("/measure-types/", Who::Peter),
        ("/health/live", Who::Nobody),
        ("/health/ready", Who::Nobody),
        ("/nowhere", Who::Nobody),
    ] {
        let get = site.get(path, who).await;
        let head = finish(site.request(Method::HEAD, path, who)).await;
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        for header in ["content-type", "content-length", "link", "www-authenticate", "cache-control"] {
            assert_eq!(head.headers.get(header), get.headers.get(header), "{path} {header}");
        }
    }
}

#[tokio::test]
async fn a_path_that_there_is_not_is_404() {
    let site = Site::start().await;
    for path in
        ["/nowhere", "/users/S001/name", "/users//", "//users", "/Users", "/users%2F", "/measures", "/health"]
    {
        let mut raw = RawClient::connect(&site).await;
        raw.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let answer = raw.read_to_end().await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("\"code\":\"not_found\""),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let site = Site::start().await;
    for (path, who) in [
        ("/users", Who::Admin),
        ("/users/me", Who::Peter),
        ("/users/S001", Who::Admin),
        ("/experiments", Who::Admin),
        ("/experiments/1", Who::Admin),
        ("/scientists-experiments", Who::Admin),
        ("/measures/1", Who::Peter),
        ("/measure-types", Who::Peter),
        ("/health/live", Who::Nobody),
        ("/health/ready", Who::Nobody),
    ] {
        let without = site.get(path, who).await;
        let with = site.get(&format!("{path}/"), who).await;
        assert_eq!((without.status.as_u16(), with.status.as_u16()), (200, 200), "{path}");
        assert_eq!(without.text, with.text, "{path}");
    }
    for path in ["/scientists-experiments/2/S001", "/scientists-experiments/2/S001/"] {
        assert_eq!(site.post_nothing(path, Who::Admin).await.status, 201);
        assert_eq!(site.delete(path, Who::Admin).await.status, 204);
    }
    assert_eq!(site.post("/experiments", Who::Admin, &json!({"name": "a"})).await.status, 201);
    assert_eq!(site.post("/experiments/", Who::Admin, &json!({"name": "b"})).await.status, 201);
    assert_eq!(site.delete("/users/S001/", Who::Admin).await.status, 204);
}

#[tokio::test]
async fn percent_encoding_makes_no_difference_where_it_means_none() {
    let site = Site::start().await;
    for path in ["/%75sers/%6De", "/users/%53%30%30%31/", "/users/m%65/"] {
        let mut raw = RawClient::connect(&site).await;
        raw.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            Who::Peter.token().unwrap()
        ))
        .await;
        let answer = raw.read_to_end().await.unwrap();
        assert!(answer.contains("\"user_id\":\"S001\""), "{path}: {answer}");
    }
}
