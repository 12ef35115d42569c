use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request's headers, or the first request of a new connection.
    Headers,
    /// The service, which has a request in hand; the client's time is not measured here.
    Answer,
    /// Another request.
    Idle,
}

/// The phase of one connection and since when it lasts, shared by those who change it and those who watch it.
#[derive(Debug, Clone)]
pub(super) struct SharedPhase(Arc<Mutex<(Phase, Instant)>>);

impl SharedPhase {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new((Phase::Headers, Instant::now()))))
    }

    pub(super) fn get(&self) -> (Phase, Instant) {
        *self.lock()
    }

    /// Begins a phase now.
    pub(super) fn begin(&self, phase: Phase) {
        *self.lock() = (phase, Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, (Phase, Instant)> {
        // What it holds is replaced at one stroke, so it is whole even if a holder panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
