//! Starts of the service: several at once, before its database and broker, and refused ones.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use mymonit_test_support::{Exit, MySqlServer, RabbitMq, ReservedPort, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::environment::{
    ADMIN, Engine, OTHER_SCIENTIST, SCIENTIST, Service, Session, TIMEOUT, TestEnvironment,
    WAITING_FOR_A_TABLE, message, on_every_engine,
};

on_every_engine!(
    two_processes_that_start_at_once_on_an_empty_database_migrate_it_once_and_both_work,
    migrations_at_once_change_the_schema_once_and_all_succeed,
    a_migration_waits_for_another_process_says_so_and_is_ended_by_sigterm,
    the_service_is_ready_only_with_the_example_data_and_rejects_nothing_before,
    a_schema_of_a_newer_version_ends_the_start_with_the_reason,
    the_health_check_tells_whether_the_service_is_ready,
    a_client_who_comes_while_the_database_is_prepared_waits_and_is_answered,
);

/// An environment without a database: neither on MariaDB's server nor as SQLite's file.
async fn empty_environment(engine: Engine) -> TestEnvironment {
    match engine {
        Engine::Sqlite => TestEnvironment::new(engine).await.unwrap(),
        Engine::MySql => {
            let database = format!("test_{:016x}", rand::random::<u64>());
            let database = MySqlServer::shared().await.unwrap().url(&database);
            let broker = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
            TestEnvironment::with_mysql(database, broker).await.unwrap()
        }
    }
}

/// Each migration has been applied once.
async fn assert_migrated_once(environment: &TestEnvironment) {
    let folder = match environment.engine {
        Engine::MySql => concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/mysql"),
        Engine::Sqlite => concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite"),
    };
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let migrations = files.filter(|name| name.to_string_lossy().ends_with(".sql")).count();
    let mut database = environment.session().await.unwrap();
    let applied = "SELECT COUNT(*), COUNT(DISTINCT version), SUM(success) FROM _sqlx_migrations";
    let migrations = migrations.to_string();
    assert_eq!(database.rows(applied).await.unwrap(), [[&*migrations, &*migrations, &*migrations]]);
    assert_eq!(database.number("SELECT COUNT(*) FROM MEASURE_TYPES").await.unwrap(), 38);
}

async fn two_processes_that_start_at_once_on_an_empty_database_migrate_it_once_and_both_work(engine: Engine) {
    let environment = empty_environment(engine).await;
    let (one, other) =
        tokio::join!(environment.service().unwrap().start(), environment.service().unwrap().start());
    let services = [one.unwrap(), other.unwrap()];
    for service in &services {
        service.wait_until_ready().await.unwrap();
    }
    assert_migrated_once(&environment).await;

    // Both processes work, and each sees the other's writes.
    let adapter = environment.adapter().await.unwrap();
    assert_eq!(adapter.queue().await.unwrap().consumer_count(), 2);
    let messages = (0..500).map(|number| {
        let body = message("black-holes", "hertz", f64::from(number), 1_700_000_000 + i64::from(number));
        (body, Some(format!("id {number}")))
    });
    // A publisher that retries while two processes consume.
    let twice = messages.clone().chain(messages);
    adapter.publish_all(twice).await.unwrap();
    environment.wait_until_all_is_acknowledged().await;
    for (service, new_id) in services.iter().zip(["S003", "S004"]) {
        let scientist = environment.client(service, OTHER_SCIENTIST);
        let measures = scientist.measures("/measures/2").await.unwrap();
        let values: Vec<_> = measures.iter().map(|measure| measure["value"].as_f64().unwrap()).collect();
        assert_eq!(values, (0..500).rev().map(f64::from).collect::<Vec<_>>());
        assert_eq!(environment.client(service, SCIENTIST).measures("/measures/1").await.unwrap().len(), 10);
        environment.client(service, ADMIN).add_scientist(new_id).await.unwrap();
    }
    for service in &services {
        let users = environment.client(service, ADMIN).read("/users/").await.unwrap();
        assert_eq!(ids(&users), ["A001", "S001", "S002", "S003", "S004"]);
        service.stop().await.unwrap();
    }
}

fn ids(users: &Value) -> Vec<Value> {
    users.as_array().unwrap().iter().map(|user| user["user_id"].clone()).collect()
}

