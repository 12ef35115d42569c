//! From the records of a source to measures.

mod names;
mod time;

use std::cell::Cell;

use mymonit_model::Timestamp;
use rust_decimal::Decimal;
use serde_json::to_writer;

use crate::missing::Missing;
use crate::number::{Conversion, NumberFormat, quoted, read};
use crate::record::Record;
use crate::source::{Factor, Field, MeasureFrom, Source};
use names::Names;
use time::Time;

const TIMESTAMP: &[u8] = b",\"timestamp\":";

/// Makes measures of records.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The fields to read from each record, by slot.
    fields: Vec<Field>,
    numbers: NumberFormat,
    plans: Vec<Plan>,
    whole_records: bool,
}

/// The mapping of one measure.
#[derive(Debug)]
struct Plan {
    names: Names,
    value: usize,
    time: Time,
    factors: Factors,
    missing: Missing,
    required: Option<bool>,
    /// Whether any record had the field of the value, even an empty one.
    is_present: Cell<bool>,
}

/// The conversion of a value.
#[derive(Debug)]
enum Factors {
    /// `None` if it changes nothing.
    Constant(Option<Conversion>),
    ByField {
        scale: OneFactor,
        offset: OneFactor,
    },
}

#[derive(Debug)]
enum OneFactor {
    Constant(Decimal),
    ByField { slot: usize, values: Vec<(String, Decimal)> },
}

/// Inputs to the mapping that a record does not contain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// The time at which it was read.
    pub(crate) arrival: Timestamp,
    /// Its number in its stream, from 0.
    pub(crate) row: u64,
}

/// A field with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadField {
    pub(crate) slot: usize,
    pub(crate) reason: String,
}

/// The result for one record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Made {
    pub(crate) measures: usize,
    /// The number of missing values.
    pub(crate) missing: usize,
    /// The invalid fields, which caused values to be left out.
    pub(crate) problems: Vec<BadField>,
    /// Whether the record has the field of any value.
    pub(crate) has_value: bool,
}

impl Mapping {
    /// The mapping of a source.
    pub(crate) fn new(source: &Source) -> Self {
        let mut fields = Fields::default();
        let plans = source.measures.iter().map(|measure| Plan::new(measure, &mut fields)).collect();
        Self { fields: fields.0, numbers: source.numbers, plans, whole_records: source.whole_records }
    }

    /// The fields to read from each record, by slot.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether a measure has the time at which its record was read.
    pub(crate) fn wants_arrival(&self) -> bool {
        self.plans.iter().any(|plan| matches!(plan.time, Time::Arrival))
    }

    /// Whether a measure's time depends on the number of its record.
    pub(crate) fn wants_row(&self) -> bool {
        self.plans.iter().any(|plan| plan.time.wants_row())
    }

    /// The fields of values that no record had, without those that the description makes optional.
    pub(crate) fn absent_fields(&self) -> Vec<String> {
        self.value_fields(|plan| !plan.is_present.get())
    }

    /// The fields of all values that the description does not make optional.
    pub(crate) fn expected_fields(&self) -> Vec<String> {
        self.value_fields(|_| true)
    }

    fn value_fields(&self, is_meant: impl Fn(&Plan) -> bool) -> Vec<String> {
        let meant = self.plans.iter().filter(|plan| plan.required.is_none() && is_meant(plan));
        let mut names: Vec<_> = meant.map(|plan| self.fields[plan.value].to_string()).collect();
        names.dedup();
        names
    }

    /// Appends the measures of a record to `json`, as objects with a comma behind each.
    pub(crate) fn append(&self, record: &Record, context: Context, json: &mut Vec<u8>) -> Made {
        let start = json.len();
        let mut made = Made::default();
        for plan in &self.plans {
            let before = json.len();
            if record.get(plan.value).is_some() {
                plan.is_present.set(true);
                made.has_value = true;
            }
            match self.append_one(plan, record, context, json) {
                Ok(true) => made.measures += 1,
                Ok(false) => made.missing += 1,
                Err(problem) => {
                    json.truncate(before);
                    // Measures often share the invalid field.
                    if !made.problems.contains(&problem) {
                        made.problems.push(problem);
                    }
                }
            }
        }
        if self.whole_records && !made.problems.is_empty() {
            json.truncate(start);
            (made.measures, made.missing) = (0, 0);
        }
        made
    }

