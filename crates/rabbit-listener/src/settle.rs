use std::time::Duration;

use lapin::Acker;
use lapin::options::BasicAckOptions;
use mymonit_services::ports::IngestOutcome;
use tokio::time::timeout;

use crate::gate::Gate;
use crate::trouble::Trouble;

/// How long an acknowledgement may take to leave. It leaves at once unless the connection is dead.
const ACKNOWLEDGE_LIMIT: Duration = Duration::from_secs(5);

/// How the writing of a batch ended.
#[derive(Debug)]
pub(crate) enum Written {
    /// The transaction has committed.
    Committed {
        /// What became of each message.
        outcomes: Vec<IngestOutcome>,
        /// The bytes that the gate holds for them.
        bytes: usize,
        /// Acknowledges all of them.
        last: Acker,
    },
    /// It could not be written while there was somebody to acknowledge it to. The broker delivers it again.
    GivenUp,
}

/// The one place where an outcome becomes an acknowledgement.
///
/// Batches are settled in the order of their deliveries, so that one acknowledgement can stand for a whole batch:
/// it says "this one and all before it".
pub(crate) async fn settle(written: Written, gate: &Gate) -> Result<(), Trouble> {
    let Written::Committed { outcomes, bytes, last } = written else { return Ok(()) };
    gate.release(bytes);
    if !outcomes.iter().all(is_kept) {
        return Err(Trouble::NotAcknowledged);
    }
    match timeout(ACKNOWLEDGE_LIMIT, last.ack(BasicAckOptions { multiple: true })).await {
        Ok(Ok(true)) => Ok(()),
        // lapin's way to say that the channel is gone.
        Ok(Ok(false)) | Err(_) => Err(Trouble::NotAcknowledged),
        Ok(Err(error)) => Err(Trouble::Lost(error)),
    }
}

/// Whether the message, or an earlier copy of it, is committed, so that the broker may forget it. There is no
/// outcome yet for which it may not; a new one has to say here what it means.
const fn is_kept(outcome: &IngestOutcome) -> bool {
    match outcome {
        IngestOutcome::Stored | IngestOutcome::Rejected(_) | IngestOutcome::Duplicate => true,
    }
}
