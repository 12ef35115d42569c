//! The environment of a scenario: broker, database, and queries to both.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mymonit_test_support::tokens::FirebaseDouble;
use mymonit_test_support::{MySqlServer, QueueState, RabbitMq};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::check::{Verdict, compare};
use crate::message::Catalogue;
use crate::publisher::{BrokerConnection, Progress, Publisher, QUEUE};
use crate::report::Report;
use crate::service::{Notes, Service};
use crate::setting::{Form, Setting, Size};

/// Time without progress after which a scenario fails with its state.
const STALL_LIMIT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const PASSWORD: &str = "password";

/// A private server for fault injection, or the shared one.
pub(crate) enum Server<T: 'static> {
    Own(Box<T>),
    Shared(&'static T),
}

impl<T> Deref for Server<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Own(server) => server,
            Self::Shared(server) => server,
        }
    }
}

/// An empty database, an empty virtual host, and a Firebase double.
pub(crate) struct Site {
    pub(crate) setting: Setting,
    pub(crate) broker: Server<RabbitMq>,
    pub(crate) database: Server<MySqlServer>,
    pub(crate) database_name: String,
    /// The address of the virtual host, past any proxy.
    pub(crate) broker_url: String,
    pub(crate) firebase: FirebaseDouble,
    look: Mutex<Option<BrokerConnection>>,
}

impl Site {
    /// On the servers that all scenarios share.
    pub(crate) async fn shared(setting: &Setting) -> anyhow::Result<Self> {
        let broker = Server::Shared(RabbitMq::shared().await?);
        let database = Server::Shared(MySqlServer::shared().await?);
        Self::new(setting, broker, database).await
    }

    /// With a private database server.
    pub(crate) async fn own_database(setting: &Setting, database: MySqlServer) -> anyhow::Result<Self> {
        let broker = Server::Shared(RabbitMq::shared().await?);
        Self::new(setting, broker, Server::Own(Box::new(database))).await
    }

    /// With a private broker.
    pub(crate) async fn own_broker(setting: &Setting) -> anyhow::Result<Self> {
        let database = Server::Shared(MySqlServer::shared().await?);
        Self::new(setting, Server::Own(Box::new(RabbitMq::start().await?)), database).await
    }

    /// With brokers that the scenario keeps, behind that address.
    pub(crate) async fn with_broker_url(setting: &Setting, broker_url: String) -> anyhow::Result<Self> {
        Ok(Self { broker_url, ..Self::shared(setting).await? })
    }

    async fn new(
        setting: &Setting,
        broker: Server<RabbitMq>,
        database: Server<MySqlServer>,
    ) -> anyhow::Result<Self> {
        let url = database.create_database().await?;
        let (_, database_name) = url.rsplit_once('/').context("the name of the database")?;
        let database_name = database_name.to_owned();
        // As in production, the service is no superuser, so that a read-only server refuses its
        // writes.
        database
            .execute(&format!(
                "CREATE USER {database_name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; \
                 GRANT ALL ON {database_name}.* TO {database_name}@'127.0.0.1'"
            ))
            .await?;
        let broker_url = broker.create_vhost().await?;
        let firebase = FirebaseDouble::start().await?;
        Ok(Self {
            setting: setting.clone(),
            broker,
            database,
            database_name,
            broker_url,
            firebase,
            look: Mutex::default(),
        })
    }

    /// The service's database URL, on the port of the server or a proxy.
    pub(crate) fn database_url(&self, port: u16) -> String {
        let name = &self.database_name;
        format!("mysql://{name}:{PASSWORD}@127.0.0.1:{port}/{name}")
    }

    /// The address of the virtual host on a proxy's port.
    pub(crate) fn broker_url_on(&self, port: u16) -> String {
        self.broker_url.replace(&format!(":{}/", self.broker.port()), &format!(":{port}/"))
    }

    /// A service on these servers, ready.
    pub(crate) async fn ready_service(&self) -> anyhow::Result<Service> {
        self.ready_service_on(&self.database_url(self.database.port()), &self.broker_url).await
    }

    /// A service on these addresses, ready.
    pub(crate) async fn ready_service_on(
        &self,
        database_url: &str,
        broker_url: &str,
    ) -> anyhow::Result<Service> {
        let mut service =
            Service::start(&self.setting.binary, &self.firebase, database_url, broker_url).await?;
        service.wait_until_ready().await?;
        Ok(service)
    }

    /// The messages of this scenario.
    pub(crate) fn catalogue(&self, with_ids: bool) -> Catalogue {
        Catalogue { seed: self.setting.seed, with_ids }
    }

    /// Starts to publish the messages of a catalogue, up to that number.
    pub(crate) fn publisher(&self, catalogue: Catalogue, allowed: u32) -> Publisher {
        Publisher::start(&self.broker_url, Arc::new(catalogue), allowed)
    }

    /// The number of ready messages in the queue, without unacknowledged ones. Faster than `queue`.
    pub(crate) async fn waiting(&self) -> anyhow::Result<u32> {
        let mut look = self.look.lock().await;
        let connection = match look.take() {
            Some(connection) => connection,
            None => BrokerConnection::open(&self.broker_url).await?,
        };
        let waiting = connection.waiting().await?;
        *look = Some(connection);
        Ok(waiting)
    }

