use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::publish::Rejection;
use crate::record::{Complaint, Original};

/// The file of unparsable records: one JSON object per line.
#[derive(Debug)]
pub(crate) struct UnparsableFile {
    path: PathBuf,
}

/// An unparsable record.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    source: &'a str,
    file: &'a str,
    line: u64,
    column: u64,
    reason: &'a str,
    bytes: u64,
    /// The record, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    /// The record, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_base64: Option<String>,
    /// Whether the record is truncated here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cut_off: bool,
}

/// The line for an unparsable record.
pub(crate) fn line(source: &str, file: &str, complaint: &Complaint, original: &Original) -> String {
    let text = std::str::from_utf8(&original.bytes);
    let entry = Entry {
        source,
        file,
        line: complaint.place.line,
        column: complaint.place.column,
        reason: &complaint.reason,
        bytes: original.length,
        record: text.ok(),
        record_base64: text.is_err().then(|| STANDARD.encode(&original.bytes)),
        is_cut_off: (original.bytes.len() as u64) < original.length,
    };
    // Infallible: text and numbers are always valid JSON.
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

/// A message that the service has rejected.
#[derive(Debug, Serialize)]
struct Rejected<'a> {
    source: &'a str,
    file: &'a str,
    line: u64,
    last_line: u64,
    message_id: &'a str,
    reason: &'a str,
    detail: &'a str,
}

/// The line for a message that the service has rejected.
pub(crate) fn rejected_line(source: &str, rejection: &Rejection) -> String {
    let entry = Rejected {
        source,
        file: &rejection.origin.file,
        line: rejection.origin.first_line,
        last_line: rejection.origin.last_line,
        message_id: &rejection.message_id,
        reason: &rejection.reason,
        detail: &rejection.detail,
    };
    let mut line = serde_json::to_string(&entry).unwrap_or_default();
    line.push('\n');
    line
}

impl UnparsableFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Appends lines behind the first `before` bytes; returns the new length. Skips lines that were
    /// written before a kill.
    pub(crate) fn append(&self, before: u64, lines: &[String]) -> io::Result<u64> {
        if lines.is_empty() {
            return Ok(before);
        }
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(named)?;
        let length = file.metadata().map_err(named)?.len();
        let text = lines.concat();
        let written = already_written(&mut file, before, length, text.as_bytes()).map_err(named)?;
        if written == text.len() {
            return Ok(before + text.len() as u64);
        }
        file.seek(SeekFrom::End(0)).map_err(named)?;
        file.write_all(&text.as_bytes()[written..]).map_err(named)?;
        file.sync_all().map_err(named)?;
        file.stream_position().map_err(named)
    }
}

/// How many bytes of the text are in the file already, after the first `before` ones.
fn already_written(
    file: &mut (impl Read + Seek),
    before: u64,
    length: u64,
    text: &[u8],
) -> io::Result<usize> {
    let behind = usize::try_from(length.saturating_sub(before)).map_err(io::Error::other)?;
    let mut there = vec![0; behind.min(text.len())];
    file.seek(SeekFrom::Start(before))?;
    file.read_exact(&mut there)?;
    Ok(if text.starts_with(&there) { there.len() } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_written_before_a_kill_are_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unparsable.ndjson");
        let file = UnparsableFile::new(path.clone());
        let lines = ["one\n".to_owned(), "two\n".to_owned()];
        let after = file.append(0, &lines).unwrap();
        assert_eq!(after, 8);
        for before in [0, 0] {
            assert_eq!(file.append(before, &lines).unwrap(), 8, "as after a kill before the checkpoint");
        }
        // Two groups, of which the first one was written in full and the second one in part.
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        assert_eq!(file.append(0, &lines).unwrap(), 8);
        assert_eq!(file.append(8, &["three\n".to_owned()]).unwrap(), 14);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        // Equal records that follow are new ones.
        assert_eq!(file.append(14, &lines).unwrap(), 22);
        // The file was deleted by another program.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.append(22, &lines).unwrap(), 8);
    }
}
