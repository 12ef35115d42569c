use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Reports changes in a folder. File systems without notifications (network) use the full poll
/// interval.
pub(super) struct Watch {
    changes: Receiver<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    pub(super) fn on(folder: &Path) -> Self {
        let (sender, changes) = channel();
        let told = move |event: notify::Result<Event>| {
            // The receiver is dropped only when reading ends.
            if event.is_ok_and(|event| is_change(&event.kind)) {
                let _ = sender.send(());
            }
        };
        let watcher = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        Self { changes, _watcher: watcher.ok() }
    }

    /// Waits for a change, at most for `limit`.
    pub(super) fn wait(&self, limit: Duration) {
        if self.changes.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected) {
            std::thread::sleep(limit);
        }
        while self.changes.try_recv().is_ok() {}
    }
}

/// Excludes events caused by the adapter's own reads.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
