//! Evaluation mode: all on one machine, without configuration.

use std::path::Path;

use mymonit_test_support::RabbitMq;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::environment::{Adapter, BINARY, Client, Finished, Service, ServiceBuilder, TIMEOUT, message};

/// A folder for one evaluation.
struct Trial {
    folder: TempDir,
    broker_url: String,
}

impl Trial {
    async fn new() -> Self {
        let broker_url = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), broker_url }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the service and waits until it is ready.
    async fn start(&self) -> Service {
        let serve = ServiceBuilder::bare(&["serve", "--evaluation"], Some(self.path())).unwrap();
        serve.env("RABBIT_URL", &self.broker_url).ready().await.unwrap()
    }

    async fn token_command(&self, user_id: &str) -> Finished {
        ServiceBuilder::bare(&["token", user_id], Some(self.path())).unwrap().run().await.unwrap()
    }

    /// A client with a token from `mymonit token`.
    async fn client(&self, service: &Service, user_id: &str) -> Client {
        let printed = self.token_command(user_id).await;
        assert_eq!(printed.status, 0, "{printed:?}");
        assert_eq!(printed.stdout.lines().count(), 1, "{printed:?}");
        // The audit event.
        let event: Value = serde_json::from_str(&printed.stderr).unwrap();
        assert_eq!(
            (&event["event.action"], &event["mymonit.resource.id"]),
            (&json!("issue-token"), &json!(user_id))
        );
        service.with_authorization(format!("Bearer {}", printed.stdout))
    }
}

#[tokio::test]
async fn in_an_empty_folder_the_service_starts_and_its_printed_token_reads_measures() {
    let trial = Trial::new().await;
    let service = trial.start().await;
    let banner = service.process.wait_for_line("EVALUATION MODE", TIMEOUT).await.unwrap();
    assert!(banner.text.contains("Not for production"), "{banner}");
    assert!(trial.path().join("data/mymonit.db").is_file());

    let scientist = trial.client(&service, "S001").await;
    assert_eq!(scientist.read("/users/me").await.unwrap()["user_id"], "S001");
    assert_eq!(scientist.measures("/measures/1").await.unwrap().len(), 10);
    let adapter = Adapter::connect(&trial.broker_url).await.unwrap();
    adapter.publish(&message("device-vibrations", "hertz", 2.2, 1_650_000_000), None).await.unwrap();
    let measures = scientist.measures_when("/measures/1", |measures| measures.len() == 11).await.unwrap();
    assert_eq!(measures[0]["value"], 2.2);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn it_answers_this_machine_alone() {
    let trial = Trial::new().await;
    // Enabled by the variable, with plain `mymonit`.
    let service = ServiceBuilder::bare(&[], Some(trial.path())).unwrap().env("EVALUATION", "true");
    let service = service.env("RABBIT_URL", &trial.broker_url).ready().await.unwrap();
    trial.client(&service, "S001").await.read("/users/me").await.unwrap();
    // A listener on all addresses would answer on every one of the loopback network.
    TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    TcpStream::connect(("127.0.0.2", service.port())).await.unwrap_err();
}

#[tokio::test]
async fn the_example_data_are_complete() {
    let trial = Trial::new().await;
    let service = trial.start().await;
    let administrator = trial.client(&service, "A001").await;
    let user = |user_id: &str, name: &str, username: &str, email: &str, role: &str| json!({"user_id": user_id, "name": name, "username": username, "email": email, "role": role});
    let (peter, katie) = (
        user("S001", "Peter Higg", "uJayGH994iVa2TY5auSNYZoUpwk1", "phigg@home.cern", "SCIENTIST"),
        user("S002", "Katie Bouman", "hirbBCceXlWUGdpNHUpaNtworjm2", "kbouman@home.cern", "SCIENTIST"),
    );
    let allan = user("A001", "Allan Alcorn", "5MS0kr1nE5Qm7ZNzAyHNCVfapcf2", "aalcorn@home.cern", "ADMIN");
    assert_eq!(administrator.read("/users/").await.unwrap(), json!([allan, peter, katie]));
    assert_eq!(
        administrator.read("/experiments/").await.unwrap(),
        json!([
            {"experiment_id": 1, "name": "device-vibrations", "description": "", "archived": false},
            {"experiment_id": 2, "name": "black-holes", "description": "", "archived": false},
            {
                "experiment_id": 3,
                "name": "oven",
                "description": "Three thermometers in a laboratory oven. Example data.",
                "archived": false,
            },
        ])
    );
    assert_eq!(
        administrator.read("/scientists-experiments/").await.unwrap(),
        json!({"1": {"users": [peter]}, "2": {"users": [katie]}, "3": {"users": [peter]}})
    );

    let values = [100.0, 95.0, 94.0, 110.0, 120.0, 130.0, 110.0, 110.0, 105.0, 120.0];
    let measures: Vec<_> = values
        .into_iter()
        .enumerate()
        .map(|(minute, value)| {
            json!({
                "experiment": "device-vibrations",
                "measure_type": "hertz",
                "timestamp": format!("2022-04-06T07:{minute:02}:00Z"),
                "value": value,
            })
        })
        .collect();
    let peter = trial.client(&service, "S001").await;
    assert_eq!(peter.measures("/measures/1?order=asc").await.unwrap(), measures);
    let series = peter.read("/experiments/3/series").await.unwrap();
    let sensors: Vec<_> = series.as_array().unwrap().iter().map(|each| &each["sensor"]).collect();
    assert_eq!(sensors, ["thermometer-1", "thermometer-2", "thermometer-3"]);
    let last_hour = peter.measures("/measures/3?from=now-1h&sensor=thermometer-1").await.unwrap();
    assert!(!last_hour.is_empty());
    let katie = trial.client(&service, "S002").await;
    assert_eq!(katie.read("/measures/2").await.unwrap(), json!([]));
}

#[tokio::test]
async fn a_token_for_an_unknown_user_or_before_the_first_start_is_a_clear_error() {
    let trial = Trial::new().await;
    let early = trial.token_command("S001").await;
    assert_eq!((early.status, early.stdout.as_str()), (1, ""), "{early:?}");
    assert!(early.stderr.contains("mymonit serve --evaluation"), "{early:?}");

    let _service = trial.start().await;
    for user_id in ["S999", "s001", "S001 or 1=1"] {
        let unknown = trial.token_command(user_id).await;
        assert_eq!((unknown.status, unknown.stdout.as_str()), (1, ""), "{unknown:?}");
        assert_eq!(unknown.stderr, format!("mymonit: user {user_id} not found"));
    }
    for user_id in ["", "me", &"x".repeat(31)] {
        let impossible = trial.token_command(user_id).await;
        assert_eq!((impossible.status, impossible.stdout.as_str()), (1, ""), "{impossible:?}");
        assert!(impossible.stderr.contains("`user_id`"), "{impossible:?}");
    }
}

#[tokio::test]
async fn an_unwritable_output_is_an_error_and_no_panic() {
    let trial = Trial::new().await;
    let _service = trial.start().await;
    for (line, said) in [
        (
            "token S001 >/dev/full",
            "mymonit: cannot print the result: No space left on device (os error 28)\n",
        ),
        ("token NOBODY 2>/dev/full", ""),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" {line}"), BINARY]).current_dir(trial.path()).env_clear();
        let finished = command.output().await.unwrap();
        let stderr = String::from_utf8(finished.stderr).unwrap();
        assert_eq!((finished.status.code(), stderr.as_str()), (Some(1), said), "{line}");
    }
}

