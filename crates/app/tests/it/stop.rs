//! How the service stops: in good order, with status 0 and within 10 seconds, whatever it is doing.

use std::time::{Duration, Instant};

use mymonit_test_support::{Exit, MySqlServer, QueueState, RabbitMq, wait_until};
use rand::RngExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::house::{
    Books, Client, Engine, House, OTHER_SCIENTIST, PREFETCH, SCIENTIST, SERVICE_WAITS, SOON, STOP_LIMIT,
    Service, message, mysql_session, on_every_engine,
};

on_every_engine!(
    both_signals_end_the_service_with_status_0,
    a_half_read_answer_does_not_keep_the_service_and_is_not_ended_as_if_it_were_whole,
    an_answer_that_is_being_read_is_finished,
    a_stop_in_the_middle_of_load_leaves_nothing_committed_to_be_delivered_again,
);

async fn both_signals_end_the_service_with_status_0(engine: Engine) {
    let house = House::new(engine).await.unwrap();
    let service = house.ready_service().await.unwrap();
    assert_eq!(service.process.terminate(STOP_LIMIT).await.unwrap(), Exit::Status(0));
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    assert_eq!(service.process.interrupt(STOP_LIMIT).await.unwrap(), Exit::Status(0));
    let adapter = house.adapter().await.unwrap();
    wait_until("the broker has seen it go", SOON, async || match adapter.queue().await {
        Ok(queue) if queue.consumers == 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
}

/// Far more than what fits between the service and a client that does not read.
const MANY: u32 = 300_000;

async fn a_half_read_answer_does_not_keep_the_service_and_is_not_ended_as_if_it_were_whole(engine: Engine) {
    let house = House::new(engine).await.unwrap();
    let service = house.ready_service().await.unwrap();
    house.session().await.unwrap().add_measures(2, MANY).await.unwrap();
    let token = house.firebase.token_for(OTHER_SCIENTIST);
    let request =
        format!("GET /measures/2 HTTP/1.1\r\nHost: mymonit\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut client = None;
    for _ in 0..15 {
        let asked = Instant::now();
        let mut connected = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        connected.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        connected.read_exact(&mut status).await.unwrap();
        if &status == b"HTTP/1.1 200" {
            client = Some(connected);
            break;
        }
        // Told to come back, after a wait for a database that stood still.
        assert!(&status == b"HTTP/1.1 503" && asked.elapsed() >= SERVICE_WAITS, "{status:?}");
    }
    let mut client = client.unwrap();
    let mut begin = [0; 4096];
    client.read_exact(&mut begin).await.unwrap();

    service.stop().await.unwrap();
    let mut rest = Vec::new();
    // The connection may be reset, which is as clear.
    let _ = client.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the document is ended as if it were whole");
}

/// What is sent over a connection that is kept, in the second in which a stop lets such connections live, is answered, also where the
/// service stands still until that second is over. Where this machine was slower than that, all of it is done once more.
#[tokio::test]
async fn a_request_that_comes_while_a_stopping_service_stands_still_is_answered() {
    const DRAIN: Duration = Duration::from_secs(1);
    const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: mymonit\r\n\r\n";
    let house = House::new(Engine::Sqlite).await.unwrap();
    let service = house.ready_service().await.unwrap();
    for _ in 0..20 {
        let mut client = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        let mut begin = [0; 12];
        client.write_all(REQUEST).await.unwrap();
        client.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        let lines_before = service.process.line_count();
        let stopping = Instant::now();
        service.process.ask_to_end().unwrap();
        service.process.wait_for_line_after(lines_before, "\"stopping\"", SOON).await.unwrap();
        // An error says that it has ended, while this test stood still.
        let is_frozen = service.process.pause().is_ok();
        let is_in_time = is_frozen && stopping.elapsed() < DRAIN;
        let sent = client.write_all(REQUEST).await;
        sleep(DRAIN).await;
        if is_frozen {
            service.process.resume().unwrap();
        }
        let mut answers = Vec::new();
        let read = client.read_to_end(&mut answers).await;
        assert!(service.process.wait_for_exit(STOP_LIMIT).await.unwrap().success());
        if is_in_time {
            sent.unwrap();
            let answers = String::from_utf8_lossy(&answers);
            assert!(read.is_ok() && answers.contains("HTTP/1.1 200"), "{read:?}: {answers}");
            return;
        }
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
    }
    panic!("this machine takes longer than a second to freeze a process");
}

/// Within the eight seconds that the service gives open requests; where this machine was slower, which the log tells, all of it
/// is done once more.
async fn an_answer_that_is_being_read_is_finished(engine: Engine) {
    let house = House::new(engine).await.unwrap();
    let service = house.ready_service().await.unwrap();
    let count = MANY / 6;
    house.session().await.unwrap().add_measures(2, count).await.unwrap();
    for _ in 0..5 {
        let lines = service.process.line_count();
        let scientist = house.client(&service, OTHER_SCIENTIST);
        let answer =
            scientist.answer_to(|| scientist.request(reqwest::Method::GET, "/measures/2")).await.unwrap();
        let (stopped, read) = tokio::join!(service.stop(), read_during_the_stop(&service, answer));
        stopped.unwrap();
        let printed = service.process.lines();
        if printed[lines..].iter().any(|line| line.text.contains("still open were broken off")) {
            assert!(read.is_err(), "the document is ended as if it were whole");
            service.process.start_again().await.unwrap();
            service.wait_until_ready().await.unwrap();
        } else {
            assert_eq!(read.unwrap(), usize::try_from(count).unwrap());
            return;
        }
    }
    panic!("this machine takes longer than eight seconds to read {count} measures");
}

/// Reads a little, and the rest only once the service is stopping: nobody new is let in. Gives how many measures there were.
async fn read_during_the_stop(service: &Service, mut answer: reqwest::Response) -> anyhow::Result<usize> {
    let mut text = Vec::new();
    let mut is_stopping = false;
    while let Some(chunk) = answer.chunk().await? {
        text.extend_from_slice(&chunk);
        if !std::mem::replace(&mut is_stopping, true) {
            wait_until("no connection is accepted", SOON, async || {
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

/// Reads until the service lets nobody in any more. Whatever is answered must be right.
async fn read_to_the_end(scientist: Client) -> usize {
    let mut answers = 0;
    while let Ok(answer) = scientist.get("/measures/1?to=2023-01-01T00:00:00Z").await {
        assert_eq!((answer.status, answer.body.as_array().unwrap().len()), (200, 10));
        answers += 1;
    }
    answers
}

async fn a_stop_in_the_middle_of_load_leaves_nothing_committed_to_be_delivered_again(engine: Engine) {
    const PORTION: u32 = 5_000;
    let house = House::new(engine).await.unwrap();
    let mut books = Books::open(&house).await.unwrap();
    let service = house.ready_service().await.unwrap();
    service.stop().await.unwrap();
    let mut stops = 0;
    for round in 0..30 {
        let body = |number: u32| {
            let timestamp = 1_700_000_000 + i64::from(number);
            (message("device-vibrations", "hertz", number.into(), timestamp), None)
        };
        books.publish((round * PORTION..(round + 1) * PORTION).map(body).collect()).await;
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
        let mut readers = JoinSet::new();
        for _ in 0..4 {
            readers.spawn(read_to_the_end(house.client(&service, SCIENTIST)));
        }
        books.wait_until_few_are_left(PORTION / 2).await;
        // A moment that no batch knows of.
        sleep(Duration::from_micros(rand::rng().random_range(0..20_000))).await;
        let (excess, lines) = (books.excess, service.process.line_count());
        service.stop().await.unwrap();
        readers.join_all().await;
        books.balance().await;
        if service.has_cut_a_stop_short(lines) {
            // Nothing is lost.
            assert!(
                (excess..=excess + i64::from(PREFETCH)).contains(&books.excess),
                "{} after {excess}",
                books.excess
            );
            continue;
        }
        assert_eq!(
            books.excess, excess,
            "nothing is lost, and nothing that is stored will be delivered again"
        );
        // One that came too late, on a machine on which this test stood still for a while, does not count.
        stops += u32::from(books.waiting > 0);
        if stops == 3 {
            return;
        }
    }
    panic!("only {stops} of 30 stops came in the middle of consumption");
}

/// Publishes a message that the service will have in hand, and waits until it has.
async fn let_it_have_a_message(house: &House) {
    let adapter = house.adapter().await.unwrap();
    adapter.publish(&message("black-holes", "hertz", 1.0, 1), None).await.unwrap();
    wait_until("the service has the message in hand", SOON, async || {
        let queue = adapter.queue().await.map_err(|error| error.to_string())?;
        if queue.waiting == 0 && queue.consumers == 1 { Ok(()) } else { Err(format!("{queue:?}")) }
    })
    .await
    .unwrap();
}

async fn stop_with_a_request_under_way(house: &House, service: &Service) {
    let scientist = house.client(service, OTHER_SCIENTIST).asking_once();
    let request = tokio::spawn(async move { scientist.get("/measures/2").await });
    service.stop().await.unwrap();
    // Whatever it is told, it is not kept waiting.
    let _ = timeout(SOON, request).await.unwrap();
}

/// Waits until the one message that the service had in hand waits in the queue again.
async fn wait_until_it_is_back(house: &House) {
    house.wait_until_queue_holds(QueueState { ready: 1, unacknowledged: 0, consumers: 0 }).await;
}

#[tokio::test]
async fn a_database_that_is_away_or_hangs_does_not_keep_the_service() {
    let server = MySqlServer::start().await.unwrap();
    let broker = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    let house = House::with_mysql(server.url("mymonit"), broker).await.unwrap();
    let service = house.ready_service().await.unwrap();

    server.stop().await.unwrap();
    let_it_have_a_message(&house).await;
    stop_with_a_request_under_way(&house, &service).await;
    wait_until_it_is_back(&house).await;

    server.start_again().await.unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let scientist = house.client(&service, OTHER_SCIENTIST);
    scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();

    server.pause().unwrap();
    let_it_have_a_message(&house).await;
    stop_with_a_request_under_way(&house, &service).await;
    wait_until_it_is_back(&house).await;

    // What the frozen server had been told it may have committed after all, so there are two or three.
    server.resume().unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    house.wait_until_all_is_acknowledged().await;
    let mut database = mysql_session(&server, "mymonit").unwrap();
    let stored = database.number("SELECT COUNT(*) FROM MEASURES WHERE EXPERIMENT_ID = 2").await.unwrap();
    assert!((2..=3).contains(&stored), "{stored}");
}

#[tokio::test]
async fn a_broker_that_is_away_or_hangs_does_not_keep_the_service() {
    let broker = RabbitMq::start().await.unwrap();
    let house = House::with_broker(Engine::Sqlite, broker.url()).await.unwrap();
    let service = house.ready_service().await.unwrap();

    broker.stop().await.unwrap();
    service.wait_until_part("consumer", false).await.unwrap();
    stop_with_a_request_under_way(&house, &service).await;

    // Also one that never found its broker.
    service.process.start_again().await.unwrap();
    service.wait_until_part("database", true).await.unwrap();
    stop_with_a_request_under_way(&house, &service).await;

    broker.start_again().await.unwrap();
    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    let_it_have_a_message(&house).await;
    let scientist = house.client(&service, OTHER_SCIENTIST);
    scientist.measures_when("/measures/2", |measures| measures.len() == 1).await.unwrap();
    broker.pause().unwrap();
    stop_with_a_request_under_way(&house, &service).await;
    broker.resume().unwrap();
}
