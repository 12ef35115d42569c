//! A wrong value stops the start with one clear message.

use crate::environment::ServiceBuilder;

/// Starts the service with these variables and returns its error.
async fn refusal(variables: &[(&str, &str)]) -> String {
    let mut command = ServiceBuilder::bare(&["serve"], None).unwrap();
    for (name, value) in variables {
        command = command.env(name, value);
    }
    let finished = command.run().await.unwrap();
    assert_eq!(finished.status, 2, "{variables:?}: {finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "one message: {finished:?}");
    finished.stderr
}

#[tokio::test]
async fn each_wrong_variable_stops_the_start_with_one_message_that_names_it() {
    let project = ("FIREBASE_PROJECT_ID", "some-project");
    for (name, held) in [
        ("DB_PORT", "70000"),
        ("DB_POOL_SIZE", "0"),
        ("DATABASE_URL", "postgres://canary:canary@host/db"),
        ("RABBIT_URL", "http://canary:canary@host"),
        ("RABBIT_PREFETCH", "x"),
        ("RABBIT_BATCH_SIZE", "0"),
        ("RABBIT_BATCH_LINGER_MS", "-1"),
        ("RABBIT_DEDUP_WINDOW_HOURS", "0"),
        ("RABBIT_MAX_MESSAGE_BYTES", "4MiB"),
        ("RABBIT_CA_FILE", "/no/such/file"),
        ("SEAL_AFTER_HOURS", "-1"),
        ("LISTENERS", "rest,amqp"),
        ("REST_PORT", "http"),
        ("REST_CORS_ORIGINS", "*"),
        ("API_TOKEN_MAX_DAYS", "-1"),
        ("API_TOKEN_MAX_DAYS", "3661"),
        ("LOG_LEVEL", "loud=="),
        ("EXAMPLE_DATA", "perhaps"),
        ("EVALUATION", "maybe"),
        ("FIREBASE_CERTS_URL", "http://example.org/"),
        ("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099"),
        ("DB_PASSWORD_FILE", "/no/such/file"),
    ] {
        let message = refusal(&[project, (name, held)]).await;
        assert!(message.contains(name), "{name}: {message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[tokio::test]
async fn without_a_firebase_project_the_start_stops_and_points_to_evaluation_mode() {
    let message = refusal(&[]).await;
    assert!(message.contains("FIREBASE_PROJECT_ID") && message.contains("--evaluation"), "{message}");
}

#[tokio::test]
async fn evaluation_mode_refuses_to_start_beside_a_firebase_project() {
    let message = refusal(&[("EVALUATION", "true"), ("GOOGLE_CLOUD_PROJECT", "some-project")]).await;
    assert!(message.contains("GOOGLE_CLOUD_PROJECT"), "{message}");
}
