//! Steps that a database gets once, recorded in ONE_TIME_STEPS.

use mymonit_model::Timestamp;

use crate::connection::Connection;
use crate::error::{Fault, is_duplicate};

/// Records the step; `false` if it was done before, or by another process meanwhile. The step
/// belongs to the same transaction.
pub(crate) async fn begin(connection: &mut Connection<'_>, step: &str) -> Result<bool, Fault> {
    const IS_DONE: &str = "SELECT COUNT(*) FROM ONE_TIME_STEPS WHERE NAME = ?";
    const DONE: &str = "INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES (?, ?)";
    if connection.number(IS_DONE, [step.into()]).await? > 0 {
        return Ok(false);
    }
    match connection.execute(DONE, [step.into(), Timestamp::now().unix_nanos().into()]).await {
        Err(error) if is_duplicate(&error) => Ok(false),
        done => Ok(done.map(|_| true)?),
    }
}