    /// The state of the queue from the broker, which also counts unacknowledged messages. After a
    /// kill the consumer is removed at once, and its messages are requeued a little later.
    pub(crate) async fn queue(&self) -> anyhow::Result<QueueState> {
        let (_, vhost) = self.broker_url.rsplit_once('/').context("a virtual host")?;
        self.broker.queue(vhost, QUEUE).await
    }

    /// Waits until the service has consumed about that many messages; returns whether more are
    /// queued.
    pub(crate) async fn wait_until_consumed(
        &self,
        count: u32,
        publisher: &Publisher,
    ) -> anyhow::Result<bool> {
        let mut stall_detector = StallDetector::new();
        loop {
            let confirmed = publisher.progress().confirmed;
            // The broker may be down here; the scenario expects that.
            let waiting = self.waiting().await.ok();
            if let Some(waiting) = waiting
                && confirmed.saturating_sub(waiting) >= count
            {
                return Ok(waiting > 0 || confirmed < publisher.allowed());
            }
            ensure!(!publisher.has_ended(), "the publisher has ended");
            stall_detector.look(&(confirmed, waiting)).with_context(|| {
                format!(
                    "only {confirmed} are published and {waiting:?} waiting, and {count} should be consumed"
                )
            })?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until no message is ready; the last ones may still be unacknowledged.
    pub(crate) async fn wait_until_none_waits(&self) -> anyhow::Result<()> {
        let mut stall_detector = StallDetector::new();
        loop {
            let waiting = self.waiting().await.ok();
            if waiting == Some(0) {
                return Ok(());
            }
            stall_detector.look(&waiting).context("the queue does not become empty")?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until the queue has neither ready nor unacknowledged messages.
    pub(crate) async fn wait_until_drained(&self) -> anyhow::Result<()> {
        let mut stall_detector = StallDetector::new();
        loop {
            self.wait_until_none_waits().await?;
            let queue = self.queue().await?;
            if queue.ready == 0 && queue.unacknowledged == 0 {
                return Ok(());
            }
            stall_detector.look(&queue).context("the last messages are not acknowledged")?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// After the end of all services: waits until the broker has requeued all messages and the
    /// database has no session.
    pub(crate) async fn wait_until_settled(&self) -> anyhow::Result<QueueState> {
        let mut stall_detector = StallDetector::new();
        loop {
            let queue = self.queue().await?;
            let sessions = self
                .number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = DATABASE()")
                .await?;
            if queue.unacknowledged == 0 && queue.consumers == 0 && sessions == 0 {
                return Ok(queue);
            }
            stall_detector.look(&(queue, sessions)).context("the service still has a session")?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The number of stored and rejected messages of a catalogue, including duplicates.
    pub(crate) async fn kept(&self) -> anyhow::Result<u64> {
        // The first measure of each message has a time that is a multiple of the slot; see
        // `message`.
        let measures = format!(
            "SELECT COUNT(*) FROM MEASURES WHERE TIMESTAMP MOD {slot} = 0 AND TIMESTAMP BETWEEN {epoch} AND {end}",
            slot = crate::message::SLOT,
            epoch = crate::message::EPOCH,
            end = crate::message::END,
        );
        Ok(self.number(&measures).await? + self.number("SELECT COUNT(*) FROM REJECTED_MESSAGES").await?)
    }

    /// The single number that a query returns.
    pub(crate) async fn number(&self, query: &str) -> anyhow::Result<u64> {
        let text = self.database.execute(&format!("USE {}; {query}", self.database_name)).await?;
        text.trim().parse().with_context(|| format!("{query}: {text}"))
    }

    /// Publishes the rest, drains the queue, stops the services, and checks that everything is
    /// stored exactly once.
    pub(crate) async fn conclude<const N: usize>(
        &self,
        size: Size,
        catalogue: Catalogue,
        mut publisher: Publisher,
        services: [Service; N],
    ) -> anyhow::Result<(Report, Progress)> {
        publisher.allow(size.messages);
        publisher.wait_until_confirmed(size.messages).await?;
        let progress = publisher.finish().await?;
        self.wait_until_drained().await?;
        let mut notes = Notes::default();
        for service in services {
            notes = notes.and(service.finish().await?);
        }
        let verdict = self.compare(catalogue, size.messages).await?.exactly_once()?;
        Ok((Report::new(size.messages, size.faults, verdict, notes), progress))
    }

    /// Compares the tables with the messages 0 to `published` of a catalogue.
    pub(crate) async fn compare(&self, catalogue: Catalogue, published: u32) -> anyhow::Result<Verdict> {
        compare(&self.database, &self.database_name, catalogue, published).await
    }

    /// Whether this is the short form.
    pub(crate) fn is_short(&self) -> bool {
        self.setting.form == Form::Short
    }
}

/// Fails after too long without progress.
struct StallDetector {
    seen: String,
    since: Instant,
}

impl StallDetector {
    fn new() -> Self {
        Self { seen: String::new(), since: Instant::now() }
    }

    fn look(&mut self, now: &impl std::fmt::Debug) -> anyhow::Result<()> {
        let now = format!("{now:?}");
        if now != self.seen {
            *self = Self { seen: now, since: Instant::now() };
        }
        ensure!(
            self.since.elapsed() < STALL_LIMIT,
            "no progress for {STALL_LIMIT:?}; last seen: {}",
            self.seen
        );
        Ok(())
    }
}
