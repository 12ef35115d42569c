//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for clients: the database's and the broker's connections, files, standard streams.
const OWN: u64 = 256;

/// Asks the system for as many descriptors as this process may have, and tells how many clients that leaves room for.
/// Many systems begin with 1,024, which some hundreds of slow clients could use up.
pub(crate) fn room_for_clients() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is refused, the limit stays as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // Without a limit there is none.
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // A pool that is larger than what is reserved here takes from the clients, who then wait.
    usize::try_from(descriptors.saturating_sub(OWN).max(descriptors / 2)).unwrap_or(usize::MAX)
}
