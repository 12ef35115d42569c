//! The scenarios and their faults.

mod cluster;
mod database_refuses;
mod declarations;
mod fuzz;
mod kills;
mod locks;
mod network;
mod outage;
mod restarts;
mod sealing;
mod stops;

use std::time::Duration;

use anyhow::Context;
use tokio::time::timeout;

use crate::report::Report;
use crate::setting::{Form, Setting};

/// Defines [`Scenario`] from names and functions.
macro_rules! scenarios {
    ($($(#[$documentation:meta])* $scenario:ident: $name:literal => $run:path,)+) => {
        /// A fault scenario.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Scenario {
            $($(#[$documentation])* $scenario,)+
        }

        impl Scenario {
            /// All scenarios.
            pub const ALL: &[Self] = &[$(Self::$scenario),+];

            /// The name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$scenario => $name,)+
                }
            }

            async fn unbounded(self, setting: &Setting) -> anyhow::Result<Report> {
                match self {
                    $(Self::$scenario => $run(setting).await,)+
                }
            }
        }
    };
}

scenarios! {
    /// `kill -9` at random moments; messages with ids.
    Kills: "kills" => kills::with_ids,
    /// The same without ids.
    KillsWithoutIds: "kills-without-ids" => kills::without_ids,
    /// Two processes on one queue, killed in turn.
    TwoProcesses: "two-processes" => kills::two_processes,
    /// SIGTERM in the middle of a batch; messages without ids.
    Stops: "stops" => stops::run,
    /// The database is restarted and killed.
    DatabaseRestarts: "database-restarts" => restarts::database,
    /// The broker is restarted and killed.
    BrokerRestarts: "broker-restarts" => restarts::broker,
    /// One of three brokers is killed, including the leader of the queue.
    BrokerCluster: "broker-cluster" => cluster::run,
    /// The network between service and broker is cut, or drops all packets.
    BrokerNetwork: "broker-network" => network::to_broker,
    /// The same between service and database.
    DatabaseNetwork: "database-network" => network::to_database,
    /// The database becomes read-only for some time.
    ReadOnly: "read-only" => database_refuses::read_only,
    /// The database's disk is full for some time.
    FullDisk: "full-disk" => database_refuses::full_disk,
    /// Other sessions provoke deadlocks and lock timeouts.
    Locks: "locks" => locks::run,
    /// A long outage of the database, with a publisher at full speed.
    Outage: "outage" => outage::run,
    /// Invalid messages of every kind.
    Fuzz: "fuzz" => fuzz::run,
    /// `kill -9` of the service and of `mymonit seal`, with late measures.
    Sealing: "sealing" => sealing::run,
    /// Publishers that declare exchange and queue before, after and while the service does.
    Declarations: "declarations" => declarations::run,
}

impl Scenario {
    /// Runs it within a time limit.
    ///
    /// # Errors
    /// If messages were lost or doubled, or the scenario cannot continue. The error names the seed.
    pub async fn run(self, setting: &Setting) -> anyhow::Result<Report> {
        let limit = match setting.form {
            Form::Short => Duration::from_secs(20 * 60),
            Form::Long => Duration::from_secs(60 * 60),
        };
        // The scenarios' futures are large.
        let outcome = timeout(limit, Box::pin(self.unbounded(setting))).await;
        outcome
            .unwrap_or_else(|_| Err(anyhow::anyhow!("not finished within {limit:?}")))
            .with_context(|| format!("{}, with the seed {}", self.name(), setting.seed))
    }
}
