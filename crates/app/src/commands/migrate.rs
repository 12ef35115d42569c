use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::stop_signal::stop_signal;
use crate::container::Storage;

/// How long a started migration step may take after SIGTERM: below Kubernetes' grace period.
const FINISH_WITHIN: Duration = Duration::from_secs(9);

/// Migrates the schema, after any other process that does so. Fails if the database is unreachable.
pub(super) async fn migrate(storage: &Storage) -> anyhow::Result<()> {
    // As process 1 of a container it would ignore signals without a handler.
    let signal = stop_signal()?;
    let stop = CancellationToken::new();
    let mut preparing = pin!(storage.database().prepare_unless(stop.clone().cancelled_owned()));
    let mut stopped_by = "";
    let ended = tokio::select! {
        prepared = &mut preparing => Ok(prepared),
        name = signal => {
            info!(signal = name, "stopping");
            stopped_by = name;
            stop.cancel();
            timeout(FINISH_WITHIN, preparing).await
        }
    };
    let Ok(prepared) = ended else {
        bail!(
            "stopped by {stopped_by} during the migration; run it again: it waits for statements that the database \
             server still executes, and continues"
        )
    };
    if !prepared? {
        bail!("stopped by {stopped_by} while another process migrates; nothing was changed");
    }
    info!("the database schema is up to date");
    Ok(())
}
