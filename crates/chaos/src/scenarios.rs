//! What is broken, scenario by scenario.

mod cluster;
mod database_refuses;
mod declarations;
mod fuzz;
mod kills;
mod locks;
mod network;
mod outage;
mod restarts;
mod stops;

use std::time::Duration;

use anyhow::Context;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::timeout;

use crate::{Form, Report, Setting};

/// One way to break things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// `kill -9` at random moments; messages with ids.
    Kills,
    /// The same without ids.
    KillsWithoutIds,
    /// Two processes on one queue, killed in turn.
    TwoProcesses,
    /// SIGTERM in the middle of a batch; messages without ids.
    Stops,
    /// The database is restarted and killed.
    DatabaseRestarts,
    /// The broker is restarted and killed.
    BrokerRestarts,
    /// One of three brokers is killed, also the one that leads the queue.
    BrokerCluster,
    /// The network between service and broker is cut and swallows everything.
    BrokerNetwork,
    /// The same between service and database.
    DatabaseNetwork,
    /// The database becomes read-only for a while.
    ReadOnly,
    /// The database's disk is full for a while.
    FullDisk,
    /// Other sessions provoke deadlocks and lock timeouts.
    Locks,
    /// The database is away for long, with a publisher at full speed.
    Outage,
    /// Messages of every wrong kind.
    Fuzz,
    /// Publishers that declare exchange and queue before, after and while the service does.
    Declarations,
}

impl Scenario {
    /// All of them, in the order in which they are best read.
    pub const ALL: [Self; 15] = [
        Self::Kills,
        Self::KillsWithoutIds,
        Self::TwoProcesses,
        Self::Stops,
        Self::DatabaseRestarts,
        Self::BrokerRestarts,
        Self::BrokerCluster,
        Self::BrokerNetwork,
        Self::DatabaseNetwork,
        Self::ReadOnly,
        Self::FullDisk,
        Self::Locks,
        Self::Outage,
        Self::Fuzz,
        Self::Declarations,
    ];

    /// The name by which it is asked for.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kills => "kills",
            Self::KillsWithoutIds => "kills-without-ids",
            Self::TwoProcesses => "two-processes",
            Self::Stops => "stops",
            Self::DatabaseRestarts => "database-restarts",
            Self::BrokerRestarts => "broker-restarts",
            Self::BrokerCluster => "broker-cluster",
            Self::BrokerNetwork => "broker-network",
            Self::DatabaseNetwork => "database-network",
            Self::ReadOnly => "read-only",
            Self::FullDisk => "full-disk",
            Self::Locks => "locks",
            Self::Outage => "outage",
            Self::Fuzz => "fuzz",
            Self::Declarations => "declarations",
        }
    }

    /// Runs it to its end, which comes within bounded time.
    ///
    /// # Errors
    /// If a promise of specification §4 is broken, or if the scenario cannot go on; the error says what was seen, and the
    /// seed with which to see it again.
    pub async fn run(self, setting: &Setting) -> anyhow::Result<Report> {
        let limit = match setting.form {
            Form::Short => Duration::from_secs(20 * 60),
            Form::Long => Duration::from_secs(60 * 60),
        };
        // The scenarios' futures are large.
        let outcome = timeout(limit, Box::pin(self.unbounded(setting))).await;
        outcome
            .unwrap_or_else(|_| Err(anyhow::anyhow!("it has not come to its end within {limit:?}")))
            .with_context(|| format!("{}, with the seed {}", self.name(), setting.seed))
    }

    async fn unbounded(self, setting: &Setting) -> anyhow::Result<Report> {
        match self {
            Self::Kills => kills::with_ids(setting).await,
            Self::KillsWithoutIds => kills::without_ids(setting).await,
            Self::TwoProcesses => kills::two_processes(setting).await,
            Self::Stops => stops::run(setting).await,
            Self::DatabaseRestarts => restarts::database(setting).await,
            Self::BrokerRestarts => restarts::broker(setting).await,
            Self::BrokerCluster => cluster::run(setting).await,
            Self::BrokerNetwork => network::to_broker(setting).await,
            Self::DatabaseNetwork => network::to_database(setting).await,
            Self::ReadOnly => database_refuses::read_only(setting).await,
            Self::FullDisk => database_refuses::full_disk(setting).await,
            Self::Locks => locks::run(setting).await,
            Self::Outage => outage::run(setting).await,
            Self::Fuzz => fuzz::run(setting).await,
            Self::Declarations => declarations::run(setting).await,
        }
    }
}

/// How many messages are published, and how often something is broken while they are consumed.
#[derive(Debug, Clone, Copy)]
struct Size {
    messages: u32,
    faults: u32,
}

impl Size {
    fn of(setting: &Setting, long: (u32, u32), short: (u32, u32)) -> Self {
        let (messages, faults) = match setting.form {
            Form::Long => long,
            Form::Short => short,
        };
        Self { messages, faults }
    }

    /// How many messages are to be consumed before a fault: each fault has its own part of the whole, in which its place is
    /// left to chance. The last part belongs to no fault, so that something is left to be consumed after it.
    fn place(self, fault: u32, random: &mut StdRng) -> u32 {
        let part = self.part();
        fault * part + random.random_range(0..part)
    }

    /// The end of a fault's part.
    fn end(self, fault: u32) -> u32 {
        (fault + 1) * self.part()
    }

    fn part(self) -> u32 {
        self.messages / (self.faults + 1)
    }
}

/// A time of up to so many milliseconds.
fn up_to_ms(random: &mut StdRng, most: u64) -> Duration {
    Duration::from_micros(random.random_range(0..most * 1_000))
}
