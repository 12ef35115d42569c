//! `mymonit seal`, `mymonit unseal` and `mymonit verify`.

use std::time::Duration;

use anyhow::bail;
use mymonit_storage::blocks::{SealExtent, Sealed};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::stop_signal::stop_signal;
use crate::container::Storage;
use crate::sealing::{add, range};

/// Moves all measures whose timestamps are at least that old into blocks.
pub(super) async fn seal(storage: &Storage, older_than: Duration) -> anyhow::Result<()> {
    let sealer = storage.sealer();
    let range = range(older_than, SealExtent::Everything);
    let sealed = until_stopped(async |total, stop| {
        wait_to_begin(&sealer, &stop).await?;
        let sealed = sealer.seal(range, async |step| {
            add(total, step);
            !stop.is_cancelled()
        });
        let sealed = sealed.await;
        sealer.end().await?;
        Ok(sealed?)
    });
    let Sealed { measures, blocks } = sealed.await?;
    info!(measures, blocks, "measures sealed");
    Ok(())
}

/// Turns all blocks back into rows.
pub(super) async fn unseal(storage: &Storage) -> anyhow::Result<()> {
    let sealer = storage.sealer();
    let unsealed = until_stopped(async |total, stop| {
        wait_to_begin(&sealer, &stop).await?;
        let unsealed = sealer.unseal(async |step| {
            add(total, step);
            !stop.is_cancelled()
        });
        let unsealed = unsealed.await;
        sealer.end().await?;
        Ok(unsealed?)
    });
    let Sealed { measures, blocks } = unsealed.await?;
    info!(measures, blocks, "measures unsealed");
    Ok(())
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

async fn wait_to_begin(
    sealer: &mymonit_storage::blocks::Sealer,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    match stop.run_until_cancelled(sealer.wait_to_begin()).await {
        Some(begun) => Ok(begun?),
        None => Ok(()),
    }
}

/// Runs the work until the first signal; completed steps are kept.
async fn until_stopped(
    work: impl AsyncFnOnce(&mut Sealed, CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<Sealed> {
    let (signal, stop) = (stop_signal()?, CancellationToken::new());
    let watch = stop.clone();
    let watching = tokio::spawn(async move {
        signal.await;
        watch.cancel();
    });
    let mut total = Sealed::default();
    let done = work(&mut total, stop.clone()).await;
    watching.abort();
    done?;
    if stop.is_cancelled() {
        let Sealed { measures, blocks } = total;
        bail!("stopped after {measures} measures in {blocks} blocks; run it again: it continues");
    }
    Ok(total)
}
