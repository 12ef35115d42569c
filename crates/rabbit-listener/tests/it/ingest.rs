use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use async_trait::async_trait;
use mymonit_services::message::Rejection;
use mymonit_services::ports::{IngestOutcome, StorageError};
use mymonit_services::{Delivery, IngestService};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::TIMEOUT;

/// The state of the scripted database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Works,
    Away,
    Broken,
    Panics,
    /// The next call fails; then it works.
    FailsOnce,
    /// Calls hang.
    Hangs,
}

/// An ingest service that keeps its input in memory and fails as scripted.
pub(crate) struct ScriptedIngest {
    database: watch::Sender<Database>,
    refused: Mutex<Refused>,
    calls: watch::Sender<usize>,
    committed: watch::Sender<Vec<Vec<Delivery>>>,
}

/// The messages that the database refuses permanently, by their first value.
#[derive(Default)]
struct Refused {
    measures: HashSet<u64>,
    /// Refused even as rejected messages.
    entirely: HashSet<u64>,
}

impl ScriptedIngest {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            database: watch::Sender::new(Database::Works),
            refused: Mutex::default(),
            calls: watch::Sender::new(0),
            committed: watch::Sender::new(Vec::new()),
        })
    }

    pub(crate) fn database(&self, database: Database) {
        self.database.send_replace(database);
    }

    pub(crate) fn refuse_measures(&self, values: impl IntoIterator<Item = u64>) {
        self.refused.lock().unwrap().measures = values.into_iter().collect();
    }

    pub(crate) fn refuse_entirely(&self, values: impl IntoIterator<Item = u64>) {
        self.refused.lock().unwrap().entirely = values.into_iter().collect();
    }

    /// The number of calls.
    pub(crate) fn calls(&self) -> usize {
        *self.calls.borrow()
    }

    /// Waits until the number of calls reaches `times`.
    pub(crate) async fn called(&self, times: usize) -> anyhow::Result<()> {
        let mut calls = self.calls.subscribe();
        timeout(TIMEOUT, calls.wait_for(|calls| *calls >= times)).await.context("too few calls")??;
        Ok(())
    }

    /// The batches that are committed.
    pub(crate) fn batches(&self) -> Vec<Vec<Delivery>> {
        self.committed.borrow().clone()
    }

    /// Waits until that many messages are committed and returns them in order.
    pub(crate) async fn messages(&self, number: usize) -> anyhow::Result<Vec<Delivery>> {
        let mut committed = self.committed.subscribe();
        let enough = committed.wait_for(|batches| batches.iter().map(Vec::len).sum::<usize>() >= number);
        let enough = timeout(TIMEOUT, enough).await;
        if let Ok(batches) = enough {
            return Ok(batches?.concat());
        }
        let seen = self.values();
        anyhow::bail!("{number} messages awaited, {} committed; the last: {:?}", seen.len(), seen.last())
    }

    /// Waits until each of these values is committed at least once.
    pub(crate) async fn has_all(&self, values: impl IntoIterator<Item = u64>) -> anyhow::Result<()> {
        let mut missing: HashSet<u64> = values.into_iter().collect();
        let mut committed = self.committed.subscribe();
        let all = committed.wait_for(|batches| {
            for value in batches.iter().flatten().map(value) {
                missing.remove(&value);
            }
            missing.is_empty()
        });
        let arrived = timeout(TIMEOUT, all).await.is_ok();
        anyhow::ensure!(
            arrived,
            "{} messages are missing, such as {:?}",
            missing.len(),
            missing.iter().min()
        );
        Ok(())
    }

    /// The values that are committed now, in order.
    pub(crate) fn values(&self) -> Vec<u64> {
        self.committed.borrow().iter().flatten().map(value).collect()
    }
}

/// The first measure's value, by which tests distinguish messages.
pub(crate) fn value(delivery: &Delivery) -> u64 {
    let body = std::str::from_utf8(&delivery.body).unwrap();
    let after = body.split_once("\"value\":").unwrap().1;
    after.split(',').next().unwrap().parse().unwrap()
}

pub(crate) fn rejection(delivery: &Delivery) -> &Rejection {
    delivery.decoded.as_ref().unwrap_err()
}

#[async_trait]
impl IngestService for ScriptedIngest {
    async fn ingest(&self, deliveries: &mut [Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        self.calls.send_modify(|calls| *calls += 1);
        let cause = || Arc::new(std::io::Error::other("as the test has it")) as _;
        let mut database = self.database.subscribe();
        let database = *database.wait_for(|it| *it != Database::Hangs).await.unwrap();
        match database {
            Database::Works => {}
            Database::Away => return Err(StorageError::Unavailable(cause())),
            Database::Broken => return Err(StorageError::Internal(cause())),
            Database::Panics => panic!("as the test has it"),
            Database::FailsOnce => {
                self.database(Database::Works);
                return Err(StorageError::Unavailable(cause()));
            }
            Database::Hangs => unreachable!(),
        }
        let refused = self.refused.lock().unwrap();
        let is_refused = |delivery: &Delivery| {
            refused.entirely.contains(&value(delivery))
                || delivery.decoded.is_ok() && refused.measures.contains(&value(delivery))
        };
        if deliveries.iter().any(is_refused) {
            return Err(StorageError::Data(cause()));
        }
        self.committed.send_modify(|batches| batches.push(deliveries.to_vec()));
        let outcome = |delivery: &Delivery| match &delivery.decoded {
            Ok(_) => IngestOutcome::Stored,
            Err(rejection) => IngestOutcome::Rejected(rejection.reason),
        };
        Ok(deliveries.iter().map(outcome).collect())
    }
}
