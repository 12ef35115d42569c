//! The database's files hold personal data: only their owner reads and writes them.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tracing::warn;

/// The owner reads and writes.
const FILE_MODE: u32 = 0o600;
/// The owner lists and enters.
const FOLDER_MODE: u32 = 0o700;
/// All rights of group and others.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Makes the file and its folder where they are missing. SQLite gives its further files the mode of
/// this one.
pub(super) fn make(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Takes the rights of others from the files of a database of an earlier release.
pub(super) fn restrict(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = OsString::from(file);
        name.push(suffix);
        let file = PathBuf::from(name);
        let Ok(mode) = fs::metadata(&file).map(|metadata| metadata.permissions().mode()) else { continue };
        if mode & GROUP_AND_OTHERS != 0
            && let Err(error) = fs::set_permissions(&file, Permissions::from_mode(FILE_MODE))
        {
            let file = file.display();
            warn!(%file, %error, "others may access the database file; its mode cannot be changed");
        }
    }
}
