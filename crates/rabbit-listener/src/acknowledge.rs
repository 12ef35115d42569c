use std::time::Duration;

use lapin::options::BasicAckOptions;
use tokio::time::timeout;

use crate::batch::Batch;
use crate::session_error::SessionError;

/// lapin sends an acknowledgement at once, unless the connection is dead.
const LIMIT: Duration = Duration::from_secs(5);

/// Acknowledges a committed batch and frees its memory. One acknowledgement covers all deliveries
/// up to its last, so every batch before it has to be committed.
pub(crate) async fn acknowledge(batch: Batch) -> Result<(), SessionError> {
    match timeout(LIMIT, batch.last.ack(BasicAckOptions { multiple: true })).await {
        Ok(Ok(true)) => Ok(()),
        // lapin returns `false` if the channel has ended.
        Ok(Ok(false)) | Err(_) => Err(SessionError::NotAcknowledged),
        Ok(Err(error)) => Err(SessionError::Lost(error)),
    }
}
