//! A small disk: a tmpfs in the mount namespace of the server, which ends with its last process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use rustix::process::Pid;

/// Moves the data to a disk of that size, and executes the server.
const SCRIPT: &str = "set -e; data=$1; size=$2; shift 2; mv \"$data\" \"$data.first\"; mkdir \"$data\"; \
    mount -t tmpfs -o size=\"$size\" tmpfs \"$data\"; mv \"$data.first\"/* \"$data\"; exec \"$@\"";

/// Whether this account may create mount namespaces.
pub(super) fn is_possible() -> bool {
    let mut trial = Command::new("unshare");
    trial.args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]);
    let tried = trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// The prefix of the server's command.
pub(super) fn command(mebibytes: u32, data: &str) -> Vec<OsString> {
    let size = format!("{mebibytes}m");
    ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", data, &size].map(OsString::from).into()
}

/// The path of the file that fills the disk, from outside of the namespace.
pub(super) fn ballast(server: Pid, data: &Path) -> PathBuf {
    let inside = data.strip_prefix("/").unwrap_or(data).join("ballast");
    Path::new("/proc").join(server.to_string()).join("root").join(inside)
}

/// Writes until the disk is full.
pub(super) fn fill(ballast: &Path) -> anyhow::Result<()> {
    let mut file = File::create(ballast).context("cannot reach the server's small disk")?;
    let (large, small) = ([0; 64 * 1024], [0; 512]);
    for piece in [large.as_slice(), small.as_slice()] {
        loop {
            match file.write_all(piece) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error).context("cannot fill the server's small disk"),
            }
        }
    }
    Ok(())
}
