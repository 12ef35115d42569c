//! The limit of requests per user.

use crate::environment::{Client, Engine, OTHER_SCIENTIST, SCIENTIST, TestEnvironment};

/// More requests than a stalled host spreads over minutes.
const MANY: usize = 1_000;

/// Makes requests until one is refused.
async fn use_up(client: &Client, path: &str) {
    for _ in 0..MANY {
        let answer = client.get(path).await.unwrap();
        if answer.status == 429 {
            assert_eq!(answer.code(), "too_many_requests", "{path}");
            assert!(answer.detail().contains("too many requests"), "{path}: {answer:?}");
            return;
        }
        assert_eq!(answer.status, 200, "{path}");
    }
    panic!("{path}: {MANY} requests were answered");
}

#[tokio::test]
async fn a_user_has_one_rate_for_all_tokens_and_all_that_is_read() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service =
        environment.service().unwrap().env("REST_USER_REQUESTS_PER_SECOND", "1").ready().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let (_, secret) = scientist.add_api_token(None).await.unwrap();
    let program = service.with_authorization(format!("Bearer {secret}"));
    for client in [&scientist, &program] {
        // Read with its user in one statement, after the user, and a record.
        for path in ["/measures/1?limit=3", "/measures/1", "/users/me"] {
            use_up(client, path).await;
        }
    }
    let other = environment.client(&service, OTHER_SCIENTIST);
    assert_eq!(other.get("/users/me").await.unwrap().status, 200);
}
