//! Other sessions that hold what the service needs: deadlocks, lock timeouts, locked tables.

use anyhow::ensure;
use mymonit_test_support::{MySqlServer, numbers, wait_until};

use super::Size;
use crate::Setting;
use crate::report::Report;
use crate::site::Site;
use std::time::Duration;

/// Few enough that they nearly always come in one batch, so that the ids which the rival holds meet in one transaction.
const PORTION: u32 = 20;
/// Longer than the five seconds that the service waits for a lock.
const HOLD_S: f64 = 6.5;
const SOON: Duration = Duration::from_secs(60);

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (100_000, 60), (3_000, 3));
    let site = Site::own_database(setting, MySqlServer::start().await?).await?;
    let rival = Rival { site: &site };
    let catalogue = site.catalogue(true);
    let part = size.messages / size.faults;
    let mut publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    site.database
        .execute("CREATE DATABASE rival; CREATE TABLE rival.WEIGHT (NUMBER INT PRIMARY KEY)")
        .await?;
    for fault in 0..size.faults {
        let first = fault * part;
        let (low, high) = (catalogue.id(first + PORTION / 2), catalogue.id(first + PORTION - 1));
        let holding = async {
            match fault % 3 {
                0 => rival.lock_table().await,
                1 => rival.hold(&high).await,
                // The lighter of two is the one that the server rolls back: this one, and then the service.
                _ => rival.cross(&low, &high, fault % 2 == 0).await,
            }
        };
        let publishing = async {
            rival.wait_until_asleep().await?;
            publisher.allow(first + PORTION);
            publisher.wait_until_confirmed(first + PORTION).await
        };
        tokio::try_join!(holding, publishing)?;
        service.wait_until_ready().await?;
        publisher.allow(first + part);
        publisher.wait_until_confirmed(first + part).await?;
        site.wait_until_consumed(first + part, &publisher).await?;
    }
    site.wait_until_drained().await?;
    publisher.finish().await?;
    let deadlocks = rival.deadlocks().await?;
    ensure!(deadlocks > 0, "no deadlock came about");
    let timeouts = service.process.lines().iter().filter(|line| line.text.contains("1205")).count();
    ensure!(timeouts > 0, "no lock timeout came about; {}", service.last_lines());
    let notes = service.finish().await?;
    let published = size.faults * part;
    let verdict = site.compare(catalogue, published).await?.exactly_once()?;
    Ok(Report::new(published, size.faults, verdict, notes)
        .remark(format!("{deadlocks} deadlocks; the log tells of {timeouts} lock timeouts")))
}

/// Another program that writes to the same tables.
struct Rival<'a> {
    site: &'a Site,
}

impl Rival<'_> {
    /// Holds an id for longer than the service waits.
    async fn hold(&self, id: &str) -> anyhow::Result<()> {
        let insert = insert(id);
        self.run(&format!("BEGIN; {insert}; DO SLEEP({HOLD_S}); ROLLBACK")).await.map(drop)
    }

    /// Takes two ids in the order in which the service does not.
    async fn cross(&self, low: &str, high: &str, heavy: bool) -> anyhow::Result<()> {
        let (rows, low, high) = (if heavy { 5_000 } else { 1 }, insert(low), insert(high));
        let weight = format!("INSERT INTO rival.WEIGHT SELECT seq FROM {}", numbers(rows));
        let script = format!("BEGIN; {weight}; {high}; DO SLEEP(1); {low}; ROLLBACK");
        match self.run(&script).await {
            // 1213: it was the one; 1062: the service had stored that one already.
            Err(error) if ["1213", "1062"].iter().any(|number| format!("{error:#}").contains(number)) => {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Keeps everybody from a table.
    async fn lock_table(&self) -> anyhow::Result<()> {
        self.run("LOCK TABLES MEASURES WRITE; DO SLEEP(1.5); UNLOCK TABLES").await.map(drop)
    }

    async fn run(&self, script: &str) -> anyhow::Result<String> {
        self.site.database.execute(&format!("USE {}; {script}", self.site.database_name)).await
    }

    /// Waits until a script has got what it wants to hold.
    async fn wait_until_asleep(&self) -> anyhow::Result<()> {
        let asleep = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'";
        wait_until("the rival has its locks", SOON, async || match self.site.number(asleep).await {
            Ok(0) => Err("not yet".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        })
        .await
    }

    async fn deadlocks(&self) -> anyhow::Result<u64> {
        self.site
            .number("SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'")
            .await
    }
}

fn insert(id: &str) -> String {
    format!("INSERT INTO MESSAGE_IDS (MESSAGE_ID, SEEN_AT) VALUES ('{id}', 1)")
}
