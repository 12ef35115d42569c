//! The tasks of the running service, which start and stop together.

use std::time::Duration;

use anyhow::anyhow;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// The limit of a graceful shutdown: below 10 s, to leave time to send the last log lines.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// The running tasks; one that fails stops the others.
pub(crate) struct Tasks {
    running: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Tasks {
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { running: JoinSet::new(), stop }
    }

    /// Starts a task, which must run until `stop`.
    pub(crate) fn start<E>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Into<anyhow::Error> + 'static,
    {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            task.await.map_err(|error| error.into().context(format!("the {name} failed")))?;
            if stop.is_cancelled() { Ok(()) } else { Err(anyhow!("the {name} ended by itself")) }
        });
    }

    /// Runs until the signal or the failure of a task, then stops all tasks.
    pub(crate) async fn run_until(
        mut self,
        stop_signal: impl Future<Output = &'static str>,
    ) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            name = stop_signal => {
                info!(signal = name, "stopping");
                Ok(())
            }
            Some(ended) = self.running.join_next() => flatten(ended),
        };
        self.stop.cancel();
        let rest = timeout(STOP_WITHIN, self.join()).await.unwrap_or_else(|_| {
            Err(anyhow!("graceful shutdown not finished within {} s", STOP_WITHIN.as_secs()))
        });
        let outcome = outcome.and(rest);
        match &outcome {
            Ok(()) => info!("stopped"),
            Err(error) => error!("stopped: {error:#}"),
        }
        outcome
    }

    async fn join(&mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.running.join_next().await {
            outcome = outcome.and(flatten(ended));
        }
        outcome
    }
}

fn flatten(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    ended.map_err(anyhow::Error::from)?
}
