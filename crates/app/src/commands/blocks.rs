//! `mymonit seal`, `mymonit unseal` and `mymonit verify`.

use std::time::Duration;

use anyhow::bail;
use mymonit_services::ports::StorageError;
use mymonit_storage::blocks::{SealExtent, Sealed, Sealer};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::stop_signal::stop_signal;
use crate::container::Storage;
use crate::sealing::{add, range};

/// Moves all measures whose timestamps are at least that old into blocks.
pub(super) async fn seal(storage: &Storage, older_than: Duration) -> anyhow::Result<()> {
    let sealer = storage.sealer();
    let range = range(older_than, SealExtent::Everything);
    let sealed = until_stopped(&sealer, async |total, stop| {
        sealer.seal(range, async |step| has_next(total, step, &stop)).await
    });
    let Sealed { measures, blocks } = sealed.await?;
    info!(measures, blocks, "measures sealed");
    Ok(())
}

/// Turns all blocks back into rows.
pub(super) async fn unseal(storage: &Storage) -> anyhow::Result<()> {
    let sealer = storage.sealer();
    let unsealed = until_stopped(&sealer, async |total, stop| {
        sealer.unseal(async |step| has_next(total, step, &stop)).await
    });
    let Sealed { measures, blocks } = unsealed.await?;
    info!(measures, blocks, "measures unsealed");
    Ok(())
}

/// Adds a step to the total. Returns whether another one follows.
fn has_next(total: &mut Sealed, step: Sealed, stop: &CancellationToken) -> bool {
    add(total, step);
    !stop.is_cancelled()
}

/// Reads all blocks; fails if any is damaged.
pub(super) async fn verify(storage: &Storage) -> anyhow::Result<()> {
    let verified = storage.sealer().verify().await?;
    for broken in &verified.broken {
        error!("{broken}");
    }
    let (blocks, measures) = (verified.blocks, verified.measures);
    if !verified.broken.is_empty() {
        bail!("{} of {blocks} blocks are broken", verified.broken.len());
    }
    info!(measures, blocks, "no damaged blocks");
    Ok(())
}

/// Runs the work while no other process seals, until the first signal; completed steps are kept.
async fn until_stopped(
    sealer: &Sealer,
    work: impl AsyncFnOnce(&mut Sealed, CancellationToken) -> Result<(), StorageError>,
) -> anyhow::Result<Sealed> {
    let (signal, stop) = (stop_signal()?, CancellationToken::new());
    let watch = stop.clone();
    let watching = tokio::spawn(async move {
        signal.await;
        watch.cancel();
    });
    let mut total = Sealed::default();
    let done = async {
        stop.run_until_cancelled(sealer.wait_to_begin()).await.unwrap_or(Ok(()))?;
        let worked = work(&mut total, stop.clone()).await;
        sealer.end().await?;
        worked
    };
    let done = done.await;
    watching.abort();
    done?;
    if stop.is_cancelled() {
        let Sealed { measures, blocks } = total;
        bail!("stopped after {measures} measures in {blocks} blocks; run it again: it continues");
    }
    Ok(total)
}
