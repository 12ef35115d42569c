//! Measures and bins as JSON, NDJSON or CSV.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use mymonit_model::{ExperimentName, MeasureTypeId, SensorId, Timestamp};
use mymonit_services::{AccessRecord, Chunk, Records, ServiceError};

use crate::streaming::Encoder;

/// Writes the chunks of one reading, and counts its measures.
pub(crate) struct TextEncoder {
    layout: Layout,
    /// The names of measure types as the format writes them.
    names: Vec<(MeasureTypeId, Vec<u8>)>,
    /// The names of sensors likewise.
    sensors: HashMap<SensorId, Vec<u8>>,
    is_first: bool,
    access: AccessRecord,
}

/// What a format writes around the values of a record.
pub(super) struct Layout {
    begin: String,
    separator: &'static str,
    /// The experiment, up to the measure type.
    head: Vec<u8>,
    /// What precedes the timestamp and each number.
    labels: Vec<String>,
    /// What precedes the sensor, which comes last.
    sensor: &'static str,
    /// The text in its place for a record without one.
    no_sensor: &'static str,
    tail: &'static str,
    end: &'static str,
    text: fn(&str) -> Vec<u8>,
}

impl Layout {
    /// One array.
    pub(super) fn json(experiment: &ExperimentName, numbers: &[&str]) -> Self {
        Self { begin: "[".to_owned(), separator: ",", end: "]", ..objects(experiment, numbers) }
    }

    /// An object a line.
    pub(super) fn ndjson(experiment: &ExperimentName, numbers: &[&str]) -> Self {
        Self { tail: "}\n", ..objects(experiment, numbers) }
    }

    /// RFC 4180. Text is written as it is, also where a spreadsheet would take it for a formula: a
    /// prefix against that would falsify the data.
    pub(super) fn csv(experiment: &ExperimentName, numbers: &[&str]) -> Self {
        let mut head = csv(experiment.as_str());
        head.push(b',');
        let begin = format!("experiment,measure_type,timestamp,{},sensor\r\n", numbers.join(","));
        let labels = vec![",".to_owned(); numbers.len() + 1];
        let layout =
            Self { begin, labels, sensor: ",", no_sensor: ",", tail: "\r\n", ..objects(experiment, numbers) };
        Self { head, text: csv, ..layout }
    }
}

impl TextEncoder {
    pub(super) fn new(layout: Layout, access: AccessRecord) -> Self {
        Self { layout, names: Vec::new(), sensors: HashMap::new(), is_first: true, access }
    }

    fn write(
        &mut self,
        chunk: &Chunk,
        (measure_type, sensor, timestamp): (MeasureTypeId, Option<SensorId>, Timestamp),
        numbers: impl FnOnce(&[String], &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<(), ServiceError> {
        let layout = &self.layout;
        if !std::mem::take(&mut self.is_first) {
            out.extend_from_slice(layout.separator.as_bytes());
        }
        let name = match self.names.iter().position(|(known, _)| *known == measure_type) {
            Some(index) => index,
            None => {
                let name = chunk.measure_type(measure_type)?;
                self.names.push((measure_type, (layout.text)(name.as_str())));
                self.names.len() - 1
            }
        };
        out.extend_from_slice(&layout.head);
        out.extend_from_slice(&self.names[name].1);
        out.extend_from_slice(layout.labels[0].as_bytes());
        // Writing to memory does not fail, here and below.
        let _ = write!(out, "{timestamp}");
        numbers(&layout.labels[1..], out);
        match sensor {
            None => out.extend_from_slice(layout.no_sensor.as_bytes()),
            Some(id) => {
                let name = match self.sensors.entry(id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert((layout.text)(chunk.sensor(id)?.as_str())),
                };
                out.extend_from_slice(layout.sensor.as_bytes());
                out.extend_from_slice(name);
            }
        }
        out.extend_from_slice(layout.tail.as_bytes());
        Ok(())
    }
}

impl Encoder for TextEncoder {
    type Chunk = Chunk;

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.layout.begin.as_bytes());
    }

    fn record(&mut self, chunk: &Chunk, index: usize, out: &mut Vec<u8>) -> Result<bool, ServiceError> {
        let measures = match &chunk.records {
            Records::Measures(measures) => {
                let Some(measure) = measures.get(index) else { return Ok(false) };
                let key = (measure.measure_type, measure.sensor, measure.timestamp);
                self.write(chunk, key, |labels, out| number(&labels[0], measure.value.get(), out), out)?;
                1
            }
            Records::Bins(bins) => {
                let Some(bin) = bins.get(index) else { return Ok(false) };
                let (key, summary) = ((bin.measure_type, bin.sensor, bin.start), bin.summary);
                let numbers = [summary.min(), summary.max(), summary.mean(), summary.std()];
                self.write(
                    chunk,
                    key,
                    |labels, out| {
                        let _ = write!(out, "{}{}", labels[0], summary.count());
                        labels[1..].iter().zip(numbers).for_each(|(label, value)| number(label, value, out));
                    },
                    out,
                )?;
                summary.count()
            }
        };
        self.access.count(measures);
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ServiceError> {
        out.extend_from_slice(self.layout.end.as_bytes());
        self.access.complete();
        Ok(())
    }

    fn fail(&mut self) {
        self.access.fail();
    }
}

fn objects(experiment: &ExperimentName, numbers: &[&str]) -> Layout {
    let mut head = b"{\"experiment\":".to_vec();
    head.extend(json(experiment.as_str()));
    head.extend_from_slice(b",\"measure_type\":");
    let mut labels = vec![",\"timestamp\":\"".to_owned()];
    labels.extend(numbers.iter().map(|name| format!(",\"{name}\":")));
    labels[1].insert(0, '"');
    Layout {
        begin: String::new(),
        separator: "",
        head,
        labels,
        sensor: ",\"sensor\":",
        no_sensor: "",
        tail: "}",
        end: "",
        text: json,
    }
}

fn json(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = serde_json::to_writer(&mut out, text);
    out
}

fn csv(text: &str) -> Vec<u8> {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into_bytes()
    } else {
        text.as_bytes().to_vec()
    }
}

/// Writes a finite double with as few digits as it takes to read it back to the bit.
fn number(label: &str, value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(label.as_bytes());
    let _ = serde_json::to_writer(out, &value);
}
