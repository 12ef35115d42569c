use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError};
use thiserror::Error;

/// Why a session ended, or did not begin. The listener opens another one after each of them.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// A setting has to change, here or in the broker.
    #[error("the broker refuses {what}: {reply}; {advice}")]
    Refused { what: String, reply: String, advice: &'static str },
    #[error("the connection to the broker was lost: {0}")]
    Lost(lapin::Error),
    #[error("the broker cancelled the consumer, as it does when the queue is deleted")]
    Cancelled,
    #[error("an acknowledgement did not reach its channel")]
    NotAcknowledged,
    #[error("the deliveries of a channel have a gap")]
    Gap,
    #[error("a batch could not be written before the stop")]
    NotWritten,
    /// A defect of this program. The broker delivers the batch again.
    #[error("decoding or writing a batch panicked")]
    Panicked,
}

impl SessionError {
    /// The error of a declaration or another request.
    pub(crate) fn in_step(
        what: impl Into<String>,
        advice: &'static str,
    ) -> impl FnOnce(lapin::Error) -> Self {
        move |error| match refusal(&error) {
            Some(reply) => Self::Refused { what: what.into(), reply, advice },
            None => Self::Lost(error),
        }
    }

    /// Whether retrying alone will not help.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// The broker's reply. A broker that stops or has an internal error has refused nothing.
fn refusal(error: &lapin::Error) -> Option<String> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let temporary = [AMQPHardError::CONNECTIONFORCED, AMQPHardError::INTERNALERROR];
    match error.kind() {
        AMQPErrorKind::Hard(kind) if temporary.contains(kind) => None,
        _ => Some(format!("{} {}", error.get_id(), error.get_message())),
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPSoftError};

    use super::*;

    fn error(kind: AMQPErrorKind) -> SessionError {
        let reply = AMQPError::new(kind, "SAID BY THE BROKER".into());
        SessionError::in_step("the queue", "delete it")(ErrorKind::ProtocolError(reply).into())
    }

    #[test]
    fn a_refusal_has_step_reply_and_advice() {
        let refused = error(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED));
        assert!(refused.is_refusal());
        assert_eq!(refused.to_string(), "the broker refuses the queue: 406 SAID BY THE BROKER; delete it");
    }

    #[test]
    fn a_stopping_broker_refuses_nothing() {
        assert!(!error(AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED)).is_refusal());
        assert!(!SessionError::in_step("x", "y")(ErrorKind::MissingHeartbeatError.into()).is_refusal());
    }
}
