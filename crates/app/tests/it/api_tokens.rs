//! API tokens with several processes of the service.

use std::time::Duration;

use mymonit_model::Timestamp;
use mymonit_test_support::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::environment::{
    ADMIN, AuditTrail, Client, Engine, OTHER_SCIENTIST, SCIENTIST, Service, TIMEOUT, TestEnvironment,
    on_every_engine,
};

on_every_engine!(
    a_token_ends_at_once_in_every_process,
    a_token_lasts_for_months_and_ends_at_its_expiry,
    the_hour_of_the_last_use_is_noted_and_a_failure_to_do_so_fails_no_read,
    without_lifetime_there_are_no_tokens,
    the_audit_names_the_token_of_each_use,
);

const PATHS: [&str; 4] = ["/users/me", "/experiments/1", "/measures/1", "/measures/1?limit=3"];

fn program(service: &Service, secret: &str) -> Client {
    service.with_authorization(format!("Bearer {secret}"))
}

/// The status of each path.
async fn statuses(program: &Client) -> [u16; 4] {
    let mut statuses = [0; 4];
    for (status, path) in statuses.iter_mut().zip(PATHS) {
        *status = program.get(path).await.unwrap().status;
    }
    statuses
}

async fn a_token_ends_at_once_in_every_process(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let one = environment.ready_service().await.unwrap();
    let other = environment.service().unwrap().env("LISTENERS", "rest").ready().await.unwrap();
    let (administrator, scientist) = (environment.client(&one, ADMIN), environment.client(&one, SCIENTIST));
    let programs = async |secret: &str| {
        let programs = [program(&one, secret), program(&other, secret)];
        assert_eq!([statuses(&programs[0]).await, statuses(&programs[1]).await], [[200; 4]; 2]);
        programs
    };
    let ended = async |programs: [Client; 2]| {
        for program in &programs {
            assert_eq!(statuses(program).await, [401; 4]);
        }
    };
    // Revoked by the user, by an administrator, and with the user.
    let (id, secret) = scientist.add_api_token(None).await.unwrap();
    let both = programs(&secret).await;
    assert_eq!(scientist.delete(&format!("/users/me/tokens/{id}")).await.unwrap().status, 204);
    ended(both).await;
    let (id, secret) = scientist.add_api_token(Some(&[1])).await.unwrap();
    let both = programs(&secret).await;
    assert_eq!(administrator.delete(&format!("/users/S001/tokens/{id}")).await.unwrap().status, 204);
    ended(both).await;
    let (_, secret) = scientist.add_api_token(None).await.unwrap();
    let both = programs(&secret).await;
    assert_eq!(administrator.delete("/users/S001").await.unwrap().status, 204);
    ended(both).await;
}

async fn a_token_lasts_for_months_and_ends_at_its_expiry(engine: Engine) {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let (_, secret) = scientist.add_api_token(Some(&[1])).await.unwrap();
    let program = program(&service, &secret);
    let mut database = environment.session().await.unwrap();
    // A token of a year after a month, half a year, and on its last day.
    for days in [30, 182, 364] {
        let created = Timestamp::now().unix_nanos() - days * DAY;
        let moved =
            format!("UPDATE API_TOKENS SET CREATED_AT = {created}, EXPIRES_AT = {}", created + 365 * DAY);
        database.rows(&moved).await.unwrap();
        assert_eq!(statuses(&program).await, [200; 4], "after {days} days");
    }
    let expired = format!("UPDATE API_TOKENS SET EXPIRES_AT = {}", Timestamp::now().unix_nanos());
    database.rows(&expired).await.unwrap();
    assert_eq!(statuses(&program).await, [401; 4]);
    let listed = scientist.read("/users/me/tokens/").await.unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "an expired token is listed: {listed}");
}

/// Waits until the token of the user has that last use.
async fn last_used(scientist: &Client, expected: &Value) {
    wait_until("the last use is noted", TIMEOUT, async || {
        let listed = scientist.read("/users/me/tokens/").await.map_err(|error| format!("{error:#}"))?;
        if listed[0]["last_used_at"] == *expected { Ok(()) } else { Err(listed.to_string()) }
    })
    .await
    .unwrap();
}

