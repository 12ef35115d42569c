use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use glob::Pattern;

use crate::source::Follow;
use crate::state::FileKey;

/// The suffixes of compressed rotated files, which are not read.
const COMPRESSED: [&str; 4] = ["gz", "bz2", "xz", "zst"];

/// A file with the name of the followed file or a rotated name.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) key: FileKey,
    pub(super) length: u64,
    pub(super) modified: SystemTime,
}

impl Candidate {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (file, metadata) = match opened {
            Ok(opened) => opened,
            // It may have been deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        let (key, length, modified) = (FileKey::of(&metadata), metadata.len(), metadata.modified()?);
        Ok(Some(Self { path: path.to_owned(), file, key, length, modified }))
    }
}

/// Whether a file is compressed by rotation.
pub(in crate::read) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|end| COMPRESSED.iter().any(|compressed| end == *compressed))
}

/// The folder of a path, which may be a name alone.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The file that has the followed name now.
pub(super) fn live(follow: &Follow) -> io::Result<Option<Candidate>> {
    Candidate::open(&follow.path)
}

/// The files with rotated names, the oldest first.
pub(super) fn rotated(follow: &Follow) -> io::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for path in rotated_paths(follow)? {
        found.extend(Candidate::open(&path)?);
    }
    found.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| b.path.cmp(&a.path)));
    Ok(found)
}

/// The paths of the files with rotated names.
pub(super) fn rotated_paths(follow: &Follow) -> io::Result<Vec<PathBuf>> {
    let pattern = Pattern::new(&follow.rotated).map_err(io::Error::other)?;
    let folder = folder_of(&follow.path);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display()))),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if pattern.matches(&name) && !is_compressed(&path) && path.file_name() != follow.path.file_name() {
            paths.push(path);
        }
    }
    Ok(paths)
}
