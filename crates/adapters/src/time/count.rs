//! Times as numbers: counts of units since an epoch or start.

use jiff::civil::{DateTime, date};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Deserialize;

use super::NANOS;
use crate::number::{NumberFormat, decimal, plain, quoted};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// From 1904-01-01 to 1970-01-01.
const LABVIEW_SECONDS_TO_1970: i64 = 2_082_844_800;

/// The unit of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "d")]
    Days,
    #[serde(rename = "h")]
    Hours,
    #[serde(rename = "min")]
    Minutes,
    #[default]
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ns")]
    Nanoseconds,
}

impl Unit {
    fn nanos(self) -> i64 {
        match self {
            Self::Days => 86_400_000_000_000,
            Self::Hours => 3_600_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

fn number(text: &str) -> Result<Decimal, String> {
    decimal(text).ok_or_else(|| "it is not a number".to_owned())
}

fn minus(number: Decimal, other: i64) -> Result<Decimal, String> {
    number.checked_sub(Decimal::from(other)).ok_or_else(|| "the number is too large".to_owned())
}

/// `number × factor`, rounded towards the past.
fn times(number: Decimal, factor: i64) -> Result<i128, String> {
    let product = number.checked_mul(Decimal::from(factor)).map(|product| product.floor());
    product.and_then(|product| product.to_i128()).ok_or_else(|| "the number is too large".to_owned())
}

pub(super) fn since_1970(text: &str, per_second: u32) -> Result<i128, String> {
    let nanos = times(number(text)?, NANOS_PER_SECOND / i64::from(per_second))?;
    // Times end in 2262; a greater number has a finer unit.
    if nanos > i128::from(i64::MAX) && per_second < 1_000_000_000 {
        let finer = match per_second {
            1 => "unix_ms",
            1_000 => "unix_us",
            _ => "unix_ns",
        };
        return Err(format!(
            "it is outside of the years 1970 to 2262; is the unit finer? then set `format = \"{finer}\"`"
        ));
    }
    Ok(nanos)
}

/// A count of fractions of a second; may exceed one second.
pub(super) fn part_of_second(text: &str, per_second: u32) -> Result<i128, String> {
    let count = decimal(text).filter(|count| !count.is_sign_negative());
    let count = count.ok_or_else(|| format!("{} is not a count of parts of a second", quoted(text)))?;
    times(count, NANOS_PER_SECOND / i64::from(per_second))
}

/// A date of Excel, to the millisecond, which is what its fifteen digits hold.
pub(super) fn excel(text: &str, days_to_1970: u32) -> Result<DateTime, String> {
    let days = minus(number(text)?, days_to_1970.into())?;
    let millis = days.checked_mul(Decimal::from(SECONDS_PER_DAY * 1_000)).map(|millis| millis.round());
    let millis = millis.and_then(|millis| millis.to_i64()).ok_or("the number is too large")?;
    let span = jiff::SignedDuration::from_millis(millis);
    date(1970, 1, 1).at(0, 0, 0, 0).checked_add(span).map_err(|_| "the number is too large".to_owned())
}

pub(super) fn labview(text: &str) -> Result<i128, String> {
    times(minus(number(text)?, LABVIEW_SECONDS_TO_1970)?, NANOS_PER_SECOND)
}

/// The time since a start: a number of units, or `[d.]hh:mm:ss`. In nanoseconds.
///
/// # Errors
/// The text is neither.
pub(crate) fn elapsed(text: &str, unit: Unit, numbers: NumberFormat) -> Result<i128, String> {
    let text = text.trim();
    let not_elapsed = || format!("{} is not a time since the start: a number, or `hh:mm:ss`", quoted(text));
    if text.contains(':') {
        return clock(text, numbers).ok_or_else(not_elapsed);
    }
    let plain = plain(text, numbers).ok_or_else(not_elapsed)?;
    if let Some(number) = decimal(&plain) {
        return times(number, unit.nanos());
    }
    // More digits than a decimal holds.
    let number: f64 = plain.parse().map_err(|_| not_elapsed())?;
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "checked below")]
    let nanos = (number * unit.nanos() as f64) as i128;
    if nanos.unsigned_abs() < u128::from(u64::MAX) { Ok(nanos) } else { Err(not_elapsed()) }
}

fn clock(text: &str, numbers: NumberFormat) -> Option<i128> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut parts = text.rsplit(':');
    let seconds = times(decimal(&plain(parts.next()?, numbers)?)?, NANOS_PER_SECOND).ok()?;
    let minutes: i128 = parts.next()?.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    let (days, hours): (i128, i128) = match parts.next() {
        None => (0, 0),
        Some(hours) => match hours.split_once('.') {
            Some((days, hours)) => (days.parse().ok()?, hours.parse().ok()?),
            None => (0, hours.parse().ok()?),
        },
    };
    let is_clock = parts.next().is_none() && (0..60 * NANOS).contains(&seconds) && days >= 0 && hours >= 0;
    let nanos = ((days * 24 + hours) * 60 + minutes) * 60 * NANOS + seconds;
    is_clock.then_some(if is_negative { -nanos } else { nanos })
}
