//! `mymonit export`: what is in the database, on standard output.

use std::io::{BufWriter, Write, stdout};

use futures::TryStreamExt;

use super::measure_lines::{self, MeasureLine};
use super::{attached_storage, cannot_print, print};
use crate::cli::{Export, ExportMeasures, ExportWhat, LineFormat};
use crate::configuration::{Environment, max_message_bytes};
use crate::container::OperatorServices;

/// Prints the document, or measures.
pub(crate) async fn export(environment: &Environment, arguments: Export) -> anyhow::Result<()> {
    let storage = attached_storage(environment).await?;
    let services = OperatorServices::build(&storage, max_message_bytes(environment)?);
    match arguments.what {
        None => print(&services.directory.export().await?),
        Some(ExportWhat::Measures(arguments)) => export_measures(&services, arguments).await,
    }
}

async fn export_measures(services: &OperatorServices, arguments: ExportMeasures) -> anyhow::Result<()> {
    let ExportMeasures { experiment, format, from, to } = arguments;
    let mut portions = services.measure_export.export(&experiment, from, to).await?;
    let mut output = BufWriter::new(stdout());
    if format == LineFormat::Csv {
        writeln!(output, "{}", measure_lines::HEADER.join(",")).map_err(cannot_print)?;
    }
    while let Some(portion) = portions.try_next().await? {
        for measure in portion {
            let line = MeasureLine::of(experiment.trim(), &measure)?;
            let printed = match format {
                LineFormat::Ndjson => line.write_json(&mut output),
                LineFormat::Csv => line.write_csv(&mut output),
            };
            printed.map_err(cannot_print)?;
        }
    }
    output.flush().map_err(cannot_print)
}
