//! `[[measures]]`: the values in each record.

use std::collections::BTreeMap;

use mymonit_model::{ExperimentName, InvalidField, MeasureTypeName};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::number_table::Number;
use super::time_table::TimestampTable;
use super::wrong;
use super::{Factor, Field, MeasureFrom, NameFrom, SourceError};
use crate::missing::{Marker, Missing};
use crate::number::NumberFormat;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MeasureTable {
    pub(super) experiment: Option<NameFrom>,
    pub(super) measure: NameFrom,
    pub(super) sensor: Option<NameFrom>,
    pub(super) value: Option<Field>,
    /// Several columns of the same measure, each a sensor of its own.
    pub(super) values: Option<Vec<Field>>,
    pub(super) timestamp: Option<TimestampTable>,
    pub(super) scale: Option<FactorTable>,
    pub(super) offset: Option<FactorTable>,
    pub(super) missing: Option<Vec<Marker>>,
    pub(super) required: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a number, or { field = \"…\", values = { … } }")]
pub(super) enum FactorTable {
    Constant(Number),
    ByField(FactorByField),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactorByField {
    field: Field,
    /// From the texts of the field to numbers.
    values: BTreeMap<String, Number>,
}

impl FactorTable {
    fn check(self, key: &str) -> Result<Factor, SourceError> {
        match self {
            Self::Constant(number) => number.decimal(key).map(Factor::Constant),
            Self::ByField(by_field) => {
                let values = by_field.values.into_iter();
                let values = values.map(|(text, number)| Ok((text, number.decimal(key)?)));
                Ok(Factor::ByField(by_field.field, values.collect::<Result<_, SourceError>>()?))
            }
        }
    }
}

/// Defaults for measures.
pub(super) struct Defaults {
    pub(super) experiment: Option<NameFrom>,
    pub(super) sensor: Option<NameFrom>,
    pub(super) timestamp: Option<TimestampTable>,
    pub(super) value: Option<Field>,
    pub(super) missing: Missing,
    pub(super) numbers: NumberFormat,
}

impl MeasureTable {
    pub(super) fn check(mut self, defaults: &Defaults) -> Result<Vec<MeasureFrom>, SourceError> {
        let absent = |what: &str| SourceError(format!("`{what}` is missing"));
        let experiment = self
            .experiment
            .take()
            .or_else(|| defaults.experiment.clone())
            .ok_or_else(|| absent("experiment"))?;
        check_constant(&experiment, ExperimentName::new)?;
        check_constant(&self.measure, MeasureTypeName::new)?;
        let timestamp = self.timestamp.as_ref().or(defaults.timestamp.as_ref());
        let timestamp = timestamp.ok_or_else(|| {
            SourceError("`[timestamp]` is missing. Allowed are `field = \"…\"`, or `arrival = true` for the time at which a record is read".to_owned())
        })?;
        let markers = self.missing.take().unwrap_or_default();
        let missing = Missing::new(&markers, defaults.numbers);
        let missing = missing.map_err(|why| SourceError(format!("`measures.missing`: {why}")))?;
        let factor = |table: Option<FactorTable>, key, default| {
            table.map_or(Ok(Factor::Constant(default)), |table| table.check(key))
        };
        let one = MeasureFrom {
            experiment,
            measure: self.measure.clone(),
            sensor: self.sensor.clone().or_else(|| defaults.sensor.clone()),
            value: Field::Number(0),
            timestamp: timestamp.check(defaults.numbers)?,
            scale: factor(self.scale.take(), "measures.scale", Decimal::ONE)?,
            offset: factor(self.offset.take(), "measures.offset", Decimal::ZERO)?,
            missing: missing.and(&defaults.missing),
            required: self.required,
        };
        if let Some(sensor) = &one.sensor {
            check_sensor(sensor)?;
        }
        match (self.value, self.values) {
            (Some(_), Some(_)) => Err(SourceError("`measures` has both `value` and `values`".to_owned())),
            (Some(value), None) => Ok(vec![MeasureFrom { value, ..one }]),
            (None, Some(values)) => values.into_iter().map(|value| by_column(value, &one)).collect(),
            (None, None) => {
                let value = defaults.value.clone().ok_or_else(|| absent("measures.value"))?;
                Ok(vec![MeasureFrom { value, ..one }])
            }
        }
    }
}

/// One of several columns: its name is the name of its sensor, unless the description gives one.
fn by_column(value: Field, one: &MeasureFrom) -> Result<MeasureFrom, SourceError> {
    let name = match &value {
        Field::Name(name) => name.clone(),
        Field::Path(path) => path.join("."),
        Field::Number(number) => number.to_string(),
        Field::Head(_) => {
            return Err(wrong("measures.values", &value.to_string(), "a list of columns or paths"));
        }
    };
    let sensor = one.sensor.clone().unwrap_or(NameFrom::Constant(name));
    check_sensor(&sensor)?;
    Ok(MeasureFrom { value, sensor: Some(sensor), ..one.clone() })
}

fn names(name: &NameFrom) -> Vec<&String> {
    match name {
        NameFrom::Constant(name) => vec![name],
        NameFrom::Field(by_field) => by_field.names.values().collect(),
    }
}

fn check_constant<T>(name: &NameFrom, check: fn(&str) -> Result<T, InvalidField>) -> Result<(), SourceError> {
    names(name).into_iter().try_for_each(|name| {
        check(name).map(drop).map_err(|refusal| SourceError(format!("{refusal}, and is `{name}`")))
    })
}

/// Names of sensors have the same syntax as names of experiments.
fn check_sensor(name: &NameFrom) -> Result<(), SourceError> {
    names(name).into_iter().try_for_each(|name| match ExperimentName::new(name) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(SourceError(format!("`sensor` {}, and is `{name}`", refusal.message))),
    })
}