async fn the_hour_of_the_last_use_is_noted_and_a_failure_to_do_so_fails_no_read(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let (_, secret) = scientist.add_api_token(None).await.unwrap();
    let program = program(&service, &secret);
    last_used(&scientist, &Value::Null).await;
    let before = Timestamp::now().full_hour();
    assert_eq!(statuses(&program).await, [200; 4]);
    let after = Timestamp::now().full_hour();
    let mut database = environment.session().await.unwrap();
    database
        .wait_until_found("SELECT COUNT(*) FROM API_TOKENS WHERE LAST_USED_AT IS NOT NULL")
        .await
        .unwrap();
    let noted = database.number("SELECT LAST_USED_AT FROM API_TOKENS").await.unwrap();
    assert!([before.unix_nanos(), after.unix_nanos()].contains(&noted), "{noted}");

    // Another program locks the row, or the file; reading continues.
    database.rows("UPDATE API_TOKENS SET LAST_USED_AT = 0").await.unwrap();
    let (begin, end) = match engine {
        Engine::MySql => ("START TRANSACTION", "COMMIT"),
        Engine::Sqlite => ("BEGIN IMMEDIATE", "COMMIT"),
    };
    database.rows(begin).await.unwrap();
    database.rows("UPDATE API_TOKENS SET NAME = 'held'").await.unwrap();
    for _ in 0..3 {
        assert_eq!(statuses(&program).await, [200; 4]);
    }
    database.rows(end).await.unwrap();
    assert_eq!(statuses(&program).await, [200; 4]);
    database.wait_until_found("SELECT COUNT(*) FROM API_TOKENS WHERE LAST_USED_AT > 0").await.unwrap();
}

async fn without_lifetime_there_are_no_tokens(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let (_, secret) = scientist.add_api_token(None).await.unwrap();
    let turned_off = environment.service().unwrap().env("API_TOKEN_MAX_DAYS", "0").ready().await.unwrap();
    assert_eq!(statuses(&program(&turned_off, &secret)).await, [401; 4]);
    let user = environment.client(&turned_off, SCIENTIST);
    let refused = user.post("/users/me/tokens/", json!({"name": "x"})).await.unwrap();
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
    assert!(refused.body["detail"].as_str().unwrap().contains("API_TOKEN_MAX_DAYS"), "{refused:?}");
    assert_eq!(user.read("/users/me/tokens/").await.unwrap().as_array().unwrap().len(), 1);
    assert_eq!(user.delete("/users/me/tokens/1").await.unwrap().status, 204);

    let short = environment.service().unwrap().env("API_TOKEN_MAX_DAYS", "30").ready().await.unwrap();
    let user = environment.client(&short, SCIENTIST);
    let created = user.post("/users/me/tokens/", json!({"name": "x"})).await.unwrap().body;
    let time = |field: &str| created[field].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(time("created_at").plus_days(30), time("expires_at"));
    let refused = user.post("/users/me/tokens/", json!({"name": "x", "expires_in_days": 31})).await.unwrap();
    assert_eq!(refused.status, 400);
    assert_eq!(refused.body["detail"], "`expires_in_days` must be an integer from 1 to 30");
}

async fn the_audit_names_the_token_of_each_use(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    let (id, secret) = scientist.add_api_token(Some(&[2])).await.unwrap();
    let program = program(&service, &secret);
    let mut trail = AuditTrail::of(&service);
    for (method, path, status, action, operation) in [
        (Method::GET, "/measures/2", 200, "read-measures", None),
        (Method::GET, "/measures/2?limit=3", 200, "read-measures", None),
        (Method::GET, "/measures/1", 404, "authorize", Some("read-measures")),
        (Method::GET, "/experiments/1", 404, "authorize", Some("use-api-token")),
        (Method::GET, "/users/S002", 403, "authorize", Some("use-api-token")),
        (Method::POST, "/users/me/tokens/", 403, "authorize", Some("use-api-token")),
        (Method::GET, "/users/me/tokens/", 403, "authorize", Some("list-api-tokens")),
    ] {
        let (answer, event) = trail.follow(&program, method, path, None).await.unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!((&event["event.action"], &event["user.id"]), (&json!(action), &json!("S002")), "{path}");
        assert_eq!(event["mymonit.token.id"], id, "{path}: {event}");
        assert_eq!(event.get("mymonit.operation"), operation.map(Value::from).as_ref(), "{path}");
    }
    // Each use is in the log line of its request, also where nothing is audited.
    let request = trail.next_id();
    program.request(Method::GET, "/users/me").header("x-request-id", &request).send().await.unwrap();
    let answered = wait_until("the request is logged", Duration::from_secs(60), async || {
        let lines = service.process.lines();
        lines.iter().find(|line| line.text.contains(&request)).map(|line| line.text.clone()).ok_or("not yet")
    });
    let line: Value = serde_json::from_str(&answered.await.unwrap()).unwrap();
    assert_eq!((&line["mymonit.token.id"], &line["user.id"]), (&json!(id), &json!("S002")), "{line}");
    let (_, event) = trail.follow(&scientist, Method::GET, "/measures/2", None).await.unwrap();
    assert_eq!(event.get("mymonit.token.id"), None);
    let unknown = service.with_authorization(format!("Bearer mymonit_{}", "A".repeat(43)));
    let (_, event) = trail.follow(&unknown, Method::GET, "/measures/2", None).await.unwrap();
    assert_eq!(event["event.reason"], "the API token is unknown, expired or revoked");
    assert!(!service.process.lines().iter().any(|line| line.text.contains(&secret)));
}
