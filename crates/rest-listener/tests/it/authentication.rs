use reqwest::Method;
use reqwest::header::AUTHORIZATION;

use crate::site::{Site, Who, finish};

/// Every endpoint that requires a token, each with good and with bad input.
const PROTECTED: [(&str, &str); 22] = [
    ("GET", "/users/"),
    ("POST", "/users/"),
    ("GET", "/users/me"),
    ("GET", "/users/S001"),
    ("PUT", "/users/S001"),
    ("DELETE", "/users/S001"),
    ("GET", "/users/me/tokens/"),
    ("POST", "/users/me/tokens/"),
    ("DELETE", "/users/me/tokens/x"),
    ("GET", "/users/S001/tokens/"),
    ("DELETE", "/users/S001/tokens/1"),
    ("GET", "/experiments/"),
    ("POST", "/experiments/"),
    ("GET", "/experiments/1"),
    ("PUT", "/experiments/abc"),
    ("GET", "/scientists-experiments/"),
    ("POST", "/scientists-experiments/1/S002"),
    ("DELETE", "/scientists-experiments/x/%ff"),
    ("GET", "/measures/1"),
    ("GET", "/measures/1?form=1&limit=%zz"),
    ("GET", "/measures/%zz"),
    ("GET", "/measure-types/"),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test]
async fn an_invalid_token_reveals_nothing_else() {
    let site = Site::start().await;
    for (name, path) in PROTECTED {
        for who in [Who::Nobody, Who::Forger] {
            let answer = finish(site.request(method(name), path, who).body("{")).await;
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        let answer = finish(site.request(method(name), path, Who::Stranger)).await;
        answer.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn without_signing_keys_or_database_authentication_is_unavailable() {
    let site = Site::start().await;
    site.get("/users/me", Who::Unjudged).await.problem(503, "unavailable");
    site.set_unreachable(true);
    let answer = site.get("/users/me", Who::Peter).await;
    answer.problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    site.set_unreachable(false);
    assert_eq!(site.get("/users/me", Who::Peter).await.status, 200);
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_one_header_is_wanted() {
    let site = Site::start().await;
    let token = Who::Peter.token().unwrap();
    let ask = |values: Vec<String>| {
        let request = site.request(Method::GET, "/users/me", Who::Nobody);
        finish(values.into_iter().fold(request, |request, value| request.header(AUTHORIZATION, value)))
    };
    assert_eq!(ask(vec![format!("bEARER {token}")]).await.status, 200);
    for values in [
        vec![token.to_owned()],
        vec![format!("Basic {token}")],
        vec![format!("Bearer {token} {token}")],
        vec![format!("Bearer {token}"), format!("Bearer {token}")],
    ] {
        ask(values).await.problem(401, "unauthenticated");
    }
}