#[tokio::test]
async fn no_token_is_printed_where_a_firebase_project_is_configured() {
    let trial = Trial::new().await;
    let _service = trial.start().await;
    let token = ServiceBuilder::bare(&["token", "S001"], Some(trial.path())).unwrap();
    let refused = token.env("FIREBASE_PROJECT_ID", "some-project").run().await.unwrap();
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""), "{refused:?}");
    assert!(refused.stderr.contains("FIREBASE_PROJECT_ID"), "{refused:?}");
}

#[tokio::test]
async fn a_restart_keeps_the_data_and_the_key() {
    let trial = Trial::new().await;
    let service = trial.start().await;
    let scientist = trial.client(&service, "S001").await;
    let administrator = trial.client(&service, "A001").await;
    let added = administrator.add_experiment("kept").await.unwrap();
    service.stop().await.unwrap();

    service.process.start_again().await.unwrap();
    service.wait_until_ready().await.unwrap();
    // Tokens from before the restart are still valid.
    assert_eq!(scientist.measures("/measures/1").await.unwrap().len(), 10);
    assert_eq!(administrator.read(&format!("/experiments/{added}")).await.unwrap()["name"], "kept");
}

#[tokio::test]
async fn tokens_of_another_folder_are_refused() {
    let (here, there) = (Trial::new().await, Trial::new().await);
    let (service, other_service) = (here.start().await, there.start().await);
    for user_id in ["A001", "S001"] {
        there.client(&other_service, user_id).await.read("/users/me").await.unwrap();
        let stranger = there.client(&service, user_id).await;
        let answer = stranger.get("/users/me").await.unwrap();
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn example_data_that_were_changed_or_removed_do_not_come_back() {
    let trial = Trial::new().await;
    let service = trial.start().await;
    let administrator = trial.client(&service, "A001").await;
    let mut allan = administrator.read("/users/A001").await.unwrap();
    allan["name"] = json!("Allan Alcorn the Second");
    allan["email"] = json!("second@home.cern");
    assert_eq!(administrator.put("/users/A001", allan).await.unwrap().status, 200);
    assert_eq!(
        administrator.put("/experiments/2", json!({"name": "white-holes"})).await.unwrap().status,
        200
    );
    assert_eq!(administrator.delete("/users/S002").await.unwrap().status, 204);
    assert_eq!(administrator.delete("/scientists-experiments/1/S001").await.unwrap().status, 204);
    let paths = ["/users/", "/experiments/", "/scientists-experiments/"];
    let state = async || {
        let mut state = Vec::<Value>::new();
        for path in paths {
            state.push(administrator.read(path).await.unwrap());
        }
        state
    };
    let changed = state().await;

    for _ in 0..2 {
        service.stop().await.unwrap();
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
        assert_eq!(state().await, changed);
    }
    // The measures were not added a second time either.
    administrator.associate(1, "S001").await.unwrap();
    let peter = trial.client(&service, "S001").await;
    assert_eq!(peter.measures("/measures/1").await.unwrap().len(), 10);
    assert_eq!(trial.token_command("S002").await.status, 1);
}
