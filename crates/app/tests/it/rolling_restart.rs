//! Two processes behind a real nginx, restarted in turn under load.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::ensure;
use mymonit_test_support::{Nginx, Proxy, ReservedPort, wait_until};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::environment::{
    ADMIN, Adapter, Answer, Client, Engine, OTHER_SCIENTIST, SCIENTIST, Service, TIMEOUT, TestEnvironment,
    message,
};

/// The project's nginx configuration. Debian's nginx is too old for `resolve` of upstream servers,
/// so the test copies the settings for the upstream.
const CONTAINER: &str = include_str!("../../../../containers/nginx/nginx.conf");

/// How often each of the two is restarted.
const ROUNDS: u32 = 3;
/// How many scientists read at the same time.
const READERS: usize = 8;
/// How many administrators change things: enough that each stop meets requests that nginx may not
/// repeat.
const ADMINISTRATORS: u32 = 8;
/// How many messages a publisher has confirmed before it publishes more.
const AT_ONCE: u32 = 200;
/// How many messages may wait in the queue: enough for a process to be in the middle of something
/// whenever it is stopped, few enough to be stored soon in the end, however quick the broker is.
const BACKLOG: u32 = 10_000;
/// How often a publisher checks the backlog.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The container's settings of an upstream server: failures and timeout.
fn of_a_process() -> &'static str {
    let server = "server app:5000 resolve ";
    let line = CONTAINER.lines().find_map(|line| line.trim().strip_prefix(server));
    line.expect("the line of the processes")
}

/// The container's settings of idle upstream connections.
fn of_kept_connections() -> String {
    let (_, upstream) = CONTAINER.split_once("upstream app {").expect("the processes");
    let (upstream, _) = upstream.split_once("\n    }").expect("the end of the processes");
    let lines: Vec<_> =
        upstream.lines().map(str::trim).filter(|line| line.starts_with("keepalive")).collect();
    assert!(lines.iter().any(|line| line.starts_with("keepalive_timeout ")), "{lines:?}");
    lines.join("\n")
}

/// The container's proxy settings, in the server for clients.
fn of_the_way() -> String {
    let (_, server) = CONTAINER.split_once("listen 8443").expect("the server for clients");
    let (server, _) = server.split_once("location / {").expect("the way to the service");
    let lines: Vec<_> = server.lines().map(str::trim).filter(|line| line.starts_with("proxy_")).collect();
    assert!(lines.iter().any(|line| line.starts_with("proxy_next_upstream ")), "{lines:?}");
    lines.join("\n")
}

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
         server {{ listen 127.0.0.1:{}; {of_the_way} location / {{ proxy_pass http://app; }} }}
         ",
        port.get()
    );
    Nginx::start(port, &configuration).await.unwrap()
}

/// Sends requests until stopped. An unexpected answer ends it at once.
struct Load {
    tasks: JoinSet<anyhow::Result<()>>,
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

    /// An adapter that publishes without ids: a redelivery would be stored twice.
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
                while adapter.queue().await?.message_count() > BACKLOG && !stop.is_cancelled() {
                    sleep(POLL_INTERVAL).await;
                }
            }
            Ok(())
        });
    }

    /// Fails if a client has come to its end already.
    fn check(&mut self) -> anyhow::Result<()> {
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
    ) -> anyhow::Result<()> {
        let mut checked = Ok(());
        wait_until(what, TIMEOUT, async || {
            checked = self.check();
            if checked.is_err() { Ok(()) } else { look(self).await.map_err(|error| error.to_string()) }
        })
        .await
        .unwrap();
        checked
    }

    /// Waits until nginx sends requests to that process.
    async fn wait_until_asked(&mut self, service: &Service) -> anyhow::Result<()> {
        let before = answered(service).await;
        self.wait_until("nginx sends requests to the process", async |_| {
            if answered(service).await > before { Ok(()) } else { Err("none came") }
        })
        .await
    }

    /// Waits until so much has been asked and published that it is a load, however slow this
    /// machine is.
    async fn wait_until_it_is_one(&mut self) -> anyhow::Result<()> {
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

    /// Waits for all of them; returns the number of messages.
    async fn finish(mut self) -> anyhow::Result<u32> {
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
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let [first, second] =
        [Proxy::start(service.port()).await.unwrap(), Proxy::start(service.port()).await.unwrap()];
    let nginx = nginx_before([first.port(), second.port()], &of_kept_connections()).await;
    let client = environment.client_at(&nginx.url(), SCIENTIST);
    for _ in 0..REQUESTS {
        assert_eq!(client.measures("/measures/1").await.unwrap().len(), 10);
    }
    // A machine that is slow lets some of them lie for longer than nginx keeps them.
    let opened = first.accepted() + second.accepted();
    assert!(opened < REQUESTS / 2, "{opened} connections for {REQUESTS} requests");
}

async fn restart_in_turn(kept_connections: &str) {
    let environment = TestEnvironment::new(Engine::MySql).await.unwrap();
    let services =
        [environment.unlimited_service().await.unwrap(), environment.unlimited_service().await.unwrap()];
    let nginx = nginx_before(services.each_ref().map(Service::port), kept_connections).await;
    if let Err(error) = restart_under_load(&environment, &services, &nginx).await {
        panic!("{error:?}; {}", nginx.log());
    }
}

/// Restarts each in turn. Fails where a client does.
async fn restart_under_load(
    environment: &TestEnvironment,
    services: &[Service; 2],
    nginx: &Nginx,
) -> anyhow::Result<()> {
    let mut load = Load::new();
    let (scientist, administrator) =
        (environment.client_at(&nginx.url(), SCIENTIST), environment.client_at(&nginx.url(), ADMIN));
    for _ in 0..READERS {
        load.reader(scientist.clone());
    }
    for number in 0..ADMINISTRATORS {
        load.administrator(administrator.clone(), number);
    }
    load.publisher(environment.adapter().await.unwrap());

    for _ in 0..ROUNDS {
        for service in services {
            load.wait_until_asked(service).await?;
            service.stop().await.unwrap();
            load.check()?;
            service.process.start_again().await.unwrap();
            service.wait_until_ready().await.unwrap();
            load.wait_until_asked(service).await?;
        }
    }
    load.wait_until_it_is_one().await?;
    let published = usize::try_from(load.finish().await?).unwrap();
    environment.wait_until_all_is_acknowledged().await;
    let stored = environment.client_at(&nginx.url(), OTHER_SCIENTIST).measures("/measures/2").await?.len();
    assert_eq!(stored, published);
    Ok(())
}
