use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mymonit_services::{PartState, ReadinessProbe};
use tokio::sync::watch;

/// What the consumer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerState {
    /// It connects, for the first time or again.
    Connecting,
    /// The broker refuses the user, the virtual host or a declaration. The log says what to change.
    Refused,
    /// The broker delivers, and what it delivers is stored.
    Consuming,
    /// The broker delivers, and nothing can be stored for now.
    WaitingForDatabase,
    /// The broker delivers, and nothing is stored until rejected messages are discarded.
    RejectedFull,
    /// It has ended, or never began.
    Stopped,
}

impl ConsumerState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Refused,
        Self::Consuming,
        Self::WaitingForDatabase,
        Self::RejectedFull,
        Self::Stopped,
    ];

    /// Whether measures are consumed and stored.
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Consuming)
    }

    /// The state in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Refused => "refused by the broker",
            Self::Consuming => "consuming",
            Self::WaitingForDatabase => "waiting for the database",
            Self::RejectedFull => "paused: too many rejected messages",
            Self::Stopped => "stopped",
        }
    }
}

/// The part `consumer` of the readiness check.
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

/// Combines the session's state of the broker and the writer's state of the database.
#[derive(Debug)]
pub(crate) struct StateTracker {
    facts: Mutex<Facts>,
    shown: watch::Sender<ConsumerState>,
}

#[derive(Debug)]
struct Facts {
    broker: ConsumerState,
    is_database_available: bool,
    is_rejected_full: bool,
}

impl StateTracker {
    pub(crate) fn new() -> Self {
        let broker = ConsumerState::Connecting;
        let facts = Facts { broker, is_database_available: true, is_rejected_full: false };
        Self { facts: Mutex::new(facts), shown: watch::Sender::new(broker) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<ConsumerState> {
        self.shown.subscribe()
    }

    /// Assumes that the database is available: a session without deliveries makes no write that
    /// would show it.
    pub(crate) fn set_broker(&self, state: ConsumerState) {
        self.change(|facts| {
            *facts = Facts { broker: state, is_database_available: true, is_rejected_full: false };
        });
    }

    pub(crate) fn set_database_available(&self, is_available: bool) {
        self.change(|facts| facts.is_database_available = is_available);
    }

    /// Whether the rejected messages have reached their limit. The database is then available.
    pub(crate) fn set_rejected_full(&self, is_full: bool) {
        self.change(|facts| {
            facts.is_rejected_full = is_full;
            facts.is_database_available |= is_full;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut facts);
        let state = match facts.broker {
            ConsumerState::Consuming if !facts.is_database_available => ConsumerState::WaitingForDatabase,
            ConsumerState::Consuming if facts.is_rejected_full => ConsumerState::RejectedFull,
            state => state,
        };
        self.shown.send_if_modified(|shown| std::mem::replace(shown, state) != state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConsumerState::{Connecting, Consuming, Stopped, WaitingForDatabase};

    #[tokio::test]
    async fn only_a_consumer_that_stores_is_ready() {
        let tracker = StateTracker::new();
        let probe = ConsumerProbe(tracker.watch());
        assert_eq!(
            (probe.part(), probe.state().await),
            ("consumer", PartState { ready: false, state: "connecting" })
        );
        tracker.set_broker(Consuming);
        assert_eq!(probe.state().await, PartState { ready: true, state: "consuming" });
        tracker.set_database_available(false);
        assert_eq!(probe.state().await, PartState { ready: false, state: "waiting for the database" });
        tracker.set_database_available(true);
        assert!(probe.state().await.ready);
    }

    #[test]
    fn an_unreachable_broker_outweighs_the_database() {
        let tracker = StateTracker::new();
        let state = tracker.watch();
        tracker.set_broker(Consuming);
        tracker.set_database_available(false);
        assert_eq!(*state.borrow(), WaitingForDatabase);
        tracker.set_broker(Connecting);
        tracker.set_database_available(false);
        assert_eq!(*state.borrow(), Connecting);
        tracker.set_broker(Stopped);
        assert_eq!(*state.borrow(), Stopped);
    }

    #[test]
    fn a_new_session_assumes_an_available_database() {
        let tracker = StateTracker::new();
        tracker.set_broker(Consuming);
        tracker.set_database_available(false);
        tracker.set_broker(Connecting);
        tracker.set_broker(Consuming);
        assert_eq!(*tracker.watch().borrow(), Consuming);
    }
}
