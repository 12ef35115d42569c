//! Other sessions hold locks that the service needs: deadlocks, lock timeouts, locked tables.
//!
//! The rival holds a lock until the service waits for it, so that every fault takes effect.

use std::time::Duration;

use anyhow::bail;
use mymonit_test_support::{MySqlServer, numbers, wait_until};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, query_as};

use crate::message::Catalogue;
use crate::publisher::Publisher;
use crate::report::Report;
use crate::service::Service;
use crate::setting::{Setting, Size};
use crate::site::Site;

/// Few enough that they nearly always form one batch, so that one transaction needs all ids that
/// the rival holds.
const BATCH: u32 = 20;
/// The rows that make a transaction the heavier one in a deadlock.
const HEAVY_ROWS: u32 = 5_000;
/// Longer than the five seconds that the service waits for a lock.
const LOCK_WAIT_LIMIT: Duration = Duration::from_secs(60);

/// The server's error number for a duplicate key.
const DUPLICATE: u16 = 1062;
/// The server's error number for the victim of a deadlock.
const DEADLOCK: u16 = 1213;
/// The server's message for a lock timeout, which the service logs.
const LOCK_TIMEOUT: &str = "Lock wait timeout exceeded";

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (100_000, 60), (3_000, 3));
    let site = Site::own_database(setting, MySqlServer::start().await?).await?;
    let catalogue = site.catalogue(true);
    let part = size.messages / size.faults;
    let mut publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    site.database
        .execute("CREATE DATABASE rival; CREATE TABLE rival.WEIGHT (NUMBER INT PRIMARY KEY)")
        .await?;
    for fault in 0..size.faults {
        let (begin, end) = (fault * part, (fault + 1) * part);
        let mut rival = Rival::meet(&site, &service, &mut publisher, catalogue).await?;
        match fault % 3 {
            0 => rival.lock_table(begin).await?,
            1 => rival.hold(begin).await?,
            // The server rolls back the lighter transaction: alternately this one and the
            // service's.
            _ => rival.cross(begin, end, fault % 2 == 0).await?,
        }
        service.wait_until_ready().await?;
        publisher.allow(end);
        publisher.wait_until_confirmed(end).await?;
        site.wait_until_consumed(end, &publisher).await?;
    }
    site.wait_until_drained().await?;
    publisher.finish().await?;
    let (deadlocks, timeouts) = (deadlocks(&site).await?, lock_timeouts(&service));
    let notes = service.finish().await?;
    let published = size.faults * part;
    let verdict = site.compare(catalogue, published).await?.exactly_once()?;
    Ok(Report::new(published, size.faults, verdict, notes)
        .remark(format!("{deadlocks} deadlocks; {timeouts} lock timeouts in the log")))
}

/// A program that writes to the same tables, and the messages that conflict with it.
struct Rival<'a> {
    site: &'a Site,
    service: &'a Service,
    publisher: &'a mut Publisher,
    catalogue: Catalogue,
    session: MySqlConnection,
}

impl<'a> Rival<'a> {
    async fn meet(
        site: &'a Site,
        service: &'a Service,
        publisher: &'a mut Publisher,
        catalogue: Catalogue,
    ) -> anyhow::Result<Self> {
        let session = MySqlConnection::connect(&site.database.url(&site.database_name)).await?;
        Ok(Self { site, service, publisher, catalogue, session })
    }

    /// Locks a table until the service waits for it.
    async fn lock_table(&mut self, first: u32) -> anyhow::Result<()> {
        self.execute("LOCK TABLES MEASURES WRITE").await?;
        self.publisher.allow(first + BATCH);
        self.wait_until_service_waits_for_table().await?;
        self.execute("UNLOCK TABLES").await?;
        self.publisher.wait_until_confirmed(first + BATCH).await
    }

    /// Holds an id until the service's lock wait has timed out.
    async fn hold(&mut self, first: u32) -> anyhow::Result<()> {
        let before = lock_timeouts(self.service);
        self.execute("BEGIN").await?;
        self.execute(&insert(&self.catalogue.id(first + BATCH - 1))).await?;
        self.publisher.allow(first + BATCH);
        wait_until("a lock timeout of the service's", LOCK_WAIT_LIMIT, async || {
            if lock_timeouts(self.service) > before { Ok(()) } else { Err(self.service.last_lines()) }
        })
        .await?;
        self.execute("ROLLBACK").await?;
        self.publisher.wait_until_confirmed(first + BATCH).await
    }

    /// Locks two ids in the opposite order of the service. If the service takes them in two
    /// batches, there is no deadlock, and the next messages are tried.
    async fn cross(&mut self, begin: u32, end: u32, heavy: bool) -> anyhow::Result<()> {
        let before = deadlocks(self.site).await?;
        let rows = if heavy { HEAVY_ROWS } else { 1 };
        for first in (begin..=end - BATCH).step_by(usize::try_from(BATCH)?) {
            let low = insert(&self.catalogue.id(first + BATCH / 2));
            let high = insert(&self.catalogue.id(first + BATCH - 1));
            self.execute("BEGIN").await?;
            self.execute(&format!("INSERT INTO rival.WEIGHT SELECT seq FROM {}", numbers(rows))).await?;
            self.execute(&high).await?;
            self.publisher.allow(first + BATCH);
            self.wait_until_service_waits_for_row().await?;
            match self.session.execute(AssertSqlSafe(low)).await {
                Ok(_) => {}
                Err(error) if [DUPLICATE, DEADLOCK].map(Some).contains(&number_of(&error)) => {}
                Err(error) => return Err(error.into()),
            }
            self.execute("ROLLBACK").await?;
            self.publisher.wait_until_confirmed(first + BATCH).await?;
            self.site.wait_until_drained().await?;
            if deadlocks(self.site).await? > before {
                return Ok(());
            }
        }
        bail!("no deadlock with {} messages", end - begin)
    }

    async fn execute(&mut self, statement: &str) -> anyhow::Result<()> {
        self.session.execute(AssertSqlSafe(statement.to_owned())).await?;
        Ok(())
    }

    async fn wait_until_service_waits_for_table(&self) -> anyhow::Result<()> {
        let waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock'";
        wait_until("the service waits for the table", LOCK_WAIT_LIMIT, async || {
            match self.site.number(waiting).await {
                Ok(0) => Err("it does not".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{error:#}")),
            }
        })
        .await
    }

    /// Uses the server's counter: `INNODB_TRX` is not refreshed while it is polled.
    async fn wait_until_service_waits_for_row(&mut self) -> anyhow::Result<()> {
        let waiting = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";
        wait_until("the service waits for the id", LOCK_WAIT_LIMIT, async || {
            match query_as::<_, (String, String)>(waiting).fetch_one(&mut self.session).await {
                Ok((_, count)) if count == "0" => Err("it does not".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }
}

async fn deadlocks(site: &Site) -> anyhow::Result<u64> {
    site.number("SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'").await
}

fn lock_timeouts(service: &Service) -> usize {
    service.process.lines().iter().filter(|line| line.text.contains(LOCK_TIMEOUT)).count()
}

fn number_of(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

fn insert(id: &str) -> String {
    format!("INSERT INTO MESSAGE_IDS (PUBLISHER, MESSAGE_ID, SEEN_AT) VALUES ('', '{id}', 1)")
}
