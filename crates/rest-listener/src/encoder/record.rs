use std::io::Write;

use mymonit_model::{MeasureTypeName, Timestamp};
use mymonit_services::{NamedBin, NamedMeasure};

/// What is written as a row of a table or as an object with the same fields, in every format alike: experiment, measure
/// type, timestamp, and numbers.
pub(crate) trait Record: Send + Unpin + 'static {
    /// The names of the numbers.
    const NUMBERS: &'static [&'static str];

    /// The name of the measure type.
    fn measure_type(&self) -> &MeasureTypeName;
    /// When.
    fn timestamp(&self) -> Timestamp;
    /// Writes the number of that index in [`Self::NUMBERS`].
    fn number(&self, index: usize, out: &mut Vec<u8>);
}

impl Record for NamedMeasure {
    const NUMBERS: &'static [&'static str] = &["value"];

    fn measure_type(&self) -> &MeasureTypeName {
        &self.measure_type
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn number(&self, _index: usize, out: &mut Vec<u8>) {
        double(self.value.get(), out);
    }
}

impl Record for NamedBin {
    const NUMBERS: &'static [&'static str] = &["count", "min", "max", "mean", "std"];

    fn measure_type(&self) -> &MeasureTypeName {
        &self.measure_type
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn number(&self, index: usize, out: &mut Vec<u8>) {
        match index {
            // Memory takes whatever is written to it.
            0 => drop(write!(out, "{}", self.count)),
            1 => double(self.min, out),
            2 => double(self.max, out),
            3 => double(self.mean, out),
            _ => double(self.std, out),
        }
    }
}

/// Writes a finite double with as few digits as it takes to read it back to the bit, and so that JSON, a spreadsheet
/// and every programming language read it.
fn double(value: f64, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, &value);
}
