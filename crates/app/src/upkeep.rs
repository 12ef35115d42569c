//! What the storage needs beside being read and written: its schema brought up to date when the database can be
//! reached, and the `message-id`s that are past their window forgotten.

use std::future::pending;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use mymonit_model::Timestamp;
use mymonit_rabbit_listener::ConsumerState;
use mymonit_services::example_data::example_data;
use mymonit_services::ports::StorageError;
use mymonit_storage::PrepareError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::container::Storage;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// How often the window is looked at; short beside its hours, so that little is forgotten at a time.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How long measures have to be taken in without a break before any id is forgotten. What was under way when the service
/// was killed, or lost its broker or database, is delivered again first of all when it is back, however long that
/// takes; until then the ids tell what of it is stored.
const SETTLED: Duration = Duration::from_secs(10 * 60);
/// How many ids are forgotten in one statement: few enough that no batch has to wait for it.
const FORGET_AT_ONCE: u32 = 1_000;

/// Prepares the storage as soon as it can be reached and looks after it until `stop`. Says when that has been `tried` for the first
/// time. Ids are forgotten by processes that have a consumer.
///
/// # Errors
/// If the schema cannot be used by this version of the service; waiting would not help.
pub(crate) async fn run(
    storage: Storage,
    with_example_data: bool,
    dedup_window: Duration,
    consumer: Option<watch::Receiver<ConsumerState>>,
    tried: CancellationToken,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let work = async {
        prepare(&storage, with_example_data, &tried).await?;
        if let Some(consumer) = consumer {
            while_consuming(consumer, || forget_message_ids(&storage, dedup_window)).await;
        }
        pending().await
    };
    stop.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

async fn prepare(
    storage: &Storage,
    with_example_data: bool,
    tried: &CancellationToken,
) -> anyhow::Result<()> {
    let mut delays = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(FIRST_DELAY)
        .with_max_delay(LONGEST_DELAY)
        .without_max_times()
        .build();
    let mut said = false;
    loop {
        let outcome = try_prepare(storage, with_example_data).await;
        tried.cancel();
        match outcome {
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

/// Does the work every minute as long as measures have been taken in for [`SETTLED`] without a break. Ends with the
/// consumer.
async fn while_consuming<W: Future<Output = ()>>(
    mut consumer: watch::Receiver<ConsumerState>,
    work: impl Fn() -> W,
) {
    while settled(&mut consumer).await.is_ok() {
        let mut ticks = interval(FORGET_EVERY);
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

/// Forgets the ids past the window, a few at a time.
async fn forget_message_ids(storage: &Storage, window: Duration) {
    let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
    let before = Timestamp::from_unix_nanos(Timestamp::now().unix_nanos().saturating_sub(window));
    let Some(before) = before else { return };
    loop {
        match storage.ingest().forget_message_ids(before, FORGET_AT_ONCE).await {
            Ok(count) if count >= u64::from(FORGET_AT_ONCE) => tokio::task::yield_now().await,
            Ok(_) => return,
            // The next tick tries again, and consumption says that the database is away.
            Err(error) => return debug!("message ids cannot be forgotten for now: {error}"),
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
    async fn ids_are_forgotten_only_once_what_was_under_way_before_a_break_has_come_again() {
        let (state, consumer) = watch::channel(Connecting);
        let times = Cell::new(0);
        let forgotten_within = async |span: Duration| {
            sleep(span).await;
            times.take()
        };
        let life = async {
            // As after a start: not even when the broker is back after days.
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
