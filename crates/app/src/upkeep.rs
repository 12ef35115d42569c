//! What the storage needs beside being read and written: its schema brought up to date when the database can be
//! reached, and the `message-id`s that are past their window forgotten.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use mymonit_model::Timestamp;
use mymonit_services::example_data::example_data;
use mymonit_services::ports::StorageError;
use mymonit_storage::PrepareError;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::container::Storage;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// How often the window is looked at; short beside its hours, so that little is forgotten at a time.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How many ids are forgotten in one statement: few enough that no batch has to wait for it.
const FORGET_AT_ONCE: u32 = 1_000;

/// Prepares the storage as soon as it can be reached and looks after it until `stop`.
///
/// # Errors
/// If the schema cannot be used by this version of the service; waiting would not help.
pub(crate) async fn run(
    storage: Storage,
    with_example_data: bool,
    dedup_window: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let work = async {
        prepare(&storage, with_example_data).await?;
        forget_message_ids(&storage, dedup_window).await
    };
    stop.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

async fn prepare(storage: &Storage, with_example_data: bool) -> anyhow::Result<()> {
    let mut delays = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .without_max_times()
        .build();
    let mut said = false;
    loop {
        match try_prepare(storage, with_example_data).await {
            Ok(()) => break,
            Err(error) if is_passing(&error) => {
                // Said once; readiness goes on saying it as long as it lasts.
                if !said {
                    warn!("the database cannot be used yet, the service waits for it: {error:#}");
                    said = true;
                }
                sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
            }
            Err(error) => return Err(error),
        }
    }
    info!("the database is ready");
    Ok(())
}

async fn try_prepare(storage: &Storage, with_example_data: bool) -> anyhow::Result<()> {
    storage.prepare().await?;
    if with_example_data {
        storage.example_data().install(&example_data()?).await?;
    }
    storage.prepared();
    Ok(())
}

fn is_passing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PrepareError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(StorageError::Unavailable(_)))
}

/// Forgets the ids past the window, a few at a time, until cancelled.
async fn forget_message_ids(storage: &Storage, window: Duration) -> anyhow::Result<()> {
    let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
    let mut ticks = interval(FORGET_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let before = Timestamp::from_unix_nanos(Timestamp::now().unix_nanos().saturating_sub(window));
        let Some(before) = before else { continue };
        loop {
            match storage.ingest().forget_message_ids(before, FORGET_AT_ONCE).await {
                Ok(count) if count >= u64::from(FORGET_AT_ONCE) => tokio::task::yield_now().await,
                Ok(_) => break,
                // The next tick tries again, and consumption says that the database is away.
                Err(error) => {
                    debug!("message ids cannot be forgotten for now: {error}");
                    break;
                }
            }
        }
    }
}
