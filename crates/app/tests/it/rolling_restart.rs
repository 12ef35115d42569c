//! Two processes behind a real nginx, restarted in turn under load.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use mymonit_test_support::{Nginx, Proxy, ReservedPort, wait_until};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::house::{
    ADMIN, Adapter, Answer, Client, Engine, House, OTHER_SCIENTIST, PREFETCH, SCIENTIST, SOON, Service,
    message,
};

/// What the project's own nginx is given. It asks Docker for the addresses of the processes, which only newer versions than
/// Debian's can; so what it says of them and of the way to them is taken over here.
const CONTAINER: &str = include_str!("../../../../containers/nginx/nginx.conf");

/// How often each of the two is restarted.
const ROUNDS: u32 = 3;
/// How many scientists read at the same time.
const READERS: usize = 8;
/// How many administrators change things: enough that each stop meets requests that nginx may not repeat.
const ADMINISTRATORS: u32 = 8;
const CLIENTS: usize = READERS + ADMINISTRATORS as usize;
/// How many messages a publisher has confirmed before it publishes more.
const AT_ONCE: u32 = 200;
/// How many messages may wait in the queue: enough for a process to be in the middle of something whenever it is stopped, few enough to
/// be stored soon in the end, however quick the broker is.
const BACKLOG: u32 = 10_000;
/// How often a publisher looks whether there is room again, and somebody whether nginx answers.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// An nginx that stands still for most of the second in which a process that stops lets connections go on may find them closed over the
/// request that it sends then, and may not repeat each. So nothing is promised behind one that stood still for so long.
const STANDS_STILL: Duration = Duration::from_millis(500);
/// How long before a request is seen to fail nginx may have begun to send it.
const SENT_WITHIN: Duration = Duration::from_secs(2);
/// How many times everything is done at most, until all is well.
const ATTEMPTS: usize = 3;

/// What the container's nginx says of each process: when it is left alone, and for how long.
fn of_a_process() -> &'static str {
    let server = "server app:5000 resolve ";
    let line = CONTAINER.lines().find_map(|line| line.trim().strip_prefix(server));
    line.expect("the line of the processes")
}

/// What it says of connections that it keeps for further requests.
fn of_kept_connections() -> String {
    let (_, upstream) = CONTAINER.split_once("upstream app {").expect("the processes");
    let (upstream, _) = upstream.split_once("\n    }").expect("the end of the processes");
    let lines: Vec<_> =
        upstream.lines().map(str::trim).filter(|line| line.starts_with("keepalive")).collect();
    assert!(lines.iter().any(|line| line.starts_with("keepalive_timeout ")), "{lines:?}");
    lines.join("\n")
}

/// What it says of the way to them, in the server for clients.
fn of_the_way() -> String {
    let (_, server) = CONTAINER.split_once("listen 8443").expect("the server for clients");
    let (server, _) = server.split_once("location / {").expect("the way to the service");
    let lines: Vec<_> = server.lines().map(str::trim).filter(|line| line.starts_with("proxy_")).collect();
    assert!(lines.iter().any(|line| line.starts_with("proxy_next_upstream ")), "{lines:?}");
    lines.join("\n")
}

/// What nginx answers by itself.
const OWN: &str = "/nginx";

fn ensure_status(answer: &Answer, expected: u16) -> anyhow::Result<()> {
    ensure!(answer.status == expected, "{answer:?}");
    Ok(())
}

