//! How things are written for a client, one after the other: a format of a thing is an [`Encoder`].

mod csv;
mod json;
mod names;
mod record;

pub(crate) use csv::CsvEncoder;
pub(crate) use json::{JsonEncoder, NdjsonEncoder};
pub(crate) use record::Record;

/// Writes the things of one reading, one after the other, in one format.
pub(crate) trait Encoder: Send + Unpin + 'static {
    /// What is written.
    type Item: Send + Unpin + 'static;
    /// The media type of the format.
    const MEDIA_TYPE: &'static str;

    /// Writes what stands before the first item.
    fn begin(&mut self, out: &mut Vec<u8>);
    /// Writes an item, with what stands between it and the one before.
    fn item(&mut self, item: &Self::Item, out: &mut Vec<u8>);
    /// Writes what stands after the last item; without it the document is not whole.
    fn end(&mut self, out: &mut Vec<u8>);
}

#[cfg(test)]
mod tests;
