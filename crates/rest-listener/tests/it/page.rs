//! `/static/`: the page and its requests before sign-in.

use std::sync::Arc;

use async_trait::async_trait;
use mymonit_rest_listener::{AllowedOrigins, EvaluationTokens, EvaluationUser, FirebaseProject, SignIn};
use mymonit_services::ServiceError;
use reqwest::Method;
use serde_json::json;

use crate::site::{Answer, Site, Who, finish, patient};

/// One user, whose tokens are letters.
struct Door;

#[async_trait]
impl EvaluationTokens for Door {
    async fn users(&self) -> Result<Vec<EvaluationUser>, ServiceError> {
        Ok(vec![EvaluationUser { user_id: "S001".into(), name: "Peter Higg".into(), role: "SCIENTIST" }])
    }

    async fn token(&self, user_id: &str) -> Result<Option<String>, ServiceError> {
        Ok((user_id == "S001").then(|| "abc".to_owned()))
    }
}

async fn site(sign_in: SignIn) -> Site {
    Site::start_with_page(patient(), AllowedOrigins::default(), sign_in).await
}

async fn firebase(api_key: Option<&str>, emulator: Option<&str>) -> Site {
    site(SignIn::Firebase(FirebaseProject::new("demo-monit", api_key, emulator).unwrap())).await
}

async fn get(site: &Site, path: &str) -> Answer {
    site.get(path, Who::Nobody).await
}

#[tokio::test]
async fn the_beginning_leads_to_the_page() {
    let site = firebase(None, None).await;
    for path in ["/", "/static", "/static/"] {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn the_page_runs_its_own_script_and_talks_to_firebase_only() {
    for (emulator, elsewhere) in [
        (None, "https://identitytoolkit.googleapis.com https://securetoken.googleapis.com"),
        (Some("127.0.0.1:9099"), "http://127.0.0.1:9099"),
    ] {
        let site = firebase(Some("key"), emulator).await;
        let answer = get(&site, "/static/index.html").await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains(&format!("connect-src 'self' {elsewhere};")), "{policy}");
        assert!(policy.contains("script-src 'self';") && policy.contains("style-src 'self';"), "{policy}");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("trusted-types 'none'"),
            "{policy}"
        );
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    }
}

#[tokio::test]
async fn the_page_is_asked_for_each_time_and_sent_only_when_it_has_changed() {
    let site = firebase(None, None).await;
    let answer = get(&site, "/static/index.html").await;
    assert_eq!(answer.header("cache-control"), "no-cache");
    let tag = answer.header("etag").to_owned();
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again =
            site.request(Method::GET, "/static/index.html", Who::Nobody).header("if-none-match", known);
        let again = finish(again).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
        assert_eq!(again.header("etag"), tag);
    }
    let other = site.request(Method::GET, "/static/index.html", Who::Nobody).header("if-none-match", "\"x\"");
    assert_eq!(finish(other).await.status, 200);
}

#[tokio::test]
async fn there_is_no_other_file() {
    let site = firebase(None, None).await;
    let inside = [
        "/static/x.js",
        "/static/.gitignore",
        "/static/index.html.br",
        "/static/assets",
        "/static/%2e%2e/x.js",
    ];
    for path in inside {
        get(&site, path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn the_page_gets_the_sign_in_configuration() {
    let site = firebase(Some("AIza-public_1"), None).await;
    let told = get(&site, "/static/configuration.json").await;
    assert_eq!(told.header("cache-control"), "no-store");
    assert_eq!(
        told.json(),
        json!({
            "sign_in": "firebase", "project_id": "demo-monit", "api_key": "AIza-public_1",
            "auth_domain": "demo-monit.firebaseapp.com", "emulator": null
        })
    );
    let site = firebase(None, None).await;
    assert!(get(&site, "/static/configuration.json").await.json()["api_key"].is_null());
    let site = firebase(None, Some("localhost:9099")).await;
    assert_eq!(get(&site, "/static/configuration.json").await.json()["emulator"], "http://localhost:9099");
}

#[tokio::test]
async fn only_evaluation_mode_issues_tokens_without_sign_in() {
    let site = firebase(Some("key"), None).await;
    let refused = site.request(Method::POST, "/static/evaluation-tokens/S001", Who::Nobody);
    finish(refused).await.problem(404, "not_found");
}

#[tokio::test]
async fn evaluation_mode_gives_a_token_of_the_user_who_is_chosen() {
    let site = site(SignIn::Evaluation(Arc::new(Door))).await;
    let users = get(&site, "/static/configuration.json").await.json();
    let peter = json!({"user_id": "S001", "name": "Peter Higg", "role": "SCIENTIST"});
    assert_eq!(users, json!({"sign_in": "evaluation", "users": [peter]}));
    let ask =
        |user_id| site.request(Method::POST, &format!("/static/evaluation-tokens/{user_id}"), Who::Nobody);
    assert_eq!(finish(ask("S001")).await.json(), json!({"token": "abc"}));
    finish(ask("S009")).await.problem(404, "not_found");
    get(&site, "/static/evaluation-tokens/S001").await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn evaluation_mode_answers_no_other_origin() {
    let site = site(SignIn::Evaluation(Arc::new(Door))).await;
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("host", "evil.example")]
    {
        for (method, path) in
            [(Method::POST, "/static/evaluation-tokens/S001"), (Method::GET, "/static/configuration.json")]
        {
            let sent = site.request(method, path, Who::Nobody).header(name, value);
            finish(sent).await.problem(403, "forbidden");
        }
    }
}
