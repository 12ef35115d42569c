//! `mymonit import`: a document, or measures, into the database.

use std::io::{Read, Write, stderr};
use std::path::Path;

use anyhow::Context;
use mymonit_services::RejectedLine;
use mymonit_services::audit::Outcome;
use mymonit_services::directory::{ImportError, MAX_DOCUMENT_BYTES};
use tokio::sync::mpsc;

use super::{NotTaken, attached_storage, measure_lines, print};
use crate::cli::{Import, ImportMeasures, ImportWhat, LineFormat};
use crate::configuration::{Environment, max_message_bytes};
use crate::container::OperatorServices;

/// Portions of lines that are read ahead.
const READ_AHEAD: usize = 2;

/// Takes in the document, or measures.
pub(crate) async fn import(environment: &Environment, arguments: Import) -> anyhow::Result<()> {
    let Import { what, file, dry_run } = arguments;
    let storage = attached_storage(environment).await?;
    let services = OperatorServices::build(&storage, max_message_bytes(environment)?);
    match what {
        Some(ImportWhat::Measures(arguments)) => import_measures(services, arguments).await,
        None => import_document(&services, &file.context("there is no file to import")?, dry_run).await,
    }
}

async fn import_document(services: &OperatorServices, file: &Path, dry_run: bool) -> anyhow::Result<()> {
    let document = read_document(file)?;
    let import = services.directory.import(&document, dry_run).await.map_err(|error| match error {
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

/// No more of it than what is too much already.
fn read_document(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut document = Vec::new();
    let limit = u64::try_from(MAX_DOCUMENT_BYTES)?.saturating_add(1);
    let read = measure_lines::open(file)?.take(limit).read_to_end(&mut document);
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(document)
}

async fn import_measures(services: OperatorServices, arguments: ImportMeasures) -> anyhow::Result<()> {
    let ImportMeasures { file, format } = arguments;
    let is_csv = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = format.unwrap_or(if is_csv { LineFormat::Csv } else { LineFormat::Ndjson });
    let (sender, mut portions) = mpsc::channel(READ_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        measure_lines::read(&file, format, |lines| sender.blocking_send(lines).is_ok())
    });
    let mut import = services.measure_import;
    let mut stored = Ok(());
    while let Some(lines) = portions.recv().await {
        match import.store(lines).await {
            Ok(rejected) => say_rejected(&rejected),
            Err(error) => {
                stored = Err(error);
                break;
            }
        }
    }
    // Whoever reads on notices that nobody takes it any more.
    drop(portions);
    let read = reading.await.context("the reading of the file died")?;
    let is_whole = stored.is_ok() && read.is_ok();
    let done = import.finish(if is_whole { Outcome::Success } else { Outcome::Failure });
    let summary = format!(
        "{} lines: {} stored, {} known already, {} kept among the rejected messages\n",
        done.received, done.stored, done.duplicate, done.rejected
    );
    let printed = print(&summary);
    stored.context(
        "the import has stopped; the same file again, within the deduplication window, goes on here",
    )?;
    read?;
    if done.rejected > 0 {
        return Err(NotTaken(format!("{} lines were rejected", done.rejected)).into());
    }
    printed
}

/// Says it, if there is anybody who reads it: the lines are kept, and the import goes on.
fn say_rejected(rejected: &[RejectedLine]) {
    let mut text = String::new();
    for RejectedLine { line, reason, detail } in rejected {
        let detail = detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
        text.push_str(&format!("line {line}: {}{}\n", reason.code(), detail.escape_debug()));
    }
    let _ = stderr().write_all(text.as_bytes());
}