/// A process holds connections for up to four seconds after its start. The test is repeated if the
/// host was slower than that.
async fn a_client_who_comes_while_the_database_is_prepared_waits_and_is_answered(engine: Engine) {
    const PREPARATION_WAIT: Duration = Duration::from_secs(4);
    let environment = TestEnvironment::new(engine).await.unwrap();
    environment.ready_service().await.unwrap().stop().await.unwrap();
    let (take, give_back) = match engine {
        Engine::MySql => ("LOCK TABLES _sqlx_migrations WRITE", "UNLOCK TABLES"),
        // Every process takes the lock of migrations here.
        Engine::Sqlite => lock_of_migrations(engine),
    };
    let mut other = environment.session().await.unwrap();
    for _ in 0..20 {
        take_lock(&mut other, take).await;
        let started = Instant::now();
        let service = environment.service().unwrap().start().await.unwrap();
        service.process.wait_for_line("REST listener listens", TIMEOUT).await.unwrap();
        let scientist = environment.client(&service, SCIENTIST);
        let mut request = tokio::spawn(async move { scientist.get("/users/me").await.unwrap() });
        // It gets no response before the preparation, however long that takes.
        let early = timeout(Duration::from_millis(500), &mut request).await;
        other.rows(give_back).await.unwrap();
        let is_in_time = started.elapsed() < PREPARATION_WAIT;
        let answer = match early {
            Ok(answer) => {
                assert!(!is_in_time, "answered before the database was prepared: {answer:?}");
                answer.unwrap()
            }
            Err(_) => request.await.unwrap(),
        };
        // It gets a response once the database is prepared, not only after the four seconds.
        let is_let_in_early = started.elapsed() < PREPARATION_WAIT;
        if answer.status == 200 && is_let_in_early {
            return;
        }
        if answer.status != 200 {
            assert!(!is_let_in_early, "{answer:?}");
            assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{answer:?}");
        }
    }
    panic!("no connection was accepted within four seconds of the start");
}

async fn migrations_at_once_change_the_schema_once_and_all_succeed(engine: Engine) {
    let environment = empty_environment(engine).await;
    let mut migrations = JoinSet::new();
    for _ in 0..6 {
        migrations.spawn(environment.command("migrate").unwrap().run());
    }
    for migration in migrations.join_all().await {
        let finished = migration.unwrap();
        assert_eq!(finished.status, 0, "{finished:?}");
    }
    assert_migrated_once(&environment).await;
    // Again: nothing to do, and no example data.
    assert_eq!(environment.command("migrate").unwrap().run().await.unwrap().status, 0);
    assert_migrated_once(&environment).await;
    let mut database = environment.session().await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM USERS").await.unwrap(), 0);
}

#[tokio::test]
async fn a_migration_that_finds_no_database_fails_and_says_so_without_the_password() {
    let nobody = ReservedPort::reserve().unwrap();
    let server = MySqlServer::shared().await.unwrap();
    for (port, account) in [(nobody.get(), "root:canary"), (server.port(), "root:canary")] {
        let url = format!("mysql://{account}@127.0.0.1:{port}/test");
        let environment = TestEnvironment::with_mysql(url, "127.0.0.1".to_owned()).await.unwrap();
        let finished = environment.command("migrate").unwrap().run().await.unwrap();
        assert_eq!(finished.status, 1, "{finished:?}");
        assert!(finished.stderr.contains("database"), "{finished:?}");
        assert!(!finished.stderr.contains("canary") && !finished.stdout.contains("canary"), "{finished:?}");
    }
}

/// The statements that take and release the lock of migrations.
fn lock_of_migrations(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::MySql => (
            "SELECT GET_LOCK(CONCAT('mymonit.', LEFT(SHA2(DATABASE(), 256), 32)), 60)",
            "SELECT RELEASE_ALL_LOCKS()",
        ),
        Engine::Sqlite => ("BEGIN IMMEDIATE", "COMMIT"),
    }
}

/// Takes the lock as soon as the server has released that of an ended process.
async fn take_lock(session: &mut Session, take: &str) {
    let taken = session.rows(take).await.unwrap();
    assert!(taken.is_empty() || taken == [["1"]], "{taken:?}");
}

async fn a_migration_waits_for_another_process_says_so_and_is_ended_by_sigterm(engine: Engine) {
    const LOG_TEXT: &str = "waiting for it";
    let environment = TestEnvironment::new(engine).await.unwrap();
    let mut other = environment.session().await.unwrap();
    let (take, give_back) = lock_of_migrations(engine);
    take_lock(&mut other, take).await;
    let (ended, migration, service) = tokio::join!(
        environment.command("migrate").unwrap().start(),
        environment.command("migrate").unwrap().start(),
        environment.service().unwrap().start()
    );
    let (ended, migration, service) = (ended.unwrap(), migration.unwrap(), service.unwrap());
    for waiting in [&ended, &migration, &service] {
        waiting.process.wait_for_line(LOG_TEXT, TIMEOUT).await.unwrap();
    }
    assert_eq!(service.readiness().await.unwrap().0, 503);

    assert_eq!(ended.process.terminate(TIMEOUT).await.unwrap(), Exit::Status(1));
    assert!(
        ended.last_lines().contains("stopped by SIGTERM while another process migrates"),
        "{}",
        ended.last_lines()
    );

    other.rows(give_back).await.unwrap();
    assert!(migration.process.wait_for_exit(TIMEOUT).await.unwrap().success());
    service.wait_until_ready().await.unwrap();
    assert_migrated_once(&environment).await;
}

