use tracing::info;

use crate::configuration::{Configuration, DatabaseConfiguration, Environment};
use crate::container::Storage;

/// Brings the schema up to date; a database that is away is an error here, since somebody waits for the end.
pub(crate) async fn migrate(environment: &Environment) -> anyhow::Result<()> {
    let evaluation = Configuration::is_evaluation(environment, false)?;
    let storage = Storage::open(DatabaseConfiguration::read(environment, evaluation)?)?;
    storage.prepare().await?;
    info!("the database schema is up to date");
    Ok(())
}
