use std::io::Write;

use mymonit_model::{ExperimentName, MeasureTypeName};
use mymonit_services::NamedMeasure;
use serde::Serialize;

use super::Encoder;

/// Measures as an array of objects. What all of them share, or all of one type, is escaped once.
pub(crate) struct JsonEncoder {
    /// `{"experiment":"…","measure_type":`
    head: Vec<u8>,
    /// The types met so far, each with its name as JSON; they are few. The last one used stands first.
    types: Vec<(MeasureTypeName, Vec<u8>)>,
    is_first: bool,
}

impl JsonEncoder {
    /// Writes measures of that experiment.
    pub(crate) fn new(experiment: &ExperimentName) -> Self {
        let mut head = b"{\"experiment\":".to_vec();
        append(&mut head, experiment.as_str());
        head.extend_from_slice(b",\"measure_type\":");
        Self { head, types: Vec::new(), is_first: true }
    }

    /// The name of a measure type as JSON.
    fn measure_type(&mut self, name: &MeasureTypeName) -> &[u8] {
        match self.types.iter().position(|(known, _)| known == name) {
            Some(0) => {}
            Some(index) => self.types.swap(0, index),
            None => {
                let mut json = Vec::new();
                append(&mut json, name.as_str());
                self.types.insert(0, (name.clone(), json));
            }
        }
        self.types.first().map_or(b"", |(_, json)| json)
    }
}

impl Encoder for JsonEncoder {
    type Item = NamedMeasure;
    const MEDIA_TYPE: &'static str = "application/json";

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.push(b'[');
    }

    fn item(&mut self, measure: &NamedMeasure, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        out.extend_from_slice(&self.head);
        out.extend_from_slice(self.measure_type(&measure.measure_type));
        out.extend_from_slice(b",\"timestamp\":\"");
        // Neither this nor `append` can fail: memory takes whatever is written to it.
        let _ = write!(out, "{}", measure.timestamp);
        out.extend_from_slice(b"\",\"value\":");
        append(out, &measure.value.get());
        out.push(b'}');
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.push(b']');
    }
}

/// Appends text or a finite number as JSON; a number is written so that it reads back to the bit.
fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use mymonit_model::{MeasureValue, Timestamp};

    use super::*;

    fn measure(measure_type: &str, nanos: i64, value: f64) -> NamedMeasure {
        NamedMeasure {
            measure_type: MeasureTypeName::new(measure_type).unwrap(),
            timestamp: Timestamp::from_unix_nanos(nanos).unwrap(),
            value: MeasureValue::new(value).unwrap(),
        }
    }

    fn encoded(experiment: &str, measures: &[NamedMeasure]) -> String {
        let mut encoder = JsonEncoder::new(&ExperimentName::new(experiment).unwrap());
        let mut out = Vec::new();
        encoder.begin(&mut out);
        measures.iter().for_each(|measure| encoder.item(measure, &mut out));
        encoder.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_measures_are_an_empty_array() {
        assert_eq!(encoded("e", &[]), "[]");
    }

    #[test]
    fn each_field_stands_under_its_name() {
        assert_eq!(
            encoded("device-vibrations", &[measure("hertz", 1_649_228_940_000_000_000, 120.0)]),
            r#"[{"experiment":"device-vibrations","measure_type":"hertz","timestamp":"2022-04-06T07:09:00Z","value":120.0}]"#
        );
    }

    #[test]
    fn names_of_any_kind_are_escaped() {
        let experiment = "a \"quoted\" \\ name 黒穴";
        let measures: Vec<_> =
            ["µ\"1", "b", "µ\"1", "c", "b", "b"].map(|name| measure(name, 0, 1.0)).into_iter().collect();
        let read: Vec<serde_json::Value> = serde_json::from_str(&encoded(experiment, &measures)).unwrap();
        assert_eq!(read.len(), 6);
        for (read, measure) in read.iter().zip(&measures) {
            assert_eq!(read["experiment"], experiment);
            assert_eq!(read["measure_type"], measure.measure_type.as_str());
        }
    }

    #[test]
    fn values_read_back_to_the_bit() {
        let values = [
            0.0,
            -0.0,
            0.1,
            5e-324,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::MIN,
            1e21,
            123_456_789_012_345_680.0,
            0.300_000_000_000_000_04,
        ];
        let measures: Vec<_> = values.iter().map(|value| measure("hertz", 0, *value)).collect();
        let read: Vec<serde_json::Value> = serde_json::from_str(&encoded("e", &measures)).unwrap();
        for (read, value) in read.iter().zip(values) {
            assert_eq!(read["value"].as_f64().unwrap().to_bits(), value.to_bits(), "{value:e}");
        }
    }
}
