//! The limit of open files and connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors reserved for connections to database and broker, files, and standard streams.
const RESERVED: u64 = 256;

/// Raises the limit of descriptors to its maximum, and returns the number left for clients. Some
/// hundreds of slow clients use up the common default of 1,024.
pub(crate) fn max_clients() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If that fails, the limit stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // None means no limit.
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // A larger pool takes from the clients, which wait for a free descriptor.
    usize::try_from(descriptors.saturating_sub(RESERVED).max(descriptors / 2)).unwrap_or(usize::MAX)
}
