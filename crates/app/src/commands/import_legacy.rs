use mymonit_model::Faceted;
use mymonit_storage::LegacyImportError;
use tracing::info;

use super::stop_signal::stop_signal;
use crate::container::Storage;

/// Copies a database of the Python system into the configured one, which is created if possible
/// and must be empty.
pub(super) async fn import_legacy(storage: &Storage, from: &Faceted<String>) -> anyhow::Result<()> {
    let import = async {
        storage.database().prepare().await?;
        anyhow::Ok(storage.legacy_import().run(from).await?)
    };
    let copied = tokio::select! {
        copied = import => copied?,
        signal = stop_signal()? => {
            return Err(LegacyImportError::Incomplete(format!("ended by {signal}")).into());
        }
    };
    info!(
        users = copied.users,
        experiments = copied.experiments,
        associations = copied.associations,
        measures = copied.measures,
        "the Python system's database was copied; counts and checksums agree"
    );
    Ok(())
}
