//! API tokens over REST. `Who::Peter` reads experiment 1, `Who::Katie` experiment 2.

use mymonit_model::Timestamp;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::site::{Answer, Site, Who, finish, next};

const TOKENS: &str = "/users/me/tokens/";
const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;

async fn create(site: &Site, who: Who, body: Value) -> Answer {
    site.post(TOKENS, who, &body).await
}

/// The secret of a new token.
async fn secret(site: &Site, who: Who, body: Value) -> String {
    let answer = create(site, who, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["secret"].as_str().unwrap().to_owned()
}

async fn send(site: &Site, method: Method, path: &str, secret: &str) -> Answer {
    let request = site.client.request(method, site.url(path));
    finish(request.header(AUTHORIZATION, format!("Bearer {secret}"))).await
}

async fn get(site: &Site, path: &str, secret: &str) -> Answer {
    send(site, Method::GET, path, secret).await
}

fn nanos(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Timestamp>().unwrap().unix_nanos()
}

#[tokio::test]
async fn a_token_is_answered_with_its_secret_once() {
    let site = Site::start().await;
    let body = json!({"name": " nightly ", "expires_in_days": 30, "experiments": [1, 1.0]});
    let answer = create(&site, Who::Peter, body).await;
    assert_eq!(answer.status, 201);
    let mut created = answer.json();
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("{TOKENS}{}", created["token_id"]));
    let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
    let random = secret.as_str().unwrap().strip_prefix("mymonit_").unwrap();
    assert!(
        random.len() == 43
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    assert_eq!((&created["name"], &created["experiments"]), (&json!("nightly"), &json!([1])));
    assert_eq!(created["last_used_at"], Value::Null);
    assert_eq!(nanos(&created["expires_at"]) - nanos(&created["created_at"]), 30 * DAY);
    let fields: Vec<_> = created.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["created_at", "experiments", "expires_at", "last_used_at", "name", "token_id"]);

    let listed = site.get(TOKENS, Who::Peter).await;
    assert_eq!(listed.json(), json!([created]));
    assert!(!listed.text.contains(random));
    assert_eq!(site.get("/users/S001/tokens/", Who::Admin).await.json(), json!([created]));
    assert_eq!(site.get(TOKENS, Who::Katie).await.json(), json!([]));
    assert_eq!(site.delete(&location, Who::Peter).await.status, 204);
    assert_eq!(site.get(TOKENS, Who::Peter).await.json(), json!([]));
}

#[tokio::test]
async fn by_default_a_token_lasts_90_days_and_reads_what_its_user_reads() {
    let site = Site::start().await;
    let created = create(&site, Who::Peter, json!({"name": "x", "experiments": null})).await.json();
    assert_eq!(nanos(&created["expires_at"]) - nanos(&created["created_at"]), 90 * DAY);
    assert_eq!(created["experiments"], Value::Null);
    let last = create(&site, Who::Peter, json!({"name": "x", "expires_in_days": 365})).await;
    assert_eq!(last.status, 201);
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let site = Site::start().await;
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "x", "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "x", "expires_in_days": 366}), "expires_in_days"),
        (json!({"name": "x", "expires_in_days": 1.5}), "expires_in_days"),
        (json!({"name": "x", "expires_in_days": null}), "expires_in_days"),
        (json!({"name": "x", "experiments": []}), "experiments"),
        (json!({"name": "x", "experiments": "1"}), "experiments"),
        (json!({"name": "x", "experiments": [1, 2]}), "experiments"),
        (json!({"name": "x", "experiments": [99]}), "experiments"),
        (json!({"name": "x", "experiments": (1..=1_001).collect::<Vec<_>>()}), "experiments"),
        (json!({"name": "x", "experiments": [1, "a"]}), "experiments[1]"),
    ] {
        create(&site, Who::Peter, body).await.names(field);
    }
    create(&site, Who::Admin, json!({"name": "x", "experiments": [1, 99]})).await.names("experiments");
    site.delete("/users/me/tokens/0", Who::Peter).await.names("token_id");
    assert_eq!(site.get(TOKENS, Who::Peter).await.json(), json!([]));
}