/// An nginx like the container's, but for what it keeps of its connections.
async fn nginx_before(ports: [u16; 2], kept_connections: &str) -> Nginx {
    let port = ReservedPort::reserve().unwrap();
    let [first, second] = ports;
    let (of_a_process, of_the_way) = (of_a_process(), of_the_way());
    let configuration = format!(
        "upstream app {{ zone app 64k; least_conn; server 127.0.0.1:{first} {of_a_process} \
         server 127.0.0.1:{second} {of_a_process} {kept_connections} }}
         server {{ listen 127.0.0.1:{}; {of_the_way} location / {{ proxy_pass http://app; }}
         location = {OWN} {{ return 204; }} }}
         ",
        port.get()
    );
    Nginx::start(port, &configuration).await.unwrap()
}

/// That a client did not get what it asked for.
struct Failure {
    at: Instant,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { at: Instant::now(), error }
    }
}

/// What clients do until they are told to stop. Whatever is not as it should be ends them at once.
struct Load {
    tasks: JoinSet<Result<(), Failure>>,
    stop: CancellationToken,
    requests: Arc<AtomicU32>,
    published: Arc<AtomicU32>,
}

impl Load {
    fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            requests: Arc::default(),
            published: Arc::default(),
        }
    }

    /// A scientist who reads.
    fn reader(&mut self, client: Client) {
        let (stop, requests) = (self.stop.clone(), self.requests.clone());
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                let measures = client.measures("/measures/1?to=2023-01-01T00:00:00Z").await?;
                assert_eq!(measures.len(), 10, "{measures:?}");
                requests.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }

    /// An administrator who changes things, by requests that nginx may not repeat.
    fn administrator(&mut self, client: Client, administrator: u32) {
        let (stop, requests) = (self.stop.clone(), self.requests.clone());
        self.tasks.spawn(async move {
            let mut number = 0;
            while !stop.is_cancelled() {
                let name = format!("{administrator}, {number}");
                let id = client.add_experiment(&name).await?;
                let renamed = json!({"name": format!("{name}, renamed")});
                let answer = client.put(&format!("/experiments/{id}"), renamed).await?;
                ensure_status(&answer, 200)?;
                client.associate(id, "S001").await?;
                let path = format!("/scientists-experiments/{id}/S001");
                let answer = client.send(Method::DELETE, &path, None).await?;
                ensure_status(&answer, 204)?;
                requests.fetch_add(4, Ordering::Relaxed);
                number += 1;
            }
            Ok(())
        });
    }

    /// An adapter that publishes, without ids: what is delivered twice is stored twice.
    fn publisher(&mut self, adapter: Adapter) {
        let (stop, published) = (self.stop.clone(), self.published.clone());
        self.tasks.spawn(async move {
            let mut next = 0;
            while !stop.is_cancelled() {
                let messages = (next..next + AT_ONCE).map(|number| {
                    let timestamp = 1_700_000_000 + i64::from(number);
                    (message("black-holes", "hertz", number.into(), timestamp), None)
                });
                adapter.publish_all(messages).await?;
                next += AT_ONCE;
                published.store(next, Ordering::Relaxed);
                while adapter.queue().await?.waiting > BACKLOG && !stop.is_cancelled() {
                    sleep(LOOK_EVERY).await;
                }
            }
            Ok(())
        });
    }

    /// Fails if a client has come to its end already.
    fn check(&mut self) -> Result<(), Failure> {
        match self.tasks.try_join_next() {
            Some(ended) => Err(ended.unwrap().expect_err("none ends of itself")),
            None => Ok(()),
        }
    }

    /// Waits until it is seen, or a client has come to its end.
    async fn wait_until<E: Display>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&Self) -> Result<(), E>,
    ) -> Result<(), Failure> {
        let mut checked = Ok(());
        wait_until(what, SOON, async || {
            checked = self.check();
            if checked.is_err() { Ok(()) } else { look(self).await.map_err(|error| error.to_string()) }
        })
        .await
        .unwrap();
        checked
    }

    /// Waits until nginx sends requests to that process.
    async fn wait_until_asked(&mut self, service: &Service) -> Result<(), Failure> {
        let before = answered(service).await;
        self.wait_until("nginx sends requests to the process", async |_| {
            if answered(service).await > before { Ok(()) } else { Err("none came") }
        })
        .await
    }

    /// Waits until so much has been asked and published that it is a load, however slow this machine is.
    async fn wait_until_it_is_one(&mut self) -> Result<(), Failure> {
        self.wait_until("there has been a load", async |load| {
            let (requests, published) =
                (load.requests.load(Ordering::Relaxed), load.published.load(Ordering::Relaxed));
            if requests > 100 && published >= AT_ONCE {
                Ok(())
            } else {
                Err(format!("{requests} requests, {published} messages"))
            }
        })
        .await
    }

    /// Lets all finish what they do; gives the number of messages.
    async fn finish(mut self) -> Result<u32, Failure> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap()?;
        }
        Ok(self.published.load(Ordering::Relaxed))
    }
}

