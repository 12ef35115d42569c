//! Measures and bins in the formats of readings, which all have the same fields.

mod arrow;
mod text;

use mymonit_model::ExperimentName;
use mymonit_services::{AccessRecord, Chunk, ServiceError};

use self::arrow::ArrowEncoder;
use self::text::{Layout, TextEncoder};
use crate::format::Format;
use crate::streaming::Encoder;

const MEASURE: &[&str] = &["value"];
const BIN: &[&str] = &["count", "min", "max", "mean", "std"];

/// Writes the chunks of one reading, and counts its measures.
pub(crate) enum MeasureEncoder {
    Text(Box<TextEncoder>),
    Arrow(Box<ArrowEncoder>),
}

impl MeasureEncoder {
    /// Writes measures of the experiment, or bins.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the format cannot be begun.
    pub(crate) fn new(
        format: Format,
        experiment: &ExperimentName,
        is_reduced: bool,
        access: AccessRecord,
    ) -> Result<Self, ServiceError> {
        let layout = match format {
            Format::Json => Layout::json,
            Format::Ndjson => Layout::ndjson,
            Format::Csv => Layout::csv,
            Format::Arrow => {
                return Ok(Self::Arrow(Box::new(ArrowEncoder::new(experiment, is_reduced, access)?)));
            }
        };
        let numbers = if is_reduced { BIN } else { MEASURE };
        Ok(Self::Text(Box::new(TextEncoder::new(layout(experiment, numbers), access))))
    }
}

impl Encoder for MeasureEncoder {
    type Chunk = Chunk;

    fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => text.begin(out),
            Self::Arrow(arrow) => arrow.begin(out),
        }
    }

    fn record(&mut self, chunk: &Chunk, index: usize, out: &mut Vec<u8>) -> Result<bool, ServiceError> {
        match self {
            Self::Text(text) => text.record(chunk, index, out),
            Self::Arrow(arrow) => arrow.record(chunk, index, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ServiceError> {
        match self {
            Self::Text(text) => text.end(out),
            Self::Arrow(arrow) => arrow.end(out),
        }
    }

    fn fail(&mut self) {
        match self {
            Self::Text(text) => text.fail(),
            Self::Arrow(arrow) => arrow.fail(),
        }
    }
}

#[cfg(test)]
mod tests;
