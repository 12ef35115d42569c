//! The lease of the one process that may write blocks. A transaction that writes blocks extends it,
//! and so fails if another process has taken it.

use std::time::Duration;

use futures::FutureExt;
use mymonit_services::ports::StorageError;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::error::{Fault, cause};

/// The lifetime of a lease that is not extended, as after a kill.
const LEASE_DURATION: Duration = Duration::from_secs(60);

/// Extends the lease of a holder, within a transaction.
pub(super) async fn extend(connection: &mut Connection<'_>, holder: &str) -> Result<(), Fault> {
    if hold(connection, holder, "HOLDER = ?", [holder.into()]).await? {
        return Ok(());
    }
    Err(StorageError::Unavailable(cause("another process has begun to write blocks")).into())
}

/// Takes the lease, or extends it; `false` if another process holds it.
pub(super) async fn take(database: &dyn DatabaseHandle, holder: &str) -> Result<bool, StorageError> {
    let holder = holder.to_owned();
    let taken = database.transaction(move |mut connection| {
        async move {
            let condition = format!("(HOLDER = ? OR EXPIRES_AT < {})", now(&connection));
            hold(&mut connection, &holder, &condition, [holder.as_str().into()]).await
        }
        .boxed()
    });
    taken.await
}

/// Releases the lease, so that another process need not wait for its expiry.
pub(super) async fn release(database: &dyn DatabaseHandle, holder: &str) -> Result<(), StorageError> {
    const RELEASE: &str = "UPDATE SEALING_LEASE SET EXPIRES_AT = 0, HOLDER = '' WHERE ID = 1 AND HOLDER = ?";
    let holder = Value::from(holder);
    database
        .write(move |mut connection| {
            async move {
                connection.execute(RELEASE, [holder]).await?;
                Ok(())
            }
            .boxed()
        })
        .await
}

async fn hold<const N: usize>(
    connection: &mut Connection<'_>,
    holder: &str,
    condition: &str,
    values: [Value; N],
) -> Result<bool, Fault> {
    let sql = format!(
        "UPDATE SEALING_LEASE SET EXPIRES_AT = {} + ?, HOLDER = ? WHERE ID = 1 AND {condition}",
        now(connection)
    );
    let seconds = i64::try_from(LEASE_DURATION.as_secs()).unwrap_or(i64::MAX);
    let values = [seconds.into(), holder.into()].into_iter().chain(values);
    Ok(connection.execute(AssertSqlSafe(sql), values).await?.rows == 1)
}

/// Seconds of the database's clock: those of the processes may differ.
fn now(connection: &Connection<'_>) -> &'static str {
    match connection {
        Connection::MySql(_) => "UNIX_TIMESTAMP()",
        Connection::Sqlite(_) => "unixepoch()",
    }
}
