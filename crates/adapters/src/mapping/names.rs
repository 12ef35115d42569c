//! The names in a measure: experiment, measure type, sensor.

use mymonit_model::{ExperimentName, MeasureTypeName};
use serde_json::to_writer;

use super::{BadField, Fields, Mapping};
use crate::number::quoted;
use crate::record::Record;
use crate::source::{MeasureFrom, NameFrom};

const EXPERIMENT: &[u8] = b"{\"experiment\":";
const MEASURE: &[u8] = b",\"measure\":";
const SENSOR: &[u8] = b",\"sensor\":";
const VALUE: &[u8] = b",\"value\":";

/// The text before the value of a measure.
#[derive(Debug)]
pub(super) enum Names {
    /// The same for all records, serialised once.
    Constant(Vec<u8>),
    Fields {
        experiment: Name,
        measure: Name,
        sensor: Option<Name>,
    },
}

#[derive(Debug)]
pub(super) enum Name {
    /// A constant, as JSON.
    Constant(String),
    Field {
        slot: usize,
        names: Vec<(String, String)>,
        kind: NameKind,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    Experiment,
    Measure,
    Sensor,
}

impl NameKind {
    fn check(self, name: &str) -> Result<(), String> {
        let checked = match self {
            // Names of sensors have the same syntax as names of experiments.
            Self::Experiment | Self::Sensor => ExperimentName::new(name).map(drop),
            Self::Measure => MeasureTypeName::new(name).map(drop),
        };
        checked.map_err(|refusal| refusal.message)
    }
}

impl Names {
    pub(super) fn new(from: &MeasureFrom, fields: &mut Fields) -> Self {
        let experiment = Name::new(&from.experiment, NameKind::Experiment, fields);
        let measure = Name::new(&from.measure, NameKind::Measure, fields);
        let sensor = from.sensor.as_ref().map(|sensor| Name::new(sensor, NameKind::Sensor, fields));
        if let (Name::Constant(experiment), Name::Constant(measure), None | Some(Name::Constant(_))) =
            (&experiment, &measure, &sensor)
        {
            let mut head = [EXPERIMENT, experiment.as_bytes(), MEASURE, measure.as_bytes()].concat();
            if let Some(Name::Constant(sensor)) = &sensor {
                head.extend([SENSOR, sensor.as_bytes()].concat());
            }
            head.extend(VALUE);
            return Self::Constant(head);
        }
        Self::Fields { experiment, measure, sensor }
    }
}

impl Name {
    fn new(name: &NameFrom, kind: NameKind, fields: &mut Fields) -> Self {
        match name {
            NameFrom::Constant(name) => Self::Constant(serde_json::Value::from(name.trim()).to_string()),
            NameFrom::Field(by_field) => Self::Field {
                slot: fields.slot(&by_field.field),
                names: by_field.names.clone().into_iter().collect(),
                kind,
            },
        }
    }

    /// Whether the record lacks this field.
    fn is_absent(&self, record: &Record) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Field { slot, .. } => record.get(*slot).is_none_or(|text| text.trim().is_empty()),
        }
    }
}

impl Mapping {
    pub(super) fn append_names(
        &self,
        names: &Names,
        record: &Record,
        json: &mut Vec<u8>,
    ) -> Result<(), BadField> {
        match names {
            Names::Constant(head) => json.extend_from_slice(head),
            Names::Fields { experiment, measure, sensor } => {
                json.extend_from_slice(EXPERIMENT);
                self.append_name(experiment, record, json)?;
                json.extend_from_slice(MEASURE);
                self.append_name(measure, record, json)?;
                // A measure may have no sensor.
                if let Some(sensor) = sensor.as_ref().filter(|sensor| !sensor.is_absent(record)) {
                    json.extend_from_slice(SENSOR);
                    self.append_name(sensor, record, json)?;
                }
                json.extend_from_slice(VALUE);
            }
        }
        Ok(())
    }

    fn append_name(&self, name: &Name, record: &Record, json: &mut Vec<u8>) -> Result<(), BadField> {
        match name {
            Name::Constant(constant) => json.extend_from_slice(constant.as_bytes()),
            Name::Field { slot, names, kind } => {
                let text = self.field(record, *slot)?.trim();
                let known = names.iter().find(|(theirs, _)| theirs == text).map_or(text, |(_, ours)| ours);
                kind.check(known).map_err(|why| BadField {
                    slot: *slot,
                    reason: format!("{}: {} {why}", self.fields[*slot], quoted(text)),
                })?;
                // Writing to memory does not fail.
                let _ = to_writer(&mut *json, known);
            }
        }
        Ok(())
    }
}
