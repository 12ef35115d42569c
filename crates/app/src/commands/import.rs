use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use mymonit_services::directory::{ImportError, MAX_DOCUMENT_BYTES};

use super::output::{NotTaken, print};
use crate::container::{Storage, directory_service};

/// Imports a directory document and prints the changes.
pub(super) async fn import(storage: &Storage, file: &Path, dry_run: bool) -> anyhow::Result<()> {
    let document = read_document(file).with_context(|| format!("cannot read {}", file.display()))?;
    let directory = directory_service(storage);
    let import = directory.import(&document, dry_run).await.map_err(|error| match error {
        ImportError::Refused(refusal) => NotTaken(refusal.to_string()).into(),
        ImportError::Failed(error) => anyhow::Error::from(error),
    })?;
    let mut text = import.lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    let changes =
        if import.changes == 1 { "1 change".to_owned() } else { format!("{} changes", import.changes) };
    text.push_str(&match (import.changes, dry_run) {
        (0, _) => "nothing to change\n".to_owned(),
        (_, true) => format!("{changes} would be made; nothing was changed\n"),
        (_, false) => format!("{changes} made\n"),
    });
    print(&text)
}

/// Reads the file, or standard input for `-`, up to one byte more than is allowed.
fn read_document(file: &Path) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(file)?) };
    let mut document = Vec::new();
    input.take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut document)?;
    Ok(document)
}
