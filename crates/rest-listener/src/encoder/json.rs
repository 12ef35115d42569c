use std::io::Write;
use std::marker::PhantomData;

use mymonit_model::ExperimentName;

use super::names::Names;
use super::{Encoder, Record};

/// Records as an array of objects.
pub(crate) struct JsonEncoder<R> {
    objects: Objects<R>,
    is_first: bool,
}

impl<R: Record> JsonEncoder<R> {
    /// Writes records of that experiment.
    pub(crate) fn new(experiment: &ExperimentName) -> Self {
        Self { objects: Objects::new(experiment), is_first: true }
    }
}

impl<R: Record> Encoder for JsonEncoder<R> {
    type Item = R;
    const MEDIA_TYPE: &'static str = "application/json";

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.push(b'[');
    }

    fn item(&mut self, record: &R, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        self.objects.write(record, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.push(b']');
    }
}

/// Records as objects, each on a line of its own.
pub(crate) struct NdjsonEncoder<R>(Objects<R>);

impl<R: Record> NdjsonEncoder<R> {
    /// Writes records of that experiment.
    pub(crate) fn new(experiment: &ExperimentName) -> Self {
        Self(Objects::new(experiment))
    }
}

impl<R: Record> Encoder for NdjsonEncoder<R> {
    type Item = R;
    const MEDIA_TYPE: &'static str = "application/x-ndjson";

    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn item(&mut self, record: &R, out: &mut Vec<u8>) {
        self.0.write(record, out);
        out.push(b'\n');
    }

    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// Writes records as objects. What all of them share, or all of one type, is escaped once.
struct Objects<R> {
    /// `{"experiment":"…","measure_type":`
    head: Vec<u8>,
    measure_types: Names,
    /// `,"value":`, and so on for each number.
    labels: Vec<Vec<u8>>,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> Objects<R> {
    fn new(experiment: &ExperimentName) -> Self {
        let mut head = b"{\"experiment\":".to_vec();
        string(experiment.as_str(), &mut head);
        head.extend_from_slice(b",\"measure_type\":");
        let labels = R::NUMBERS.iter().map(|name| format!(",\"{name}\":").into_bytes()).collect();
        Self { head, measure_types: Names::new(string), labels, record: PhantomData }
    }

    fn write(&mut self, record: &R, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(self.measure_types.written(record.measure_type()));
        // Memory takes whatever is written to it.
        let _ = write!(out, ",\"timestamp\":\"{}\"", record.timestamp());
        for (index, label) in self.labels.iter().enumerate() {
            out.extend_from_slice(label);
            record.number(index, out);
        }
        out.push(b'}');
    }
}

/// Writes text as JSON.
fn string(text: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, text);
}
