use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep_until, timeout_at};

/// The poll interval: short for people, long compared with a query.
const INTERVAL: Duration = Duration::from_millis(10);

/// Polls a condition for which there is no event.
///
/// `look` returns `Ok` when the condition holds, otherwise `Err` with the observed state. The error
/// after `within` contains the last state.
///
/// ```
/// # #[tokio::main] async fn main() -> anyhow::Result<()> {
/// # use std::time::Duration;
/// # let mut rows = 0;
/// mymonit_test_support::wait_until("ten rows", Duration::from_secs(5), async || {
///     rows += 1;
///     if rows == 10 { Ok(()) } else { Err(format!("{rows} rows")) }
/// })
/// .await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// Names `what` and the last observed state if the condition does not hold in time.
pub async fn wait_until<T, S: Display>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + within;
    let mut last_seen = String::from("nothing: the first look did not end");
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => last_seen = seen.to_string(),
            Err(_) => bail!("{what}: not within {within:?}; last seen: {last_seen}"),
        }
        let next = Instant::now() + INTERVAL;
        timeout_at(deadline, sleep_until(next))
            .await
            .with_context(|| format!("{what}: not within {within:?}; last seen: {last_seen}"))?;
    }
}
