use std::io;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError};
use thiserror::Error;

/// Why there is no session, or no longer one. Every trouble ends in another try; the text is for the operator.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// Nobody answers there, or nobody who speaks AMQP.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// The broker answers, and a person has to change something.
    #[error("the broker refuses {what}: {reply}; {advice}")]
    Refused { what: String, reply: String, advice: &'static str },
    /// The connection or the channel ended.
    #[error("the connection to the broker was lost: {0}")]
    Lost(lapin::Error),
    /// The broker ended the consumer and left the channel open.
    #[error("the broker cancelled the consumer, as it does when the queue is deleted")]
    Cancelled,
    /// An acknowledgement went nowhere.
    #[error("an acknowledgement did not reach its channel")]
    NotAcknowledged,
    /// A delivery is missing; all of the session comes again.
    #[error("the deliveries of a channel have a gap")]
    Gap,
    /// A defect of this program; the batch comes again.
    #[error("reading or writing a batch ended in a panic")]
    Panicked,
}

impl Trouble {
    /// What a failed step on the way to consuming means.
    pub(crate) fn in_step(
        what: impl Into<String>,
        advice: &'static str,
    ) -> impl FnOnce(lapin::Error) -> Self {
        move |error| match refusal(&error) {
            Some(reply) => Self::Refused { what: what.into(), reply, advice },
            None => Self::Lost(error),
        }
    }

    /// The same, but for a part of the connection string, which the broker may repeat in what it says.
    pub(crate) fn without(self, secret: &str) -> Self {
        match self {
            Self::Refused { what, reply, advice } if !secret.is_empty() => {
                Self::Refused { what, reply: reply.replace(secret, "***"), advice }
            }
            other => other,
        }
    }

    /// Whether waiting alone will not help.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// What the broker said, where it understood and said no. A broker that is being stopped or has an internal error
/// has not refused anything.
fn refusal(error: &lapin::Error) -> Option<String> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    let passing = [AMQPHardError::CONNECTIONFORCED, AMQPHardError::INTERNALERROR];
    match error.kind() {
        AMQPErrorKind::Hard(kind) if passing.contains(kind) => None,
        _ => Some(format!("{} {}", error.get_id(), error.get_message())),
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPSoftError};

    use super::*;

    fn trouble(kind: AMQPErrorKind) -> Trouble {
        let error = AMQPError::new(kind, "SAID BY THE BROKER".into());
        Trouble::in_step("the queue", "mend it")(ErrorKind::ProtocolError(error).into())
    }

    #[test]
    fn a_refusal_says_what_was_refused_why_and_what_to_do() {
        let refused = trouble(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED));
        assert!(refused.is_refusal());
        assert_eq!(refused.to_string(), "the broker refuses the queue: 406 SAID BY THE BROKER; mend it");
    }

    #[test]
    fn what_the_broker_repeats_of_the_account_is_masked() {
        let refused =
            trouble(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)).without("BROKER").without("");
        assert_eq!(refused.to_string(), "the broker refuses the queue: 406 SAID BY THE ***; mend it");
    }

    #[test]
    fn a_broker_that_stops_has_not_refused() {
        assert!(!trouble(AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED)).is_refusal());
        assert!(!Trouble::in_step("x", "y")(ErrorKind::MissingHeartbeatError.into()).is_refusal());
    }
}
