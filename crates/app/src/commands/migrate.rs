use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::stop_signal::stop_signal;
use crate::configuration::{Configuration, DatabaseConfiguration, Environment};
use crate::container::Storage;

/// How long what has been begun may take to end after SIGTERM: less than engines and Kubernetes wait for.
const FINISH_WITHIN: Duration = Duration::from_secs(9);

/// Brings the schema up to date; a database that is away is an error here, since somebody waits for the end. Another process
/// that does the same is waited for.
pub(crate) async fn migrate(environment: &Environment) -> anyhow::Result<()> {
    let evaluation = Configuration::is_evaluation(environment, false)?;
    let storage = Storage::open(DatabaseConfiguration::read(environment, evaluation)?)?;
    // In a container this is the process whose signals the system ignores, unless it has asked for them.
    let signal = stop_signal()?;
    let stop = CancellationToken::new();
    let mut preparing = pin!(storage.prepare_unless(stop.clone().cancelled_owned()));
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
            "ended by {stopped_by} on the way; start it again, and it waits for what the database server may still be doing, \
             and goes on"
        )
    };
    if !prepared? {
        bail!("ended by {stopped_by} while it waited for another process; nothing was changed");
    }
    info!("the database schema is up to date");
    Ok(())
}
