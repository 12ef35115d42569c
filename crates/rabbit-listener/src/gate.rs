use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Waker;

use futures::task::AtomicWaker;

/// Whether further messages may come in.
///
/// The prefetch bounds how many messages are in memory, and says nothing of their size: a backlog of the largest
/// arrays would take gigabytes, and a process that is killed for it comes back to the same backlog. AMQP has no
/// limit in bytes that RabbitMQ knew, so this one works by not reading on, which TCP passes on to the broker.
#[derive(Debug)]
pub(crate) struct Gate {
    limit: usize,
    /// Bytes of bodies and of large properties that have come in and have not been settled.
    held: AtomicUsize,
    closed: AtomicBool,
    waiting: AtomicWaker,
}

impl Gate {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), closed: AtomicBool::new(false), waiting: AtomicWaker::new() }
    }

    /// Counts bytes that come in.
    pub(crate) fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes, SeqCst);
    }

    /// Counts bytes that are settled.
    pub(crate) fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes, SeqCst);
        self.waiting.wake();
    }

    /// Whether as much is held as may be. A message that has begun is let in whole.
    pub(crate) fn is_full(&self) -> bool {
        self.held.load(SeqCst) >= self.limit
    }

    /// Lets no further message in, for good: they stay the broker's.
    pub(crate) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.waiting.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Has this waker woken by the next release and by closing. What the gate says has to be asked after this.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waiting.register(waker);
    }
}