#[tokio::test]
async fn a_token_reads_with_get_and_head_and_does_nothing_else() {
    let site = Site::start().await;
    let secret = secret(&site, Who::Peter, json!({"name": "x"})).await;
    for path in
        ["/users/me", "/users/S001", "/experiments/", "/experiments/1", "/measures/1", "/measure-types/"]
    {
        let with_token = get(&site, path, &secret).await;
        let signed_in = site.get(path, Who::Peter).await;
        assert_eq!((with_token.status, &with_token.text), (signed_in.status, &signed_in.text), "{path}");
        assert_eq!(with_token.status, 200, "{path}");
        let head = send(&site, Method::HEAD, path, &secret).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
    }
    get(&site, "/measures/2", &secret).await.problem(404, "not_found");
    get(&site, "/users/", &secret).await.problem(403, "forbidden");
    for (method, path) in [
        (Method::POST, "/users/"),
        (Method::PUT, "/users/S001"),
        (Method::DELETE, "/users/S001"),
        (Method::POST, TOKENS),
        (Method::DELETE, "/users/me/tokens/1"),
        (Method::POST, "/experiments/"),
        (Method::PUT, "/experiments/1"),
        (Method::POST, "/scientists-experiments/1/S002"),
        (Method::POST, "/rejected-messages/replay"),
    ] {
        let detail = send(&site, method, path, &secret).await.problem(403, "forbidden");
        assert_eq!(detail, "an API token is for GET and HEAD only", "{path}");
    }
    for path in [TOKENS, "/users/S001/tokens/"] {
        get(&site, path, &secret).await.problem(403, "forbidden");
    }
    assert_eq!(site.get("/users/me", Who::Peter).await.status, 200);
    assert_eq!(site.get(TOKENS, Who::Peter).await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pages_are_followed_with_a_token() {
    let site = Site::start().await;
    let secret = secret(&site, Who::Peter, json!({"name": "x", "experiments": [1]})).await;
    let (mut path, mut measures) = (Some("/measures/1?limit=4".to_owned()), 0);
    while let Some(page) = path {
        let answer = get(&site, &page, &secret).await;
        measures += answer.json().as_array().unwrap().len();
        path = next(&answer);
    }
    assert_eq!(measures, 10);
    get(&site, "/measures/1?limit=0", &secret).await.names("limit");
}

#[tokio::test]
async fn an_administrators_token_reads_no_measures() {
    let site = Site::start().await;
    for body in [json!({"name": "x"}), json!({"name": "x", "experiments": [1]})] {
        let secret = secret(&site, Who::Admin, body).await;
        assert_eq!(get(&site, "/experiments/1", &secret).await.status, 200);
        get(&site, "/measures/1", &secret).await.problem(403, "forbidden");
        get(&site, "/measures/1?limit=3", &secret).await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_restricted_token_reads_its_experiments_and_what_every_user_reads() {
    let site = Site::start().await;
    assert_eq!(site.post_nothing("/scientists-experiments/2/S001", Who::Admin).await.status, 201);
    let restricted = secret(&site, Who::Peter, json!({"name": "x", "experiments": [1]})).await;
    for path in ["/users/me", "/measure-types/", "/experiments/1", "/measures/1", "/measures/1?limit=3"] {
        assert_eq!(get(&site, path, &restricted).await.status, 200, "{path}");
    }
    let listed = get(&site, "/experiments/", &restricted).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["experiment_id"], 1);
    for (hidden, absent) in [
        ("/experiments/2", "/experiments/99"),
        ("/measures/2", "/measures/99"),
        ("/measures/2?limit=1", "/measures/99?limit=1"),
    ] {
        assert_eq!(site.get(hidden, Who::Peter).await.status, 200, "{hidden}");
        let (hidden, absent) = (get(&site, hidden, &restricted).await, get(&site, absent, &restricted).await);
        hidden.problem(404, "not_found");
        assert_eq!((hidden.status, &hidden.text), (absent.status, &absent.text));
    }
    let administrators = secret(&site, Who::Admin, json!({"name": "x", "experiments": [1]})).await;
    assert_eq!(get(&site, "/experiments/", &administrators).await.json().as_array().unwrap().len(), 1);
    get(&site, "/experiments/2", &administrators).await.problem(404, "not_found");
    for (path, secret) in [
        ("/users/S001", &restricted),
        ("/users/", &administrators),
        ("/scientists-experiments/", &administrators),
        ("/rejected-messages/", &administrators),
        ("/rejected-messages/1", &administrators),
        (TOKENS, &restricted),
        ("/users/S001/tokens/", &administrators),
    ] {
        get(&site, path, secret).await.problem(403, "forbidden");
    }
    // The end of the association ends the reading.
    assert_eq!(site.delete("/scientists-experiments/1/S001", Who::Admin).await.status, 204);
    get(&site, "/measures/1", &restricted).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_401_with_a_challenge() {
    let site = Site::start().await;
    let mine = secret(&site, Who::Peter, json!({"name": "x"})).await;
    let paths = ["/users/me", "/measures/1", "/measures/1?limit=3", "/experiments/", TOKENS];
    let wrong = [
        "mymonit_".to_owned(),
        format!("mymonit_{}", "A".repeat(43)),
        format!("{mine}A"),
        mine.to_uppercase(),
    ];
    for (path, wrong) in paths.iter().flat_map(|path| wrong.iter().map(move |wrong| (path, wrong))) {
        let answer = get(&site, path, wrong).await;
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert_eq!(get(&site, "/users/me", &mine).await.status, 200);
    assert_eq!(site.delete("/users/me/tokens/1", Who::Peter).await.status, 204);
    for path in paths {
        get(&site, path, &mine).await.problem(401, "unauthenticated");
    }
    // So does the erasure of the user.
    let mine = secret(&site, Who::Peter, json!({"name": "x"})).await;
    assert_eq!(get(&site, "/measures/1", &mine).await.status, 200);
    assert_eq!(site.delete("/users/S001", Who::Admin).await.status, 204);
    for path in paths {
        get(&site, path, &mine).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn users_revoke_their_own_tokens_and_administrators_anybodys() {
    let site = Site::start().await;
    for who in [Who::Peter, Who::Katie, Who::Admin] {
        secret(&site, who, json!({"name": "x"})).await;
    }
    for id in [2, 99] {
        site.delete(&format!("{TOKENS}{id}"), Who::Peter).await.problem(404, "not_found");
        site.delete(&format!("/users/S001/tokens/{id}"), Who::Admin).await.problem(404, "not_found");
    }
    for who in [Who::Peter, Who::Katie] {
        site.get("/users/S001/tokens/", who).await.problem(403, "forbidden");
        site.delete("/users/S001/tokens/1", who).await.problem(403, "forbidden");
    }
    for path in ["/users/S999/tokens/", "/users/S999/tokens/1"] {
        let method = if path.ends_with('1') { Method::DELETE } else { Method::GET };
        finish(site.request(method, path, Who::Admin)).await.problem(404, "not_found");
    }
    assert_eq!(site.delete("/users/S001/tokens/1", Who::Admin).await.status, 204);
    assert_eq!(site.delete("/users/A001/tokens/3/", Who::Admin).await.status, 204);
    assert_eq!(site.delete("/users/me/tokens/2/", Who::Katie).await.status, 204);
}

#[tokio::test]
async fn the_21st_token_of_a_user_is_a_conflict() {
    let site = Site::start().await;
    for _ in 0..20 {
        secret(&site, Who::Peter, json!({"name": "x"})).await;
    }
    let detail = create(&site, Who::Peter, json!({"name": "x"})).await.problem(409, "conflict");
    assert_eq!(detail, "a user may have 20 API tokens; revoke one before");
    secret(&site, Who::Katie, json!({"name": "x"})).await;
    assert_eq!(site.delete("/users/me/tokens/7", Who::Peter).await.status, 204);
    secret(&site, Who::Peter, json!({"name": "x"})).await;
}
