//! What the records of a source become.

use mymonit_model::{ExperimentName, MeasureTypeName, Timestamp};
use serde_json::to_writer;

use crate::number::{Conversion, NumberFormat, quoted, value};
use crate::record::Record;
use crate::source::{Field, NameFrom, Source, TimeFrom};
use crate::time::TimeFormat;

const EXPERIMENT: &[u8] = b"{\"experiment\":";
const MEASURE: &[u8] = b",\"measure\":";
const VALUE: &[u8] = b",\"value\":";
const TIMESTAMP: &[u8] = b",\"timestamp\":";

/// Makes measures of records.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// What records have to be filled with, slot by slot.
    fields: Vec<Field>,
    numbers: NumberFormat,
    missing: Vec<String>,
    plans: Vec<Plan>,
}

/// How one measure of each record is made.
#[derive(Debug)]
struct Plan {
    names: Names,
    value: usize,
    timestamp: Time,
    /// None where it would change nothing.
    conversion: Option<Conversion>,
}

/// What stands before the value of a measure.
#[derive(Debug)]
enum Names {
    /// It is always the same, and written out once.
    Constant(Vec<u8>),
    Fields {
        experiment: Name,
        measure: Name,
    },
}

#[derive(Debug)]
enum Name {
    /// As JSON.
    Constant(String),
    Field {
        slot: usize,
        names: Vec<(String, String)>,
        kind: NameKind,
    },
}

#[derive(Debug, Clone, Copy)]
enum NameKind {
    Experiment,
    Measure,
}

#[derive(Debug)]
enum Time {
    Arrival,
    Fields(Vec<usize>, TimeFormat),
}

/// A field of a record that cannot become part of a measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadField {
    pub(crate) slot: usize,
    pub(crate) reason: String,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Made {
    pub(crate) measures: usize,
    /// Values that were not measured.
    pub(crate) missing: usize,
}

impl Mapping {
    /// The mapping of a source.
    pub(crate) fn new(source: &Source) -> Self {
        let mut fields = Fields::default();
        let plans = source.measures.iter().map(|measure| Plan {
            names: Names::new(
                Name::new(&measure.experiment, NameKind::Experiment, &mut fields),
                Name::new(&measure.measure, NameKind::Measure, &mut fields),
            ),
            value: fields.slot(&measure.value),
            timestamp: match &measure.timestamp {
                TimeFrom::Arrival => Time::Arrival,
                TimeFrom::Fields(parts, format) => {
                    Time::Fields(parts.iter().map(|part| fields.slot(part)).collect(), format.clone())
                }
            },
            conversion: (!measure.conversion.is_identity()).then_some(measure.conversion),
        });
        let plans = plans.collect();
        Self { fields: fields.0, numbers: source.numbers, missing: source.missing.clone(), plans }
    }

    /// What records have to be filled with, slot by slot.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether a measure has the time at which its record was read.
    pub(crate) fn wants_arrival(&self) -> bool {
        self.plans.iter().any(|plan| matches!(plan.timestamp, Time::Arrival))
    }

    /// Appends the measures of a record to `json`, as objects with a comma behind each. Either all of them are
    /// appended or none.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub(crate) fn append(
        &self,
        record: &Record,
        arrival: Timestamp,
        json: &mut Vec<u8>,
    ) -> Result<Made, BadField> {
        let start = json.len();
        let made = self.plans.iter().try_fold(Made::default(), |made, plan| {
            let is_measured = self.append_one(plan, record, arrival, json)?;
            Ok(match is_measured {
                true => Made { measures: made.measures + 1, ..made },
                false => Made { missing: made.missing + 1, ..made },
            })
        });
        if made.is_err() {
            json.truncate(start);
        }
        made
    }

    fn append_one(
        &self,
        plan: &Plan,
        record: &Record,
        arrival: Timestamp,
        json: &mut Vec<u8>,
    ) -> Result<bool, BadField> {
        let text = self.field(record, plan.value)?;
        if self.missing.iter().any(|marker| marker == text.trim()) {
            return Ok(false);
        }
        let bad_value =
            |reason| BadField { slot: plan.value, reason: format!("{}: {reason}", self.fields[plan.value]) };
        let number = value(text, self.numbers, plan.conversion).map_err(bad_value)?;
        let timestamp = match &plan.timestamp {
            Time::Arrival => arrival,
            Time::Fields(slots, format) => self.timestamp(slots, format, record)?,
        };
        match &plan.names {
            Names::Constant(head) => json.extend_from_slice(head),
            Names::Fields { experiment, measure } => {
                json.extend_from_slice(EXPERIMENT);
                self.append_name(experiment, record, json)?;
                json.extend_from_slice(MEASURE);
                self.append_name(measure, record, json)?;
                json.extend_from_slice(VALUE);
            }
        }
        // Writing into memory does not fail, and neither does JSON have trouble with a finite number.
        let _ = to_writer(&mut *json, &number);
        json.extend_from_slice(TIMESTAMP);
        append_seconds(timestamp, json);
        json.extend_from_slice(b"},");
        Ok(true)
    }

    fn field<'r>(&self, record: &'r Record, slot: usize) -> Result<&'r str, BadField> {
        record
            .get(slot)
            .ok_or_else(|| BadField { slot, reason: format!("the field {} is missing", self.fields[slot]) })
    }

    fn timestamp(
        &self,
        slots: &[usize],
        format: &TimeFormat,
        record: &Record,
    ) -> Result<Timestamp, BadField> {
        let (first, read) = match slots {
            [slot] => (*slot, format.read(self.field(record, *slot)?)),
            _ => {
                let parts = slots.iter().map(|slot| self.field(record, *slot).map(str::trim));
                let text = parts.collect::<Result<Vec<_>, _>>()?.join(" ");
                (slots.first().copied().unwrap_or_default(), format.read(&text))
            }
        };
        read.map_err(|reason| BadField { slot: first, reason: format!("{}: {reason}", self.fields[first]) })
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
                let _ = to_writer(&mut *json, known);
            }
        }
        Ok(())
    }
}

impl NameKind {
    fn check(self, name: &str) -> Result<(), String> {
        let checked = match self {
            Self::Experiment => ExperimentName::new(name).map(drop),
            Self::Measure => MeasureTypeName::new(name).map(drop),
        };
        checked.map_err(|refusal| refusal.message)
    }
}

impl Names {
    fn new(experiment: Name, measure: Name) -> Self {
        match (experiment, measure) {
            (Name::Constant(experiment), Name::Constant(measure)) => Self::Constant(
                [EXPERIMENT, experiment.as_bytes(), MEASURE, measure.as_bytes(), VALUE].concat(),
            ),
            (experiment, measure) => Self::Fields { experiment, measure },
        }
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
}

/// Fields that are wanted, each once.
#[derive(Debug, Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn slot(&mut self, field: &Field) -> usize {
        self.0.iter().position(|known| known == field).unwrap_or_else(|| {
            self.0.push(field.clone());
            self.0.len() - 1
        })
    }
}

/// Writes Unix seconds with all digits that the moment needs.
fn append_seconds(timestamp: Timestamp, json: &mut Vec<u8>) {
    let nanos = timestamp.unix_nanos();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let _ = to_writer(&mut *json, &seconds);
    if rest > 0 {
        let mut digits = *b".000000000";
        let mut left = rest;
        for digit in digits[1..].iter_mut().rev() {
            *digit += u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        let used = digits.iter().rposition(|digit| *digit != b'0').unwrap_or_default();
        json.extend_from_slice(&digits[..=used]);
    }
}
