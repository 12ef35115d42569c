//! Graceful shutdown: with status 0 and within 10 seconds, whatever the service is doing.

use std::time::Duration;

use mymonit_test_support::{Exit, MySqlServer, QueueState, RabbitMq, wait_until};
use rand::RngExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::environment::{
    Client, Engine, MessageBalance, OTHER_SCIENTIST, SCIENTIST, STOP_LIMIT, Service, TIMEOUT,
    TestEnvironment, message, mysql_session, on_every_engine,
};

on_every_engine!(
    both_signals_end_the_service_with_status_0,
    a_half_read_answer_does_not_keep_the_service_and_is_not_ended_as_if_it_were_whole,
    an_answer_that_is_being_read_is_finished,
);

async fn both_signals_end_the_service_with_status_0(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    assert_eq!(service.process.terminate(STOP_LIMIT).await.unwrap(), Exit::Status(0));
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    assert_eq!(service.process.interrupt(STOP_LIMIT).await.unwrap(), Exit::Status(0));
    let adapter = environment.adapter().await.unwrap();
    wait_until("the broker has seen it go", TIMEOUT, async || match adapter.queue().await {
        Ok(queue) if queue.consumer_count() == 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
}

/// Far more than what fits between the service and a client that does not read.
const MESSAGES: u32 = 300_000;

async fn a_half_read_answer_does_not_keep_the_service_and_is_not_ended_as_if_it_were_whole(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    environment.session().await.unwrap().add_measures(2, MESSAGES).await.unwrap();
    let token = environment.firebase.token_for(OTHER_SCIENTIST);
    let request =
        format!("GET /measures/2 HTTP/1.1\r\nHost: mymonit\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut client = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let mut begin = [0; 4096];
    client.read_exact(&mut begin).await.unwrap();

    service.stop().await.unwrap();
    let mut rest = Vec::new();
    // The connection may be reset, which is as clear.
    let _ = client.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the document is ended as if it were whole");
}

async fn an_answer_that_is_being_read_is_finished(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let count = MESSAGES / 6;
    environment.session().await.unwrap().add_measures(2, count).await.unwrap();
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    let answer = scientist.request(reqwest::Method::GET, "/measures/2").send().await.unwrap();
    let (stopped, read) = tokio::join!(service.stop(), read_during_the_stop(&service, answer));
    stopped.unwrap();
    assert_eq!(read.unwrap(), usize::try_from(count).unwrap());
}

/// Reads a little, and the rest during the shutdown. Returns the number of measures.
async fn read_during_the_stop(service: &Service, mut answer: reqwest::Response) -> anyhow::Result<usize> {
    let mut text = Vec::new();
    let mut is_stopping = false;
    while let Some(chunk) = answer.chunk().await? {
        text.extend_from_slice(&chunk);
        if !std::mem::replace(&mut is_stopping, true) {
            wait_until("no connection is accepted", TIMEOUT, async || {
                match TcpStream::connect(("127.0.0.1", service.port())).await {
                    Ok(_) => Err("one was"),
                    Err(_) => Ok(()),
                }
            })
            .await?;
        }
    }
    Ok(serde_json::from_slice::<Vec<Value>>(&text)?.len())
}

/// Reads until the service refuses connections. Every answer must be correct.
async fn read_to_the_end(scientist: Client) -> usize {
    let mut answers = 0;
    while let Ok(answer) = scientist.get("/measures/1?to=2023-01-01T00:00:00Z").await {
        assert_eq!((answer.status, answer.body.as_array().unwrap().len()), (200, 10));
        answers += 1;
    }
    answers
}

/// The chaos scenario `stops` proves the same on MySQL.
#[tokio::test]
async fn a_stop_in_the_middle_of_load_leaves_nothing_committed_to_be_delivered_again_on_sqlite() {
    const CHUNK: u32 = 5_000;
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let mut message_balance = MessageBalance::open(&environment).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    service.stop().await.unwrap();
    let mut stops = 0;
    for round in 0..30 {
        let body = |number: u32| {
            let timestamp = 1_700_000_000 + i64::from(number);
            (message("device-vibrations", "hertz", number.into(), timestamp), None)
        };
        message_balance.publish((round * CHUNK..(round + 1) * CHUNK).map(body).collect()).await;
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
        let mut readers = JoinSet::new();
        for _ in 0..4 {
            readers.spawn(read_to_the_end(environment.client(&service, SCIENTIST)));
        }
        message_balance.wait_until_few_are_left(CHUNK / 2).await;
        // A moment independent of batches.
        sleep(Duration::from_micros(rand::rng().random_range(0..20_000))).await;
        let excess = message_balance.excess;
        service.stop().await.unwrap();
        readers.join_all().await;
        message_balance.balance().await;
        assert_eq!(
            message_balance.excess, excess,
            "nothing is lost, and nothing that is stored will be delivered again"
        );
        // A stop after the last message does not count.
        stops += u32::from(message_balance.waiting > 0);
        if stops == 3 {
            return;
        }
    }
    panic!("only {stops} of 30 stops came in the middle of consumption");
}

/// Publishes a message, and waits until the service has it unacknowledged.
async fn publish_and_wait_until_consumed(environment: &TestEnvironment) {
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(&message("black-holes", "hertz", 1.0, 1), None).await.unwrap();
    wait_until("the service has the message in hand", TIMEOUT, async || {
        let queue = adapter.queue().await.map_err(|error| error.to_string())?;
        if queue.message_count() == 0 && queue.consumer_count() == 1 {
            Ok(())
        } else {
            Err(format!("{queue:?}"))
        }
    })
    .await
    .unwrap();
}

async fn stop_with_a_request_under_way(environment: &TestEnvironment, service: &Service) {
    let scientist = environment.client(service, OTHER_SCIENTIST);
    let request = tokio::spawn(async move { scientist.get("/measures/2").await });
    service.stop().await.unwrap();
    // Any answer is right, but it must come soon.
    let _ = timeout(TIMEOUT, request).await.unwrap();
}

/// Waits until the one unacknowledged message is requeued.
async fn wait_until_requeued(environment: &TestEnvironment) {
    environment.wait_until_queue_holds(QueueState { ready: 1, unacknowledged: 0, consumers: 0 }).await;
}

#[tokio::test]
async fn an_unreachable_or_hanging_database_does_not_delay_the_stop() {
    let server = MySqlServer::start().await.unwrap();
    let broker = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    let environment = TestEnvironment::with_mysql(server.url("mymonit"), broker).await.unwrap();
    let service = environment.ready_service().await.unwrap();

    server.stop().await.unwrap();
    publish_and_wait_until_consumed(&environment).await;
    stop_with_a_request_under_way(&environment, &service).await;
    wait_until_requeued(&environment).await;

    server.start_again().await.unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();

    server.pause().unwrap();
    publish_and_wait_until_consumed(&environment).await;
    stop_with_a_request_under_way(&environment, &service).await;
    wait_until_requeued(&environment).await;

    // The frozen server may have committed the last statement, so there are two or three.
    server.resume().unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    environment.wait_until_all_is_acknowledged().await;
    let mut database = mysql_session(&server, "mymonit").unwrap();
    let stored = database.number("SELECT COUNT(*) FROM MEASURES WHERE EXPERIMENT_ID = 2").await.unwrap();
    assert!((2..=3).contains(&stored), "{stored}");
}

#[tokio::test]
async fn an_unreachable_or_hanging_broker_does_not_delay_the_stop() {
    let broker = RabbitMq::start().await.unwrap();
    let environment = TestEnvironment::with_broker(Engine::Sqlite, broker.url()).await.unwrap();
    let service = environment.ready_service().await.unwrap();

    broker.stop().await.unwrap();
    service.wait_until_part("consumer", false).await.unwrap();
    stop_with_a_request_under_way(&environment, &service).await;

    // Also one that never found its broker.
    service.process.start_again().await.unwrap();
    service.wait_until_part("database", true).await.unwrap();
    stop_with_a_request_under_way(&environment, &service).await;

    broker.start_again().await.unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    publish_and_wait_until_consumed(&environment).await;
    let scientist = environment.client(&service, OTHER_SCIENTIST);
    scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();
    broker.pause().unwrap();
    stop_with_a_request_under_way(&environment, &service).await;
    broker.resume().unwrap();
}
