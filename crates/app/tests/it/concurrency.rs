//! Many concurrent clients: each gets its own answer, and none waits for another's query.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use mymonit_test_support::wait_until;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::environment::{
    ADMIN, Answer, Client, Engine, SCIENTIST, Service, Session, TIMEOUT, TestEnvironment,
    WAITING_FOR_A_TABLE, message, on_every_engine, user,
};

on_every_engine!(
    sixteen_clients_at_once_get_their_own_answers_and_no_error,
    sixty_four_clients_at_once_get_their_own_answers_and_no_error,
    two_hundred_and_fifty_six_clients_at_once_get_their_own_answers_and_no_error,
    cancelled_requests_leave_no_connection_out_of_sync,
);

async fn sixteen_clients_at_once_get_their_own_answers_and_no_error(engine: Engine) {
    clients_at_once(engine, 16, 15).await;
}

async fn sixty_four_clients_at_once_get_their_own_answers_and_no_error(engine: Engine) {
    clients_at_once(engine, 64, 5).await;
}

async fn two_hundred_and_fifty_six_clients_at_once_get_their_own_answers_and_no_error(engine: Engine) {
    clients_at_once(engine, 256, 2).await;
}

/// A scientist with their own experiment, whose measures identify them.
#[derive(Clone)]
struct Tenant {
    number: usize,
    user_id: String,
    experiment: u64,
    client: Client,
}

impl Tenant {
    /// The values of the measures in the own experiment, newest first.
    fn values(&self) -> [f64; 3] {
        let first = f64::from(u32::try_from(self.number).unwrap()) * 10.0;
        [first + 2.0, first + 1.0, first]
    }

    fn experiment_name(&self) -> String {
        format!("experiment of {}", self.user_id)
    }

    /// The user whose record the cancelled requests of this tenant write.
    /// They may run later than the tenant's next requests, so no test reads it back.
    fn left_behind(&self) -> String {
        format!("L{}", self.number)
    }

    fn messages(&self) -> impl Iterator<Item = (Vec<u8>, Option<String>)> {
        let name = self.experiment_name();
        let message = move |(age, value): (usize, f64)| {
            let timestamp = 1_700_000_000 - i64::try_from(age).unwrap();
            (message(&name, "hertz", value, timestamp), None)
        };
        self.values().into_iter().enumerate().map(message)
    }

    /// Reads and writes its own resources and checks each answer.
    async fn use_the_service(&self, administrator: &Client, round: usize) -> anyhow::Result<()> {
        let Self { user_id, experiment, client, .. } = self;
        self.read_measures().await?;

        let mut record = client.read("/users/me").await?;
        ensure!(record["user_id"] == user_id.as_str(), "{user_id} is answered {record}");
        record["name"] = json!(format!("{user_id} in round {round}"));
        let answer = client.put(&format!("/users/{user_id}"), record.clone()).await?;
        ensure!(answer.status == 200 && answer.body == record, "{user_id} is answered {answer:?}");
        let seen = administrator.read(&format!("/users/{user_id}")).await?;
        ensure!(seen == record, "{user_id} wrote {record}, and {seen} is read");

        let experiments = client.read("/experiments/").await?;
        let name = self.experiment_name();
        let expected =
            json!([{"experiment_id": experiment, "name": name, "description": "", "archived": false}]);
        ensure!(experiments == expected, "{user_id} is answered {experiments}");

        let name = format!("{user_id} {round}");
        let added = administrator.add_experiment(&name).await?;
        let seen = administrator.read(&format!("/experiments/{added}")).await?;
        ensure!(seen["name"] == name, "{name} was added, and {seen} is read");
        ensure!(client.get(&format!("/measures/{added}")).await?.status == 404);
        self.read_measures().await
    }

    async fn read_measures(&self) -> anyhow::Result<()> {
        let measures = self.client.measures(&format!("/measures/{}", self.experiment)).await?;
        let is_own = |(measure, value): (&Value, f64)| {
            measure["experiment"] == self.experiment_name() && measure["value"] == value
        };
        let all_own = measures.len() == 3 && measures.iter().zip(self.values()).all(is_own);
        ensure!(all_own, "{} is answered {measures:?}", self.user_id);
        Ok(())
    }
}

