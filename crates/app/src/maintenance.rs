//! Maintenance of the storage: migrates the schema once the database is reachable, and forgets
//! `message-id`s after their window.

use std::future::pending;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use mymonit_model::Timestamp;
use mymonit_rabbit_listener::ConsumerState;
use mymonit_services::example_data::ExampleData;
use mymonit_services::ports::StorageError;
use mymonit_storage::PrepareError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::container::Storage;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// The interval of cleanup; short, so that each run deletes little.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(60);
/// Ingest must run this long without interruption before ids are deleted. Messages in flight at a
/// crash or a lost connection are redelivered first; their ids detect the duplicates.
const SETTLED: Duration = Duration::from_secs(10 * 60);
/// How many ids one statement deletes: few enough that no batch has to wait for it.
const CLEANUP_BATCH: u32 = 1_000;

/// Prepares the storage once it is reachable, and maintains it until `stop`. `tried` reports the
/// first attempt. Only processes with a consumer forget ids.
///
/// # Errors
/// If this version of the service cannot use the schema; a retry would not help.
pub(crate) async fn run(
    storage: Storage,
    examples: Vec<ExampleData>,
    dedup_window: Duration,
    consumer: Option<watch::Receiver<ConsumerState>>,
    tried: CancellationToken,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let work = async {
        prepare(&storage, &examples, &tried).await?;
        if let Some(consumer) = consumer {
            while_consuming(consumer, || forget_message_ids(&storage, dedup_window)).await;
        }
        pending().await
    };
    stop.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

async fn prepare(
    storage: &Storage,
    examples: &[ExampleData],
    tried: &CancellationToken,
) -> anyhow::Result<()> {
    let mut delays = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .without_max_times()
        .build();
    let mut said = String::new();
    loop {
        let outcome = try_prepare(storage, examples).await;
        tried.cancel();
        match outcome {
            Ok(()) => break,
            Err(error) if is_passing(&error) => {
                // Each reason is logged once; readiness reports it until it is over.
                let reason = format!("{error:#}");
                if said != reason {
                    warn!("the database is not ready; waiting for it: {reason}");
                    said = reason;
                }
                sleep(delays.next().unwrap_or(LONGEST_DELAY)).await;
            }
            Err(error) => return Err(error),
        }
    }
    info!("the database is ready");
    Ok(())
}

async fn try_prepare(storage: &Storage, examples: &[ExampleData]) -> anyhow::Result<()> {
    storage.database().prepare().await?;
    for data in examples {
        storage.example_data().install(data).await?;
    }
    storage.prepared();
    Ok(())
}

fn is_passing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PrepareError::Unavailable(_)))
        || matches!(error.downcast_ref(), Some(StorageError::Unavailable(_)))
}

/// Runs the work every minute once ingest has run for [`SETTLED`] without a break. Ends with the
/// consumer.
async fn while_consuming<W: Future<Output = ()>>(
    mut consumer: watch::Receiver<ConsumerState>,
    work: impl Fn() -> W,
) {
    while settled(&mut consumer).await.is_ok() {
        let mut ticks = interval(CLEANUP_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_interrupted = tokio::select! {
                biased;
                _ = consumer.wait_for(|state| !state.is_ready()) => true,
                _ = ticks.tick() => false,
            };
            if is_interrupted {
                break;
            }
            work().await;
        }
    }
}

async fn settled(consumer: &mut watch::Receiver<ConsumerState>) -> Result<(), watch::error::RecvError> {
    loop {
        consumer.wait_for(|state| state.is_ready()).await?;
        match timeout(SETTLED, consumer.wait_for(|state| !state.is_ready())).await {
            Ok(interrupted) => drop(interrupted?),
            Err(_) => return Ok(()),
        }
    }
}

/// Deletes the ids past the window, a few at a time.
async fn forget_message_ids(storage: &Storage, window: Duration) {
    let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
    let before = Timestamp::from_unix_nanos(Timestamp::now().unix_nanos().saturating_sub(window));
    let Some(before) = before else { return };
    loop {
        match storage.ingest().forget_message_ids(before, CLEANUP_BATCH).await {
            Ok(count) if count >= u64::from(CLEANUP_BATCH) => tokio::task::yield_now().await,
            Ok(_) => return,
            // The next tick retries; the consumer logs that the database is unavailable.
            Err(error) => return debug!("expired message ids not deleted: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use ConsumerState::{Connecting, Consuming, WaitingForDatabase};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn ids_are_deleted_only_after_redeliveries_of_a_break() {
        let (state, consumer) = watch::channel(Connecting);
        let times = Cell::new(0);
        let forgotten_within = async |span: Duration| {
            sleep(span).await;
            times.take()
        };
        let life = async {
            // The same wait applies when the broker is back after days.
            assert_eq!(forgotten_within(MINUTE * 5_000).await, 0);
            for away in [Connecting, WaitingForDatabase] {
                state.send_replace(Consuming);
                assert_eq!(forgotten_within(MINUTE * 9).await, 0);
                state.send_replace(away);
                assert_eq!(forgotten_within(MINUTE * 5_000).await, 0);
                state.send_replace(Consuming);
                assert_eq!(forgotten_within(SETTLED - MINUTE / 2).await, 0);
                assert_eq!(forgotten_within(MINUTE * 5).await, 5);
                state.send_replace(away);
                assert_eq!(forgotten_within(MINUTE * 5_000).await, 0);
            }
            drop(state);
        };
        let forget = || async { times.set(times.get() + 1) };
        tokio::join!(while_consuming(consumer, forget), life);
    }
}
