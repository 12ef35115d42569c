//! Seals settled measures in the background: moves them into blocks.

use std::sync::Arc;
use std::time::Duration;

use mymonit_model::Timestamp;
use mymonit_rabbit_listener::IngestCounters;
use mymonit_services::ports::StorageError;
use mymonit_storage::blocks::{SealExtent, SealRange, Sealed, Sealer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

/// The interval between passes.
const PASS_INTERVAL: Duration = Duration::from_secs(60);
/// Pause before the next attempt while the database is unavailable or not prepared.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Pause between two passes that also make small blocks.
const SMALL_BLOCKS_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Stored measures a second from which on ingest counts as busy, as with a backlog.
const BUSY: f64 = 5_000.0;
/// The pause after a step, as a multiple of its duration: normally, and while ingest is busy. A
/// tenth of the time still seals faster than the broker delivers.
const PAUSE_FACTORS: (u32, u32) = (1, 9);

/// Counters of sealing since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct SealingMetrics {
    measures: Counter,
    blocks: Counter,
    failures: Counter,
    last_pass: Gauge<i64>,
}

impl SealingMetrics {
    /// Registers them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("sealed_measures", "Measures moved into blocks", self.measures.clone());
        registry.register("sealed_blocks", "Blocks written", self.blocks.clone());
        registry.register("sealing_failures", "Passes that failed", self.failures.clone());
        registry.register(
            "sealing_last_pass_timestamp_seconds",
            "When this process last sealed all that was due; 0 for never",
            self.last_pass.clone(),
        );
    }
}

/// The range of all measures that are at least that old.
pub(crate) fn range(older_than: Duration, extent: SealExtent) -> SealRange {
    let nanos = i64::try_from(older_than.as_nanos()).unwrap_or(i64::MAX);
    let before = Timestamp::from_unix_nanos(Timestamp::now().unix_nanos().saturating_sub(nanos));
    SealRange { before: before.unwrap_or(Timestamp::UNIX_EPOCH), extent }
}

/// Adds a step to the sum of steps.
pub(crate) const fn add(total: &mut Sealed, step: Sealed) {
    total.measures += step.measures;
    total.blocks += step.blocks;
}

/// Seals until `stop`, in one process at a time. Uses its own thread, since encoding blocks for
/// milliseconds.
pub(crate) async fn start(
    sealer: Sealer,
    older_than: Duration,
    ingest: Option<Arc<IngestCounters>>,
    metrics: SealingMetrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let runtime = Handle::current();
    let work = move || runtime.block_on(run(sealer, older_than, ingest, metrics, stop));
    tokio::task::spawn_blocking(work).await?
}

async fn run(
    sealer: Sealer,
    older_than: Duration,
    ingest: Option<Arc<IngestCounters>>,
    metrics: SealingMetrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut rest_due = Instant::now();
    while !stop.is_cancelled() {
        let (now, mut pause) = (Instant::now(), PASS_INTERVAL);
        let extent = if now >= rest_due { SealExtent::Rest } else { SealExtent::Full };
        match pass(&sealer, range(older_than, extent), ingest.as_deref(), &metrics, &stop).await {
            Ok(true) if extent == SealExtent::Rest => rest_due = now + SMALL_BLOCKS_INTERVAL,
            Ok(_) => {}
            // Readiness reports it.
            Err(StorageError::Unavailable(cause)) => {
                pause = RETRY_AFTER;
                debug!("sealing waits for the database: {cause}");
            }
            Err(error) => {
                metrics.failures.inc();
                error!("sealing failed: {error}");
            }
        }
        stop.run_until_cancelled(sleep(pause)).await;
    }
    Ok(())
}

/// Seals the measures that are due; `false` if another process holds the lease.
async fn pass(
    sealer: &Sealer,
    range: SealRange,
    ingest: Option<&IngestCounters>,
    metrics: &SealingMetrics,
    stop: &CancellationToken,
) -> Result<bool, StorageError> {
    if !sealer.begin().await? {
        return Ok(false);
    }
    let mut total = Sealed::default();
    let stored = || ingest.map_or(0, IngestCounters::measures);
    let mut before = (Instant::now(), stored());
    let sealed = sealer.seal(range, async |step| {
        add(&mut total, step);
        metrics.measures.inc_by(step.measures);
        metrics.blocks.inc_by(step.blocks);
        let took = before.0.elapsed();
        let is_busy = (stored() - before.1) as f64 > BUSY * took.as_secs_f64();
        let pause = took * if is_busy { PAUSE_FACTORS.1 } else { PAUSE_FACTORS.0 };
        stop.run_until_cancelled(sleep(pause)).await;
        before = (Instant::now(), stored());
        !stop.is_cancelled()
    });
    let sealed = sealed.await;
    sealer.end().await?;
    sealed?;
    if total.blocks > 0 {
        info!(measures = total.measures, blocks = total.blocks, "measures sealed");
    }
    if !stop.is_cancelled() {
        metrics.last_pass.set(Timestamp::now().unix_nanos() / 1_000_000_000);
    }
    Ok(true)
}
