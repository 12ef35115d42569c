use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mymonit_services::{PartState, ReadinessProbe};
use tokio::sync::watch;

/// What the consumer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerState {
    /// On the way to the broker, for the first time or again.
    Connecting,
    /// The broker answers and refuses: the user, the virtual host, or a declaration. The log says what to do.
    Refused,
    /// The broker delivers, and what it delivers is stored.
    Consuming,
    /// The broker delivers, and nothing can be stored for now.
    WaitingForDatabase,
    /// It has ended, or never began.
    Stopped,
}

impl ConsumerState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Connecting, Self::Refused, Self::Consuming, Self::WaitingForDatabase, Self::Stopped];

    /// Whether measures are being taken in.
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Consuming)
    }

    /// The state in a few words, for the operator.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Refused => "refused by the broker",
            Self::Consuming => "consuming",
            Self::WaitingForDatabase => "waiting for the database",
            Self::Stopped => "stopped",
        }
    }
}

/// Tells readiness checks how the consumer is doing: the part `consumer` of specification §10.
#[derive(Debug, Clone)]
pub struct ConsumerProbe(pub(crate) watch::Receiver<ConsumerState>);

#[async_trait]
impl ReadinessProbe for ConsumerProbe {
    fn part(&self) -> &'static str {
        "consumer"
    }

    async fn state(&self) -> PartState {
        let state = *self.0.borrow();
        PartState { ready: state.is_ready(), state: state.as_str() }
    }
}

/// Where the two facts that make up the state come together: the session knows how it stands with the broker, and
/// the writer how it stands with the database.
#[derive(Debug)]
pub(crate) struct StateBoard {
    facts: Mutex<Facts>,
    shown: watch::Sender<ConsumerState>,
}

#[derive(Debug, Clone, Copy)]
struct Facts {
    broker: ConsumerState,
    database_away: bool,
}

impl Facts {
    fn state(self) -> ConsumerState {
        match self.broker {
            ConsumerState::Consuming if self.database_away => ConsumerState::WaitingForDatabase,
            state => state,
        }
    }
}

impl StateBoard {
    pub(crate) fn new() -> Self {
        let facts = Facts { broker: ConsumerState::Connecting, database_away: false };
        Self { facts: Mutex::new(facts), shown: watch::Sender::new(facts.state()) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<ConsumerState> {
        self.shown.subscribe()
    }

    /// Says how it stands with the broker. A new session begins with the benefit of the doubt about the database:
    /// if nothing is delivered to it, nothing will ever prove that the database is back.
    pub(crate) fn broker(&self, state: ConsumerState) {
        self.change(|_| Facts { broker: state, database_away: false });
    }

    /// Says how it stands with the database.
    pub(crate) fn database(&self, away: bool) {
        self.change(|facts| Facts { database_away: away, ..facts });
    }

    fn change(&self, change: impl FnOnce(Facts) -> Facts) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        *facts = change(*facts);
        let state = facts.state();
        self.shown.send_if_modified(|shown| std::mem::replace(shown, state) != state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsumerState::{Connecting, Consuming, Stopped, WaitingForDatabase};

    #[tokio::test]
    async fn only_a_consumer_that_stores_is_ready() {
        let board = StateBoard::new();
        let probe = ConsumerProbe(board.watch());
        assert_eq!(
            (probe.part(), probe.state().await),
            ("consumer", PartState { ready: false, state: "connecting" })
        );
        board.broker(Consuming);
        assert_eq!(probe.state().await, PartState { ready: true, state: "consuming" });
        board.database(true);
        assert_eq!(probe.state().await, PartState { ready: false, state: "waiting for the database" });
        board.database(false);
        assert!(probe.state().await.ready);
    }

    #[test]
    fn a_lost_broker_outweighs_a_lost_database() {
        let board = StateBoard::new();
        let state = board.watch();
        board.broker(Consuming);
        board.database(true);
        assert_eq!(*state.borrow(), WaitingForDatabase);
        board.broker(Connecting);
        board.database(true);
        assert_eq!(*state.borrow(), Connecting);
        board.broker(Stopped);
        assert_eq!(*state.borrow(), Stopped);
    }

    #[test]
    fn a_new_session_does_not_inherit_the_wait_for_the_database() {
        let board = StateBoard::new();
        board.broker(Consuming);
        board.database(true);
        board.broker(Connecting);
        board.broker(Consuming);
        assert_eq!(*board.watch().borrow(), Consuming);
    }
}
