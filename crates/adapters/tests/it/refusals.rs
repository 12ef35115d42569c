//! A broker that is reachable and refuses messages.

use std::fs;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use mymonit_test_support::{RabbitMq, ServiceProcess, wait_until};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::environment::{BINARY, TIMEOUT, TestEnvironment, run_in};

const SIMPLE: [&str; 6] = ["run", "--experiment", "device-vibrations", "--measure", "hertz", "values.txt"];

/// A separate broker, so that its memory alarm and permissions affect no other tests.
static BROKER: OnceCell<RabbitMq> = OnceCell::const_new();

async fn broker() -> &'static RabbitMq {
    BROKER.get_or_init(async || RabbitMq::start().await.unwrap()).await
}

/// A virtual host with the topology of the service, but without consumer.
struct Queue {
    url: String,
    vhost: String,
    channel: lapin::Channel,
    _connection: lapin::Connection,
    folder: TempDir,
}

impl Queue {
    async fn on(broker: &RabbitMq) -> anyhow::Result<Self> {
        let url = broker.create_vhost().await?;
        let vhost = url.rsplit('/').next().unwrap_or_default().to_owned();
        let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let nothing = FieldTable::default;
        channel.exchange_declare("mymonit".into(), lapin::ExchangeKind::Direct, exchange, nothing()).await?;
        let queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("measures".into(), queue, nothing()).await?;
        let (key, bind) = ("measures".into(), QueueBindOptions::default());
        channel.queue_bind("measures".into(), "mymonit".into(), key, bind, nothing()).await?;
        let folder = TempDir::new()?;
        fs::write(folder.path().join("values.txt"), "1\n2\n")?;
        Ok(Self { url, vhost, channel, _connection: connection, folder })
    }

    async fn messages(&self) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.channel
            .queue_declare("measures".into(), passive, FieldTable::default())
            .await
            .unwrap()
            .message_count()
    }

    async fn adapter(&self) -> ServiceProcess {
        ServiceProcess::builder(BINARY)
            .args(SIMPLE)
            .env("RABBIT_URL", &self.url)
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .working_folder(self.folder.path())
            .start()
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn an_account_that_may_not_publish_fails_at_once() {
    let queue = Queue::on(broker().await).await.unwrap();
    let ctl = async |arguments: &[&str]| broker().await.ctl(arguments).await.unwrap();
    ctl(&["add_user", "reader", "secret"]).await;
    ctl(&["set_permissions", "-p", &queue.vhost, "reader", "", "", ".*"]).await;
    let url = queue.url.replace("guest:guest@", "reader:secret@");
    let refused = run_in(queue.folder.path(), &SIMPLE, &[("RABBIT_URL", &url)]).await.unwrap();
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("this account may not publish to the exchange"), "{refused:?}");
    assert!(
        refused.stderr.contains("kept for the next run") && !refused.stderr.contains("secret"),
        "{refused:?}"
    );
    assert_eq!(queue.messages().await, 0);

    ctl(&["set_permissions", "-p", &queue.vhost, "reader", "", ".*", ".*"]).await;
    let done = run_in(queue.folder.path(), &SIMPLE, &[("RABBIT_URL", &url)]).await.unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(queue.messages().await, 1);
}

#[tokio::test]
async fn a_rejected_message_is_reported_with_its_file_and_lines() {
    let environment = TestEnvironment::new().await.unwrap();
    let description = "experiment = \"device-vibration\"\nmeasures_per_message = 1\n[input]\nfiles = [\"values.txt\"]\n\
        [format]\nkind = \"text\"\n[timestamp]\narrival = true\n[[measures]]\nmeasure = \"hertz\"\n";
    fs::write(environment.path("source.toml"), description).unwrap();
    fs::write(environment.path("values.txt"), "1\n2\n").unwrap();
    let arguments = ["run", "--source", "source.toml"];
    let run = environment.run(&arguments).await.unwrap();
    assert_eq!(run.code, 4, "{run:?}");
    for line in 1..=2 {
        let told = format!(
            "values.txt, lines {line} to {line}: the service rejects the message (unknown_experiment): measure 0: \
             `experiment`: there is no experiment named `device-vibration`; the closest known name is \
             `device-vibrations`"
        );
        assert!(run.stderr.contains(&told), "{told}: {run:?}");
    }
    assert!(run.stderr.contains("the service rejected 2 messages"), "{run:?}");

    let rejected = environment.rejected_messages().await.unwrap();
    let aside =
        fs::read_to_string(environment.path("state/mymonit-adapter/source/unparsable.ndjson")).unwrap();
    let aside: Vec<serde_json::Value> =
        aside.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(aside.len(), 2, "{aside:?}");
    for told in &aside {
        let kept = rejected.iter().find(|kept| kept["message_id"] == told["message_id"]).unwrap();
        assert_eq!(kept["properties"]["user_id"], "guest", "{kept}");
        assert_eq!(
            kept["properties"]["correlation_id"],
            format!("{0}-{0}:values.txt", told["line"]),
            "{kept}"
        );
    }
    let again = environment.run(&arguments).await.unwrap();
    assert_eq!(again.code, 0, "nothing is sent again: {again:?}");
}

#[tokio::test]
async fn publishing_to_a_full_queue_is_retried() {
    let queue = Queue::on(broker().await).await.unwrap();
    let ctl = async |arguments: &[&str]| broker().await.ctl(arguments).await.unwrap();
    let full = r#"{"max-length": 0, "overflow": "reject-publish"}"#;
    ctl(&["set_policy", "-p", &queue.vhost, "full", "measures", full, "--apply-to", "queues"]).await;
    let adapter = queue.adapter().await;
    adapter.wait_for_line("the broker refuses a message: its queue may be full", TIMEOUT).await.unwrap();
    assert!(adapter.is_running());
    ctl(&["clear_policy", "-p", &queue.vhost, "full"]).await;
    assert!(adapter.wait_for_exit(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    assert_eq!(queue.messages().await, 1);
}

#[tokio::test]
async fn a_memory_alarm_of_the_broker_is_reported_and_waited_for() {
    // A separate broker: a memory alarm blocks all publishing connections.
    let broker = RabbitMq::start().await.unwrap();
    let queue = Queue::on(&broker).await.unwrap();
    // More than fits into the socket buffers.
    fs::write(queue.folder.path().join("values.txt"), "1.5\n".repeat(300_000)).unwrap();
    broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]).await.unwrap();
    wait_until("the alarm is on", TIMEOUT, async || {
        let alarms =
            broker.ctl(&["eval", "rabbit_alarm:get_alarms()."]).await.map_err(|error| error.to_string())?;
        if alarms.contains("memory") { Ok(()) } else { Err(alarms) }
    })
    .await
    .unwrap();
    let patient = [&SIMPLE[..], &["--give-up-after", "0.5"]].concat();
    let gave_up = run_in(queue.folder.path(), &patient, &[("RABBIT_URL", &queue.url)]).await.unwrap();
    assert!(gave_up.code == 4 && gave_up.stderr.contains("short of memory or disk"), "{gave_up:?}");

    let adapter = queue.adapter().await;
    adapter
        .wait_for_line("the broker accepts no messages: it is short of memory or disk", TIMEOUT)
        .await
        .unwrap();
    broker.ctl(&["set_vm_memory_high_watermark", "0.6"]).await.unwrap();
    assert!(adapter.wait_for_exit(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    // Messages in flight when the first run gave up are there twice, with the same ids.
    assert!(queue.messages().await >= 300);
}
