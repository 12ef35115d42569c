use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file_entry::FileEntry;
use super::replace;
use crate::message::{After, Counts, Group, Message, Origin, hash_of};

/// The groups that are not completed, one file each.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

/// The first line of a group's file. The concatenated bodies of the messages follow.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    number: u64,
    messages: Vec<Envelope>,
    unparsable: Vec<String>,
    file: Option<FileEntry>,
    after: Vec<After>,
    counts: Counts,
}

#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    id: String,
    bytes: usize,
    measures: u64,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
}

impl Spool {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.group"))
    }

    /// Writes and syncs a group, so that it survives a crash.
    pub(crate) fn write(&self, group: &Group) -> io::Result<()> {
        let envelope = |message: &Message| Envelope {
            id: message.id.clone(),
            bytes: message.body.len(),
            measures: message.measures,
            sha256: message.hash.clone(),
            origin: message.origin.clone(),
        };
        let header = Header {
            number: group.number,
            messages: group.messages.iter().map(envelope).collect(),
            unparsable: group.unparsable.clone(),
            file: group.file.clone(),
            after: group.after.clone(),
            counts: group.counts,
        };
        let head = serde_json::to_vec(&header)?;
        let bodies = group.messages.iter().map(|message| message.body.as_slice());
        let content: Vec<_> = [head.as_slice(), b"\n"].into_iter().chain(bodies).collect();
        replace(&self.path(group.number), &content)
    }

    /// Removes a completed group.
    pub(crate) fn remove(&self, number: u64) -> io::Result<()> {
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The spooled groups from `first` on, in order. Removes older ones, which are completed.
    ///
    /// # Errors
    /// A group cannot be read; skipping it would lose records.
    pub(crate) fn left(&self, first: u64) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let number =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".group"));
            match number.and_then(|number| number.parse().ok()) {
                Some(number) if number >= first => numbers.push(number),
                // Completed, or incompletely written and so never published.
                _ => fs::remove_file(&path)?,
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads a group.
    pub(crate) fn read(&self, number: u64) -> io::Result<Group> {
        let path = self.path(number);
        read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

fn read(path: &Path) -> io::Result<Group> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut content = Vec::new();
    File::open(path)?.read_to_end(&mut content)?;
    let end = memchr::memchr(b'\n', &content).ok_or_else(|| wrong("it has no header".to_owned()))?;
    let header: Header = serde_json::from_slice(&content[..end])?;
    let mut rest = &content[end + 1..];
    let mut messages = Vec::with_capacity(header.messages.len());
    for envelope in header.messages {
        let (body, others) =
            rest.split_at_checked(envelope.bytes).ok_or_else(|| wrong("it is too short".to_owned()))?;
        rest = others;
        if hash_of(body) != envelope.sha256 {
            return Err(wrong("its content is damaged".to_owned()));
        }
        messages.push(Message {
            id: envelope.id,
            body: body.to_vec(),
            measures: envelope.measures,
            hash: envelope.sha256,
            origin: envelope.origin,
        });
    }
    if !rest.is_empty() {
        return Err(wrong("it is too long".to_owned()));
    }
    Ok(Group {
        number: header.number,
        messages,
        unparsable: header.unparsable,
        file: header.file,
        after: header.after,
        counts: header.counts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Draft;

    fn group(number: u64) -> Group {
        let origin = Origin { file: "a.csv".to_owned(), first_line: 2, last_line: 3 };
        let message = |place: &str, body: &[u8]| Draft {
            place: place.to_owned(),
            body: body.to_vec(),
            measures: 1,
            origin: origin.clone(),
        };
        let messages = vec![message("a", b"[1]\n"), message("b", b"")];
        Group { messages, unparsable: vec!["{}\n".to_owned()], ..Group::new(number) }.named()
    }

    #[test]
    fn groups_are_read_back_as_they_were_and_older_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        for number in [9, 10, 11] {
            spool.write(&group(number)).unwrap();
        }
        fs::write(folder.path().join("00000000000000000012.tmp"), "half").unwrap();
        assert_eq!(spool.left(10).unwrap(), [10, 11]);
        assert_eq!(spool.read(11).unwrap(), group(11));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_damaged_group_is_an_error_and_not_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        spool.write(&group(1)).unwrap();
        let path = folder.path().join("00000000000000000001.group");
        let mut content = fs::read(&path).unwrap();
        for change in [0, content.len() - 1] {
            content[change] ^= 1;
            fs::write(&path, &content).unwrap();
            assert!(spool.read(1).unwrap_err().to_string().contains("00001.group"));
        }
    }
}