/// A schema change that lasts longer than the limit after SIGTERM: the table is locked.
#[tokio::test]
async fn a_migration_that_sigterm_ends_on_the_way_is_brought_to_its_end_by_the_next_process() {
    let environment = TestEnvironment::new(Engine::MySql).await.unwrap();
    assert_eq!(environment.command("migrate").unwrap().run().await.unwrap().status, 0);
    let (mut holder, mut watcher) =
        (environment.session().await.unwrap(), environment.session().await.unwrap());
    // As after an interruption within its only statement.
    watcher.rows("UPDATE _sqlx_migrations SET success = FALSE WHERE version = 5").await.unwrap();
    holder.rows("LOCK TABLES ONE_TIME_STEPS WRITE").await.unwrap();
    let ended = environment.command("migrate").unwrap().start().await.unwrap();
    watcher.wait_until_found(WAITING_FOR_A_TABLE).await.unwrap();

    assert_eq!(ended.process.terminate(TIMEOUT).await.unwrap(), Exit::Status(1));
    assert!(
        ended.last_lines().contains("stopped by SIGTERM during the migration; run it again"),
        "{}",
        ended.last_lines()
    );
    let begun = "SELECT COUNT(*) FROM _sqlx_migrations WHERE NOT success";
    assert_eq!(watcher.number(begun).await.unwrap(), 1);

    // The next process starts before the table is unlocked.
    let next = environment.command("migrate").unwrap().start().await.unwrap();
    next.process.wait_for_line("another process", TIMEOUT).await.unwrap();
    holder.rows("UNLOCK TABLES").await.unwrap();
    let exit = next.process.wait_for_exit(TIMEOUT).await.unwrap();
    assert!(exit.success(), "{exit}: {}", next.last_lines());
    assert_migrated_once(&environment).await;
}