    /// Appends one measure; returns false if its value is missing.
    fn append_one(
        &self,
        plan: &Plan,
        record: &Record,
        context: Context,
        json: &mut Vec<u8>,
    ) -> Result<bool, BadField> {
        let Some(text) = record.get(plan.value) else { return self.not_measured(plan, "is missing") };
        let text = text.trim();
        if plan.missing.has_text(text) {
            return self.not_measured(plan, if text.is_empty() { "is empty" } else { "holds no value" });
        }
        let bad =
            |slot: usize| move |reason| BadField { slot, reason: format!("{}: {reason}", self.fields[slot]) };
        let number = read(text, self.numbers).map_err(bad(plan.value))?;
        if plan.missing.has_number(number.number) {
            return self.not_measured(plan, "holds no value");
        }
        let conversion = plan.factors.conversion(self, record)?;
        let value = number.converted(conversion).map_err(bad(plan.value))?;
        let timestamp = self.timestamp(&plan.time, record, context)?;
        self.append_names(&plan.names, record, json)?;
        // Infallible: the number is finite, and the writer is memory.
        let _ = to_writer(&mut *json, &value);
        json.extend_from_slice(TIMESTAMP);
        append_seconds(timestamp, json);
        json.extend_from_slice(b"},");
        Ok(true)
    }

    fn not_measured(&self, plan: &Plan, how: &str) -> Result<bool, BadField> {
        if plan.required != Some(true) {
            return Ok(false);
        }
        let reason = format!("the field {} {how}, and is required", self.fields[plan.value]);
        Err(BadField { slot: plan.value, reason })
    }

    /// A required field.
    fn field<'r>(&self, record: &'r Record, slot: usize) -> Result<&'r str, BadField> {
        record
            .get(slot)
            .ok_or_else(|| BadField { slot, reason: format!("the field {} is missing", self.fields[slot]) })
    }
}

impl Plan {
    fn new(measure: &MeasureFrom, fields: &mut Fields) -> Self {
        Self {
            names: Names::new(measure, fields),
            value: fields.slot(&measure.value),
            time: Time::new(&measure.timestamp, fields),
            factors: Factors::new(&measure.scale, &measure.offset, fields),
            missing: measure.missing.clone(),
            required: measure.required,
            is_present: Cell::new(false),
        }
    }
}

impl Factors {
    fn new(scale: &Factor, offset: &Factor, fields: &mut Fields) -> Self {
        if let (Factor::Constant(scale), Factor::Constant(offset)) = (scale, offset) {
            let conversion = Conversion { scale: *scale, offset: *offset };
            return Self::Constant((!conversion.is_identity()).then_some(conversion));
        }
        let mut factor = |factor: &Factor| match factor {
            Factor::Constant(number) => OneFactor::Constant(*number),
            Factor::ByField(field, values) => {
                OneFactor::ByField { slot: fields.slot(field), values: values.clone() }
            }
        };
        Self::ByField { scale: factor(scale), offset: factor(offset) }
    }

    fn conversion(&self, mapping: &Mapping, record: &Record) -> Result<Option<Conversion>, BadField> {
        match self {
            Self::Constant(conversion) => Ok(*conversion),
            Self::ByField { scale, offset } => {
                let scale = scale.number(mapping, record)?;
                Ok(Some(Conversion { scale, offset: offset.number(mapping, record)? }))
            }
        }
    }
}

impl OneFactor {
    fn number(&self, mapping: &Mapping, record: &Record) -> Result<Decimal, BadField> {
        match self {
            Self::Constant(number) => Ok(*number),
            Self::ByField { slot, values } => {
                let text = mapping.field(record, *slot)?.trim();
                let found = values.iter().find(|(known, _)| known == text).map(|(_, number)| *number);
                found.ok_or_else(|| {
                    let known: Vec<_> = values.iter().map(|(known, _)| quoted(known)).collect();
                    let (field, text) = (&mapping.fields[*slot], quoted(text));
                    let reason = format!(
                        "{field}: there is no factor for {text}; there are factors for {}",
                        known.join(", ")
                    );
                    BadField { slot: *slot, reason }
                })
            }
        }
    }
}

/// The distinct fields, in the order of their slots.
#[derive(Debug, Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn slot(&mut self, field: &Field) -> usize {
        self.0.iter().position(|known| known == field).unwrap_or_else(|| {
            self.0.push(field.clone());
            self.0.len() - 1
        })
    }

    fn slots(&mut self, fields: &[Field]) -> Vec<usize> {
        fields.iter().map(|field| self.slot(field)).collect()
    }
}

/// Writes Unix seconds with all significant digits.
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
