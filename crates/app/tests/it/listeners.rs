//! A process that runs only one of the two listeners.

use mymonit_test_support::wait_until;
use serde_json::{Value, json};

use crate::environment::{
    ADMIN, Engine, OTHER_SCIENTIST, Service, ServiceBuilder, TIMEOUT, TestEnvironment, message,
    on_every_engine,
};

on_every_engine!(readers_and_writers_run_apart_and_what_one_stores_the_other_shows,);

/// The names of the parts in `/health/ready`, once all of them are ready.
async fn parts(service: &Service) -> Vec<String> {
    let body = service.wait_until_ready().await.unwrap();
    body["parts"].as_object().unwrap().keys().cloned().collect()
}

async fn health_check(environment: &TestEnvironment, service: &Service) -> i32 {
    let command = environment.command("healthcheck").unwrap().env("REST_PORT", &service.port().to_string());
    command.run().await.unwrap().status
}

async fn readers_and_writers_run_apart_and_what_one_stores_the_other_shows(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let reader = environment.service().unwrap().env("LISTENERS", "rest").ready().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    adapter.declare().await.unwrap();
    assert_eq!(adapter.queue().await.unwrap().consumer_count(), 0, "the reader does not consume");
    adapter.publish(&message("black-holes", "hertz", 1.0, 1), None).await.unwrap();
    let scientist = environment.client(&reader, OTHER_SCIENTIST);
    assert_eq!(scientist.measures("/measures/2").await.unwrap().len(), 0);

    let writer = environment.service().unwrap().env("LISTENERS", "rabbit").ready().await.unwrap();
    scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();
    for path in ["/users/", "/experiments/", "/measures/2", "/measure-types/", "/api.yaml", "/docs"] {
        let answer = environment.client(&writer, ADMIN).get(path).await.unwrap();
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
    }
    assert_eq!(writer.anonymous().get("/health/live").await.unwrap().status, 200);
    assert_eq!(parts(&reader).await, ["database"]);
    assert_eq!(parts(&writer).await, ["consumer", "database"]);
    for service in [&reader, &writer] {
        assert_eq!(health_check(&environment, service).await, 0);
    }
    assert_exclusive_duties(&reader, &writer).await;
    for service in [&reader, &writer] {
        service.stop().await.unwrap();
        assert_eq!(health_check(&environment, service).await, 1);
    }
}

/// Each process exposes only the metrics of its listener.
async fn assert_exclusive_duties(reader: &Service, writer: &Service) {
    // A measure can be read a moment before it is counted.
    let told = wait_until("the message is counted", TIMEOUT, async || {
        let told = writer.metrics().await.map_err(|error| format!("{error:#}"))?;
        let counted =
            [told.get("mymonit_messages_stored_total"), told.get("mymonit_ready{part=\"consumer\"}")];
        if counted == [Some(1.0); 2] { Ok(told) } else { Err(format!("{counted:?}")) }
    });
    let (writer, reader) = (told.await.unwrap(), reader.metrics().await.unwrap());
    let (rest, rabbit) = ("mymonit_listener{listener=\"rest\"}", "mymonit_listener{listener=\"rabbit\"}");
    assert_eq!([reader.get(rest), reader.get(rabbit)], [Some(1.0), None]);
    assert_eq!([writer.get(rest), writer.get(rabbit)], [None, Some(1.0)]);
    for of_the_consumer in [
        "mymonit_messages_stored_total",
        "mymonit_ready{part=\"consumer\"}",
        "mymonit_consumer_state{state=\"connecting\"}",
    ] {
        assert_eq!(reader.get(of_the_consumer), None, "{of_the_consumer}");
    }
}

#[tokio::test]
async fn a_writer_needs_no_firebase_project_and_the_argument_counts_more_than_the_variable() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let writer = ServiceBuilder::bare(&["serve", "--listeners", "rabbit"], None)
        .unwrap()
        .env("LISTENERS", "rest")
        .env("DATABASE_URL", &environment.database_url)
        .env("RABBIT_URL", &environment.broker_url)
        .env("LOGSTASH_HOST", "")
        .ready()
        .await
        .unwrap();
    assert_eq!(parts(&writer).await, ["consumer", "database"]);
}

#[tokio::test]
async fn a_wrong_argument_is_refused_by_name() {
    let command = ServiceBuilder::bare(&["serve", "--listeners", "rest,amqp"], None).unwrap();
    let finished = command.run().await.unwrap();
    assert_eq!(finished.status, 2);
    for part in ["--listeners", "rest,amqp", "`rest`, `rabbit` or `rest,rabbit`"] {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
}

#[tokio::test]
async fn a_reader_is_ready_and_answers_though_there_is_no_broker() {
    let environment = TestEnvironment::with_broker(Engine::Sqlite, "127.0.0.1:1".to_owned()).await.unwrap();
    let reader = environment.service().unwrap().env("LISTENERS", "rest").ready().await.unwrap();
    let scientist = environment.client(&reader, OTHER_SCIENTIST);
    let me: Value = scientist.read("/users/me").await.unwrap();
    assert_eq!(me["user_id"], json!("S002"));
    // No request to the broker: readiness ignores a listener that does not run.
    wait_until("the log tells that it listens", TIMEOUT, async || {
        let lines = reader.process.lines();
        if lines.iter().any(|line| line.text.contains("REST listener listens")) {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .await
    .unwrap();
    assert!(!reader.process.lines().iter().any(|line| line.text.contains("not consuming")));
}
