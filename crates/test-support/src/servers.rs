//! The servers for the tests: the installed ones, or others unpacked in a folder.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of an unpacked Debian, as `scripts/newest-servers.sh` makes it. Its MySQL and
/// RabbitMQ replace the installed MariaDB and RabbitMQ. Its programs must run from that folder.
const VARIABLE: &str = "MYMONIT_TEST_SERVERS";

/// The folder, if set.
pub(crate) fn unpacked() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The `PATH` of a server: the unpacked Erlang, if any, then that of this process.
pub(crate) fn path() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let Some(folder) = unpacked() else { return own };
    let folders = std::iter::once(folder.join("usr/lib/erlang/bin")).chain(env::split_paths(&own));
    env::join_paths(folders).unwrap_or(own)
}