/// Adds tenants, and waits until their measures have come in through the broker.
async fn tenants(
    environment: &TestEnvironment,
    service: &Service,
    count: usize,
) -> anyhow::Result<Vec<Tenant>> {
    let administrator = environment.client(service, ADMIN);
    let mut tenants = Vec::new();
    for number in 0..count {
        let user_id = format!("T{number}");
        administrator.add_scientist(&user_id).await?;
        let client = environment.client(service, &format!("uid-{user_id}"));
        let mut tenant = Tenant { number, user_id, experiment: 0, client };
        tenant.experiment = administrator.add_experiment(&tenant.experiment_name()).await?;
        administrator.associate(tenant.experiment, &tenant.user_id).await?;
        tenants.push(tenant);
    }
    environment.adapter().await?.publish_all(tenants.iter().flat_map(Tenant::messages)).await?;
    let last = tenants.last().context("a tenant")?;
    last.client.measures_when(&format!("/measures/{}", last.experiment), |all| all.len() == 3).await?;
    Ok(tenants)
}

async fn clients_at_once(engine: Engine, count: usize, rounds: usize) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let tenants = tenants(&environment, &service, count).await.unwrap();
    let adapter = environment.adapter().await.unwrap();

    let start = Arc::new(Barrier::new(count));
    let mut clients = JoinSet::new();
    for tenant in tenants.clone() {
        let (start, administrator) = (start.clone(), administrator.clone());
        clients.spawn(async move {
            start.wait().await;
            for round in 0..rounds {
                tenant.use_the_service(&administrator, round).await?;
            }
            anyhow::Ok(())
        });
    }
    // Ingest continues meanwhile, for an unrelated experiment.
    let bodies = (0..2_000).map(|second| (message("device-vibrations", "hertz", 0.5, second), None));
    let published = adapter.publish_all(bodies);
    let (published, served) = tokio::join!(published, clients.join_all());
    published.unwrap();
    let failures: Vec<_> = served.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} of {count} clients failed: {failures:#?}", failures.len());
    let scientist = environment.client(&service, SCIENTIST);
    scientist.measures_when("/measures/1", |measures| measures.len() == 2_010).await.unwrap();
}

/// Requests that are answered while another one is blocked in the database.
async fn others_are_answered(tenants: &[Tenant], administrator: &Client) {
    let mut clients = JoinSet::new();
    for tenant in tenants.iter().cloned() {
        let administrator = administrator.clone();
        clients.spawn(async move {
            let record = tenant.client.read("/users/me").await.unwrap();
            let path = format!("/users/{}", tenant.user_id);
            assert_eq!(tenant.client.put(&path, record.clone()).await.unwrap().body, record);
            assert_eq!(administrator.read(&path).await.unwrap(), record);
        });
    }
    clients.join_all().await;
}

/// How a request is blocked in the database.
struct Wait {
    hold: &'static str,
    let_go: &'static str,
    /// The query for waiting statements, if the database lists them.
    count: Option<&'static str>,
}

