use std::io::Write;
use std::marker::PhantomData;

use mymonit_model::ExperimentName;

use super::names::Names;
use super::{Encoder, Record};

/// Records as CSV (RFC 4180) with a header line. Text is written as it is, also where a spreadsheet would take it for
/// a formula: what is put before such text to prevent that would be data that nobody has measured.
pub(crate) struct CsvEncoder<R> {
    /// The experiment's name and a comma.
    head: Vec<u8>,
    measure_types: Names,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> CsvEncoder<R> {
    /// Writes records of that experiment.
    pub(crate) fn new(experiment: &ExperimentName) -> Self {
        let mut head = Vec::new();
        field(experiment.as_str(), &mut head);
        head.push(b',');
        Self { head, measure_types: Names::new(field), record: PhantomData }
    }
}

impl<R: Record> Encoder for CsvEncoder<R> {
    type Item = R;
    const MEDIA_TYPE: &'static str = "text/csv; charset=utf-8; header=present";

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"experiment,measure_type,timestamp");
        for name in R::NUMBERS {
            out.push(b',');
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn item(&mut self, record: &R, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(self.measure_types.written(record.measure_type()));
        // Memory takes whatever is written to it.
        let _ = write!(out, ",{}", record.timestamp());
        for index in 0..R::NUMBERS.len() {
            out.push(b',');
            record.number(index, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// Writes text as a field, in quotes where it has to be.
fn field(text: &str, out: &mut Vec<u8>) {
    if text.contains(['"', ',', '\r', '\n']) {
        let _ = write!(out, "\"{}\"", text.replace('"', "\"\""));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}
