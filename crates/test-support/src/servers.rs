//! The servers that the tests start: this machine's own, or others unpacked in a folder.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of an unpacked Debian, such as `scripts/newest-servers.sh` makes, whose MySQL and
/// RabbitMQ are started in place of this machine's MariaDB and RabbitMQ. Its programs have to run
/// from where they lie.
const VARIABLE: &str = "MYMONIT_TEST_SERVERS";

/// The folder, if one is named.
pub(crate) fn unpacked() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The `PATH` of a server: this process's own, behind the folder of the unpacked Erlang if there is
/// one.
pub(crate) fn path() -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let Some(folder) = unpacked() else { return own };
    let folders = std::iter::once(folder.join("usr/lib/erlang/bin")).chain(env::split_paths(&own));
    env::join_paths(folders).unwrap_or(own)
}
