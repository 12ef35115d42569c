//! The time of a measure: from fields, or counted from a start.

use std::cell::RefCell;

use mymonit_model::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{BadField, Context, Fields, Mapping};
use crate::number::{decimal, plain, quoted};
use crate::record::Record;
use crate::source::{CountFrom, NumberFrom, StartFrom, TimeFrom};
use crate::time::{Clock, Unit, elapsed};

const NANOS: i64 = 1_000_000_000;

#[derive(Debug)]
pub(super) enum Time {
    Arrival,
    Fields(Vec<usize>, Clock),
    Since { start: Start, count: Count, clock: Clock },
}

#[derive(Debug)]
pub(super) enum Start {
    Constant(i128),
    /// The last text is cached: in most files it is the same in all records.
    Fields {
        slots: Vec<usize>,
        clock: Clock,
        last: RefCell<Option<(String, i128)>>,
    },
}

#[derive(Debug)]
pub(super) enum Count {
    Field(usize, Unit),
    Interval(Number),
    Rate(Number),
}

#[derive(Debug)]
pub(super) enum Number {
    Constant(Decimal),
    Field(usize),
}

impl Time {
    pub(super) fn new(from: &TimeFrom, fields: &mut Fields) -> Self {
        match from {
            TimeFrom::Arrival => Self::Arrival,
            TimeFrom::Fields(parts, clock) => Self::Fields(fields.slots(parts), clock.clone()),
            TimeFrom::Since { start, count, clock } => {
                let start = match start {
                    StartFrom::Constant(nanos) => Start::Constant(*nanos),
                    StartFrom::Fields(parts, clock) => Start::Fields {
                        slots: fields.slots(parts),
                        clock: clock.clone(),
                        last: RefCell::default(),
                    },
                };
                let mut number = |number: &NumberFrom| match number {
                    NumberFrom::Constant(number) => Number::Constant(*number),
                    NumberFrom::Field(field) => Number::Field(fields.slot(field)),
                };
                let count = match count {
                    CountFrom::Interval(interval) => Count::Interval(number(interval)),
                    CountFrom::Rate(rate) => Count::Rate(number(rate)),
                    CountFrom::Field(field, unit) => Count::Field(fields.slot(field), *unit),
                };
                Self::Since { start, count, clock: clock.clone() }
            }
        }
    }

    pub(super) fn wants_row(&self) -> bool {
        matches!(self, Self::Since { count: Count::Interval(_) | Count::Rate(_), .. })
    }
}

impl Mapping {
    pub(super) fn timestamp(
        &self,
        time: &Time,
        record: &Record,
        context: Context,
    ) -> Result<Timestamp, BadField> {
        match time {
            Time::Arrival => Ok(context.arrival),
            Time::Fields(slots, clock) => self.joined(slots, record, |text| clock.read(text)),
            Time::Since { start, count, clock } => {
                let start = self.start(start, record)?;
                let (slot, count, text) = match count {
                    Count::Field(slot, unit) => {
                        let text = self.field(record, *slot)?;
                        let count =
                            elapsed(text, *unit, self.numbers).map_err(|why| self.bad(*slot, &why))?;
                        (*slot, count, text)
                    }
                    Count::Interval(interval) => {
                        let (slot, seconds) = self.number(interval, record)?;
                        (slot, rows(context.row, |row| row.checked_mul(seconds)), "the start")
                    }
                    Count::Rate(rate) => {
                        let (slot, per_second) = self.number(rate, record)?;
                        (slot, rows(context.row, |row| row.checked_div(per_second)), "the start")
                    }
                };
                clock.timestamp(start.saturating_add(count), text, false).map_err(|why| self.bad(slot, &why))
            }
        }
    }

    /// Reads the texts of some fields, joined by spaces.
    fn joined<T>(
        &self,
        slots: &[usize],
        record: &Record,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, BadField> {
        let (first, result) = match slots {
            [slot] => (*slot, read(self.field(record, *slot)?)),
            _ => {
                let parts = slots.iter().map(|slot| self.field(record, *slot).map(str::trim));
                let text = parts.collect::<Result<Vec<_>, _>>()?.join(" ");
                (slots.first().copied().unwrap_or_default(), read(&text))
            }
        };
        result.map_err(|why| self.bad(first, &why))
    }

    fn start(&self, start: &Start, record: &Record) -> Result<i128, BadField> {
        match start {
            Start::Constant(nanos) => Ok(*nanos),
            Start::Fields { slots, clock, last } => self.joined(slots, record, |text| {
                let mut last = last.borrow_mut();
                if let Some((_, nanos)) = last.as_ref().filter(|(known, _)| known == text) {
                    return Ok(*nanos);
                }
                let nanos = clock.nanos(text)?;
                *last = Some((text.to_owned(), nanos));
                Ok(nanos)
            }),
        }
    }

    fn number(&self, number: &Number, record: &Record) -> Result<(usize, Decimal), BadField> {
        match number {
            Number::Constant(number) => Ok((0, *number)),
            Number::Field(slot) => {
                let text = self.field(record, *slot)?.trim();
                let number = plain(text, self.numbers).and_then(|plain| decimal(&plain));
                let number = number.filter(|number| !number.is_zero() && number.is_sign_positive());
                let wrong = || self.bad(*slot, &format!("{} is not a number above 0", quoted(text)));
                Ok((*slot, number.ok_or_else(wrong)?))
            }
        }
    }

    fn bad(&self, slot: usize, why: &str) -> BadField {
        BadField { slot, reason: format!("{}: {why}", self.fields[slot]) }
    }
}

/// The time of a row since the start, in nanoseconds; saturates.
fn rows(row: u64, seconds: impl FnOnce(Decimal) -> Option<Decimal>) -> i128 {
    let nanos = seconds(Decimal::from(row)).and_then(|seconds| seconds.checked_mul(Decimal::from(NANOS)));
    nanos.and_then(|nanos| nanos.round().to_i128()).unwrap_or(i128::MAX)
}