impl Wait {
    /// Blocks a request while others are answered, and unblocks it before its time limit.
    async fn end_after(
        self,
        environment: &TestEnvironment,
        request: impl Fn() -> JoinHandle<Answer>,
        others: impl AsyncFn(),
    ) -> Answer {
        let (mut holder, mut watcher) =
            (environment.session().await.unwrap(), environment.session().await.unwrap());
        holder.rows(self.hold).await.unwrap();
        let blocked = request();
        self.wait_until_seen(&blocked, &mut watcher).await;
        others().await;
        assert!(!blocked.is_finished(), "{:?}", blocked.await);
        holder.rows(self.let_go).await.unwrap();
        let answer = blocked.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Waits until the request is blocked, or has ended already.
    async fn wait_until_seen(&self, blocked: &JoinHandle<Answer>, watcher: &mut Session) {
        let Some(count) = self.count else { return };
        wait_until("the request waits in the database", TIMEOUT, async || {
            match watcher.number(count).await {
                Ok(0) if !blocked.is_finished() => Err("it does not".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_write_that_waits_for_a_row_delays_no_other_request() {
    let environment = TestEnvironment::new(Engine::MySql).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let tenants = tenants(&environment, &service, 8).await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let mut record = environment.client(&service, SCIENTIST).read("/users/me").await.unwrap();
    record["name"] = json!("Peter the Patient");

    let wait = Wait {
        hold: "BEGIN; SELECT ID FROM USERS WHERE ID = 'S001' FOR UPDATE",
        let_go: "COMMIT",
        // `INNODB_TRX` is not refreshed while it is polled.
        count: Some(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE() AND INFO LIKE 'UPDATE USERS %'",
        ),
    };
    let write = || {
        let (scientist, record) = (scientist.clone(), record.clone());
        tokio::spawn(async move { scientist.put("/users/S001", record).await.unwrap() })
    };
    let others = async || others_are_answered(&tenants, &administrator).await;
    let answer = wait.end_after(&environment, write, others).await;
    assert_eq!(answer.body["name"], "Peter the Patient");
}

#[tokio::test]
async fn a_read_that_waits_for_a_table_delays_no_other_request() {
    let environment = TestEnvironment::new(Engine::MySql).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let tenants = tenants(&environment, &service, 8).await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);

    let wait = Wait {
        hold: "LOCK TABLES MEASURES WRITE",
        let_go: "UNLOCK TABLES",
        count: Some(WAITING_FOR_A_TABLE),
    };
    let read = || {
        let scientist = scientist.clone();
        tokio::spawn(async move { scientist.get("/measures/1").await.unwrap() })
    };
    let others = async || others_are_answered(&tenants, &administrator).await;
    let answer = wait.end_after(&environment, read, others).await;
    assert_eq!(answer.body.as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_write_that_waits_for_another_program_delays_no_read_on_sqlite() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let tenants = tenants(&environment, &service, 8).await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let record = environment.client(&service, SCIENTIST).read("/users/me").await.unwrap();

    let wait = Wait { hold: "BEGIN IMMEDIATE", let_go: "COMMIT", count: None };
    let write = || {
        let (scientist, record) = (scientist.clone(), record.clone());
        tokio::spawn(async move { scientist.put("/users/S001", record).await.unwrap() })
    };
    let readings = async || {
        for _ in 0..5 {
            for tenant in &tenants {
                tenant.read_measures().await.unwrap();
            }
        }
    };
    let answer = wait.end_after(&environment, write, readings).await;
    assert_eq!(answer.body, record);
}

/// Cancels requests of all kinds at random times, until that many were cancelled before their end.
async fn break_off_requests(
    tenant: Tenant,
    left_behind: Client,
    administrator: Client,
    round: usize,
    count: usize,
) {
    let left_behind_id = tenant.left_behind();
    let Tenant { user_id, experiment, client, .. } = tenant;
    let mut broken_off = 0;
    for number in 0.. {
        let cancel_after = Duration::from_micros(rand::rng().random_range(0..10_000));
        let request = async {
            match number % 6 {
                0 => client.get(&format!("/measures/{experiment}")).await,
                1 => {
                    client
                        .get(&format!("/measures/{experiment}?type=hertz&type=volt&order=asc&limit=2"))
                        .await
                }
                2 => client.get("/experiments/").await,
                3 => administrator.get(&format!("/users/{user_id}")).await,
                4 => {
                    administrator
                        .post("/experiments/", json!({"name": format!("left by {user_id} {round} {number}")}))
                        .await
                }
                _ => {
                    let mut record = user(&left_behind_id, "SCIENTIST");
                    record["name"] = json!(format!("{user_id} {number}"));
                    left_behind.put(&format!("/users/{left_behind_id}"), record).await
                }
            }
        };
        // Dropping the request closes its connection.
        broken_off += usize::from(timeout(cancel_after, request).await.is_err());
        if broken_off == count {
            return;
        }
    }
}

async fn cancelled_requests_leave_no_connection_out_of_sync(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.unlimited_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let tenants = tenants(&environment, &service, 16).await.unwrap();
    for tenant in &tenants {
        administrator.add_scientist(&tenant.left_behind()).await.unwrap();
    }
    for round in 0..4 {
        // A new connection is the most sensitive one: its statements are yet to be prepared.
        service.stop().await.unwrap();
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
        let mut leavers = JoinSet::new();
        for tenant in tenants.clone() {
            let left_behind = environment.client(&service, &format!("uid-{}", tenant.left_behind()));
            leavers.spawn(break_off_requests(tenant, left_behind, administrator.clone(), round, 8));
        }
        leavers.join_all().await;

        // Every pooled connection returns the result of its own query.
        let mut clients = JoinSet::new();
        for tenant in tenants.clone() {
            let administrator = administrator.clone();
            clients.spawn(async move { tenant.use_the_service(&administrator, round).await.unwrap() });
        }
        clients.join_all().await;
    }
}