/// How many requests for measures a process has answered since its start.
async fn answered(service: &Service) -> f64 {
    let sample =
        "mymonit_http_requests_total{method=\"GET\",route=\"/measures/{experiment_id}\",status=\"200\"}";
    service.metrics().await.unwrap().get(sample).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_two_processes_behind_nginx_fails_no_request_and_loses_no_message() {
    restart_in_turn(&of_kept_connections()).await;
}

/// As ingress controllers do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_behind_a_proxy_that_keeps_idle_connections_for_a_minute() {
    restart_in_turn("keepalive 32;").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_behind_a_proxy_that_opens_a_connection_for_each_request() {
    restart_in_turn("").await;
}

#[tokio::test]
async fn nginx_opens_no_connection_of_its_own_for_each_request() {
    const REQUESTS: usize = 100;
    let house = House::new(Engine::Sqlite).await.unwrap();
    let service = house.ready_service().await.unwrap();
    let [first, second] =
        [Proxy::start(service.port()).await.unwrap(), Proxy::start(service.port()).await.unwrap()];
    let nginx = nginx_before([first.port(), second.port()], &of_kept_connections()).await;
    let client = house.client_at(&nginx.url(), SCIENTIST);
    for _ in 0..REQUESTS {
        assert_eq!(client.measures("/measures/1").await.unwrap().len(), 10);
    }
    // A machine that is slow lets some of them lie for longer than nginx keeps them.
    let opened = first.accepted() + second.accepted();
    assert!(opened < REQUESTS / 2, "{opened} connections for {REQUESTS} requests");
}

/// Asks nginx itself, again and again, and notes when it stood still.
struct Watch {
    task: AbortOnDropHandle<Vec<(Instant, Instant)>>,
    stop: CancellationToken,
}

impl Watch {
    fn of(nginx: &Nginx) -> Self {
        let (url, stop) = (format!("{}{OWN}", nginx.url()), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let http = reqwest::Client::new();
            let (mut stood_still, mut last) = (Vec::new(), Instant::now());
            while !stopped.is_cancelled() {
                sleep(LOOK_EVERY).await;
                assert_eq!(http.get(&url).send().await.unwrap().status(), 204);
                let now = Instant::now();
                if now - last >= STANDS_STILL {
                    stood_still.push((last, now));
                }
                last = now;
            }
            stood_still
        });
        Self { task: AbortOnDropHandle::new(task), stop }
    }

    /// When it stood still, after it has answered another time.
    async fn stood_still(self) -> Vec<(Instant, Instant)> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn restart_in_turn(kept_connections: &str) {
    let mut failures = Vec::new();
    while failures.len() < ATTEMPTS {
        let house = House::new(Engine::MySql).await.unwrap();
        let services = [house.ready_service().await.unwrap(), house.ready_service().await.unwrap()];
        let nginx = nginx_before(services.each_ref().map(Service::port), kept_connections).await;
        let watch = Watch::of(&nginx);
        let Err(failure) = restart_under_load(&house, &services, &nginx).await else { return };
        let stood_still = watch.stood_still().await;
        let may_have_failed_for_it =
            |&(from, to): &(Instant, Instant)| from <= failure.at && failure.at <= to + SENT_WITHIN;
        let error = failure.error;
        assert!(stood_still.iter().any(may_have_failed_for_it), "{error:?}; nginx: {stood_still:?}");
        failures.push(error);
    }
    panic!("nginx stood still each time: {failures:?}");
}

/// Restarts each in turn. Fails where a client does.
async fn restart_under_load(house: &House, services: &[Service; 2], nginx: &Nginx) -> Result<(), Failure> {
    let mut load = Load::new();
    let (scientist, administrator) =
        (house.client_at(&nginx.url(), SCIENTIST), house.client_at(&nginx.url(), ADMIN));
    for _ in 0..READERS {
        load.reader(scientist.clone());
    }
    for number in 0..ADMINISTRATORS {
        load.administrator(administrator.clone(), number);
    }
    load.publisher(house.adapter().await.unwrap());

    let mut cut_short = 0;
    for _ in 0..ROUNDS {
        for service in services {
            load.wait_until_asked(service).await?;
            let lines = service.process.line_count();
            service.stop().await.unwrap();
            cut_short += usize::from(service.has_cut_a_stop_short(lines));
            load.check()?;
            service.process.start_again().await.unwrap();
            service.wait_until_ready().await.unwrap();
            load.wait_until_asked(service).await?;
        }
    }
    load.wait_until_it_is_one().await?;
    let published = usize::try_from(load.finish().await?).unwrap();
    // Where the database stood still for longer than a request waits for a connection, everybody may be told so, once.
    let told = scientist.came_back() + administrator.came_back();
    assert!(told <= CLIENTS, "{told} times one of {CLIENTS} clients was told to come back");
    house.wait_until_all_is_acknowledged().await;
    let stored = house.client_at(&nginx.url(), OTHER_SCIENTIST).measures("/measures/2").await?.len();
    // A stop that was cut short may have left what it had in its hands unacknowledged.
    let expected = published..=published + cut_short * usize::from(PREFETCH);
    assert!(expected.contains(&stored), "{stored} of {published} messages are stored, {cut_short} cut short");
    Ok(())
}
