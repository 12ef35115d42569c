//! How measures are written for a client: a format is a [`MeasureEncoder`].

mod json;

use mymonit_services::NamedMeasure;

pub(crate) use json::JsonEncoder;

/// Writes the measures of one reading, one after the other, in one format.
pub(crate) trait MeasureEncoder: Send + Unpin + 'static {
    /// The media type of the format.
    const MEDIA_TYPE: &'static str;

    /// Writes what stands before the first measure.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// Writes a measure, with what stands between it and the one before.
    fn measure(&mut self, measure: &NamedMeasure, out: &mut Vec<u8>);
    /// Writes what stands after the last measure; without it the document is not whole.
    fn end(&mut self, out: &mut Vec<u8>);
}
