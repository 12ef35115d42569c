use std::time::Duration;

/// How long work waits before the database counts as unavailable.
///
/// The default is for a service: its clients wait meanwhile, and whoever looks at its health wants to know soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection of the pool, and for a new one to be made.
    pub connection: Duration,
    /// For what somebody else keeps locked. MySQL counts it in whole seconds, one at least, and waits for as long as ever while
    /// it prepares the database.
    pub lock: Duration,
    /// For the answer to a health check. A file answers at once.
    pub check: Duration,
    /// For the server to let in whoever prepares the database. A file does at once.
    pub preparation: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connection: Duration::from_secs(5),
            // So that work fails while somebody still waits for it.
            lock: Duration::from_secs(5),
            check: Duration::from_secs(2),
            preparation: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
impl Patience {
    /// Longer than a machine stands still.
    pub(crate) fn of_tests() -> Self {
        let long = Duration::from_secs(60);
        Self { connection: long, lock: long, check: long, preparation: long }
    }
}