async fn the_service_is_ready_only_with_the_example_data_and_rejects_nothing_before(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    assert_eq!(environment.command("migrate").unwrap().run().await.unwrap().status, 0);
    let adapter = environment.adapter().await.unwrap();
    adapter.declare().await.unwrap();
    adapter.publish(&message("device-vibrations", "hertz", 1.0, 1_700_000_000), None).await.unwrap();
    // Another session holds a lock on the tables of the example data.
    let mut holder = environment.session().await.unwrap();
    let hold = match engine {
        Engine::MySql => "LOCK TABLES USERS WRITE",
        Engine::Sqlite => "BEGIN IMMEDIATE",
    };
    holder.rows(hold).await.unwrap();
    let service = environment.service().unwrap().start().await.unwrap();
    wait_until("the message has been delivered", TIMEOUT, async || {
        let queue = adapter.queue().await.map_err(|error| error.to_string())?;
        if queue.message_count() == 0 && queue.consumer_count() == 1 {
            Ok(())
        } else {
            Err(format!("{queue:?}"))
        }
    })
    .await
    .unwrap();
    let (status, body) = service.readiness().await.unwrap();
    assert_eq!(
        (status, &body["parts"]["database"]["ready"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(false))
    );

    drop(holder);
    service.wait_until_ready().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    let mut database = environment.session().await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM REJECTED_MESSAGES").await.unwrap(), 0);
}

async fn a_schema_of_a_newer_version_ends_the_start_with_the_reason(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    assert_eq!(environment.command("migrate").unwrap().run().await.unwrap().status, 0);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (999999, 'of a later version', TRUE, X'00', 0)";
    environment.session().await.unwrap().rows(newer).await.unwrap();
    for command in ["serve", "migrate"] {
        let finished = environment.command(command).unwrap().run().await.unwrap();
        assert_eq!(finished.status, 1, "{finished:?}");
        assert!(finished.stderr.contains("999999"), "{finished:?}");
    }
}

async fn the_health_check_tells_whether_the_service_is_ready(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let health_check = async |service: &Service| {
        let command =
            environment.command("healthcheck").unwrap().env("REST_PORT", &service.port().to_string());
        command.run().await.unwrap()
    };
    let service = environment.ready_service().await.unwrap();
    assert_eq!(health_check(&service).await.status, 0);
    service.stop().await.unwrap();
    let finished = health_check(&service).await;
    assert_eq!(finished.status, 1, "{finished:?}");
    assert!(finished.stderr.contains("no answer"), "{finished:?}");

    let nobody = ReservedPort::reserve().unwrap();
    let broker = format!("127.0.0.1:{}", nobody.get());
    let service = environment.service().unwrap().env("RABBIT_URL", &broker).start().await.unwrap();
    service.wait_until_part("database", true).await.unwrap();
    let finished = health_check(&service).await;
    let is_told = ["not ready", "consumer"].iter().all(|word| finished.stderr.contains(word));
    assert!(finished.status == 1 && is_told, "{finished:?}");
}

/// Every REST call that needs the database answers 503 with `Retry-After`.
async fn assert_unavailable(environment: &TestEnvironment, service: &Service) {
    for (username, method, path, body) in [
        (SCIENTIST, Method::GET, "/measures/1", None),
        (SCIENTIST, Method::GET, "/users/me", None),
        (ADMIN, Method::GET, "/users/", None),
        (ADMIN, Method::POST, "/experiments/", Some(json!({"name": "x"}))),
        (ADMIN, Method::DELETE, "/users/S002", None),
    ] {
        let answer =
            environment.client(service, username).send(method.clone(), path, body.as_ref()).await.unwrap();
        assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{method} {path}: {answer:?}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
    }
    // Without a token the answer is 401 as always.
    assert_eq!(service.anonymous().get("/measures/1").await.unwrap().status, 401);
}

async fn assert_live(service: &Service) {
    assert_eq!(service.anonymous().get("/health/live").await.unwrap().status, 200);
}

#[tokio::test]
async fn the_service_runs_without_database_and_broker_and_becomes_ready_by_itself() {
    let (server, broker) = tokio::try_join!(MySqlServer::start(), RabbitMq::start()).unwrap();
    let (stopped, broker_stopped) = tokio::join!(server.stop(), broker.stop());
    stopped.unwrap();
    broker_stopped.unwrap();
    let environment = TestEnvironment::with_mysql(server.url("mymonit"), broker.url()).await.unwrap();
    let service = environment.service().unwrap().start().await.unwrap();
    let [database, consumer] = ["database", "consumer"];

    // Neither server is running.
    service.wait_until_part(database, false).await.unwrap();
    assert_live(&service).await;
    let (status, body) = service.readiness().await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["parts"][database], json!({"ready": false, "state": "unavailable"}));
    assert_eq!(body["parts"][consumer], json!({"ready": false, "state": "connecting"}));
    assert_unavailable(&environment, &service).await;

    // The database starts: clients get responses, though the service is not ready yet.
    server.start_again().await.unwrap();
    service.wait_until_part(database, true).await.unwrap();
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    assert_eq!(scientist.measures("/measures/2").await.unwrap().len(), 0);
    assert_eq!(service.readiness().await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);

    // The broker starts.
    broker.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(&message("black-holes", "hertz", 1.0, 1), None).await.unwrap();
    scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();

    // The database restarts; messages published during the restart stay queued.
    server.stop().await.unwrap();
    service.wait_until_part(database, false).await.unwrap();
    assert_live(&service).await;
    assert_unavailable(&environment, &service).await;
    adapter.publish(&message("black-holes", "hertz", 2.0, 2), None).await.unwrap();
    server.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    scientist.measures_when("/measures/2", |measures| measures.len() == 2).await.unwrap();

    // The broker restarts while clients are answered.
    // Messages that were not acknowledged before would be redelivered.
    wait_until("all messages are acknowledged", TIMEOUT, async || {
        match broker.queue("/", "measures").await {
            Ok(queue) if queue.queued() == 0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    broker.stop().await.unwrap();
    service.wait_until_part(consumer, false).await.unwrap();
    assert_live(&service).await;
    assert_eq!(scientist.measures("/measures/2").await.unwrap().len(), 2);
    broker.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(&message("black-holes", "hertz", 3.0, 3), None).await.unwrap();
    let measures = scientist.measures_when("/measures/2", |measures| measures.len() == 3).await.unwrap();
    let values: Vec<_> = measures.iter().map(|measure| measure["value"].as_f64().unwrap()).collect();
    assert_eq!(values, [3.0, 2.0, 1.0]);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn without_signing_keys_callers_get_503_until_the_keys_arrive() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    environment.firebase.stop_listening().await;
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let answer = scientist.get("/measures/1").await.unwrap();
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{answer:?}");
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
    assert_eq!(service.anonymous().get("/measures/1").await.unwrap().status, 401);

    environment.firebase.listen().await.unwrap();
    scientist.measures_when("/measures/1", |measures| measures.len() == 10).await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_ends_the_start_with_a_clear_message() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let port = ReservedPort::reserve().unwrap();
    let _other_program = TcpListener::bind(("127.0.0.1", port.get())).unwrap();
    let service = environment.service().unwrap().env("REST_PORT", &port.get().to_string());
    let finished = service.run().await.unwrap();
    assert_eq!(finished.status, 1, "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    let port = port.get().to_string();
    assert!(finished.stderr.contains("REST_PORT") && finished.stderr.contains(&port), "{finished:?}");
    assert!(finished.stderr.contains("in use"), "{finished:?}");
}
