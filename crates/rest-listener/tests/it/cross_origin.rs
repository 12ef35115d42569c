use mymonit_rest_listener::AllowedOrigins;
use reqwest::Method;

use crate::site::{Answer, Site, Who, finish, patient};

const PAGE: &str = "https://monit.example.org";
const OTHER_PAGE: &str = "https://other.example.org";

async fn ask(site: &Site, method: Method, path: &str, who: Who, origin: &str) -> Answer {
    finish(site.request(method, path, who).header("Origin", origin)).await
}

/// What a browser asks before it lets a page send a token.
async fn preflight(site: &Site, path: &str, origin: &str) -> Answer {
    let request = site.request(Method::OPTIONS, path, Who::Nobody).header("Origin", origin);
    finish(
        request
            .header("Access-Control-Request-Method", "PUT")
            .header("Access-Control-Request-Headers", "authorization,content-type"),
    )
    .await
}

/// The headers that let a page in.
fn leave(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(|name| name.as_str());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn no_page_of_another_origin_may_read_anything_unless_configured() {
    let site = Site::start().await;
    for answer in [
        ask(&site, Method::GET, "/users/me", Who::Peter, PAGE).await,
        ask(&site, Method::GET, "/users/me", Who::Nobody, PAGE).await,
        preflight(&site, "/users/S001", PAGE).await,
    ] {
        assert!(leave(&answer).is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_page_of_a_configured_origin_may_read_answers_and_refusals_and_no_other_page_may() {
    let origins = AllowedOrigins::new(["http://localhost:8080", PAGE]).unwrap();
    let site = Site::start_for(patient(), origins).await;
    for (path, who, status) in [
        ("/users/me", Who::Peter, 200),
        ("/users/me", Who::Nobody, 401),
        ("/nowhere", Who::Peter, 404),
        ("/measures/1?limit=1", Who::Peter, 200),
    ] {
        let answer = ask(&site, Method::GET, path, who, PAGE).await;
        assert_eq!(answer.status, status);
        assert_eq!(leave(&answer), ["access-control-allow-origin", "access-control-expose-headers"]);
        assert_eq!(answer.header("access-control-allow-origin"), PAGE);
        let exposed = answer.header("access-control-expose-headers");
        assert!(["link", "location", "x-request-id"].iter().all(|name| exposed.contains(name)), "{exposed}");
        assert!(answer.headers.get_all("vary").iter().any(|name| name == "origin"), "{answer:?}");

        for origin in [OTHER_PAGE, "null", "https://monit.example.org:8443", "http://monit.example.org"] {
            let answer = ask(&site, Method::GET, path, who, origin).await;
            assert_eq!((answer.status.as_u16(), leave(&answer).len()), (status, 0), "{origin}");
            assert!(answer.headers.get_all("vary").iter().any(|name| name == "origin"), "{answer:?}");
        }
        let answer = finish(site.request(Method::GET, path, who)).await;
        assert!(leave(&answer).is_empty());
    }
}

#[tokio::test]
async fn a_preflight_lists_what_a_path_accepts() {
    let site = Site::start_for(patient(), AllowedOrigins::new([PAGE]).unwrap()).await;
    let answer = preflight(&site, "/users/S001", PAGE).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, PUT, DELETE, OPTIONS");
    assert!(answer.header("access-control-allow-headers").contains("authorization"));
    assert_eq!(answer.header("access-control-max-age"), "600");
    assert!(answer.headers.get("access-control-allow-credentials").is_none());

    assert!(leave(&preflight(&site, "/users/S001", OTHER_PAGE).await).is_empty());
    let nowhere = preflight(&site, "/nowhere", PAGE).await;
    assert_eq!((nowhere.status.as_u16(), nowhere.headers.get("access-control-allow-methods")), (404, None));
}
