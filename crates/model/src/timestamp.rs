use std::fmt;
use std::iter::repeat;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::Offset;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::InvalidField;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A time in UTC to the nanosecond, from 1970-01-01T00:00:00Z to 2262-04-11T23:47:16.854775807Z
/// (a signed 64-bit number of Unix nanoseconds, without leap seconds). Finer digits are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z, the earliest.
    pub const UNIX_EPOCH: Self = Self(0);

    /// The greatest number of whole Unix seconds.
    pub const MAX_UNIX_SECONDS: i64 = i64::MAX / NANOS_PER_SECOND;

    /// Takes nanoseconds since the Unix epoch; `None` before 1970.
    pub const fn from_unix_nanos(nanos: i64) -> Option<Self> {
        if nanos >= 0 { Some(Self(nanos)) } else { None }
    }

    /// Nanoseconds since the Unix epoch; never negative.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// The system clock's time, clamped to the range of the type.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }

    /// The beginning of the second.
    pub const fn full_second(self) -> Self {
        Self(self.0 - self.0 % NANOS_PER_SECOND)
    }

    /// The beginning of the hour, in UTC.
    pub const fn full_hour(self) -> Self {
        Self(self.0 - self.0 % (60 * 60 * NANOS_PER_SECOND))
    }

    /// So many days of 24 hours later, at most the greatest time.
    pub fn plus_days(self, days: u32) -> Self {
        const DAY: i64 = 24 * 60 * 60 * NANOS_PER_SECOND;
        Self(self.0.saturating_add(i64::from(days).saturating_mul(DAY)))
    }

    /// Parses decimal Unix seconds exactly: `1650000000`, `1650000000.000000001` or `1.65e9`. A
    /// double would lose the nanoseconds.
    ///
    /// # Errors
    /// Names `timestamp` where the text is no number or lies outside of 1970 to 2262.
    pub fn from_unix_seconds(text: &str) -> Result<Self, InvalidField> {
        // Nearly every publisher sends whole seconds, which need no decimal arithmetic.
        if let Ok(seconds) = text.parse::<i64>() {
            return seconds
                .checked_mul(NANOS_PER_SECOND)
                .and_then(Self::from_unix_nanos)
                .ok_or_else(Self::out_of_range);
        }
        if let Some(nanos) = plain_fraction(text) {
            return Ok(Self(nanos));
        }
        let seconds = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => scientific(text, mantissa, exponent),
            None => text.parse().ok(),
        }
        .ok_or_else(Self::not_a_time)?;
        seconds
            .checked_mul(Decimal::from(NANOS_PER_SECOND))
            .and_then(|nanos| nanos.trunc().to_i64())
            .and_then(Self::from_unix_nanos)
            .filter(|_| !seconds.is_sign_negative() || seconds.is_zero())
            .ok_or_else(Self::out_of_range)
    }

    /// Takes an RFC 3339 date and time with any offset: `2022-04-06T07:09:00Z`.
    ///
    /// # Errors
    /// Names `timestamp` where the text is no such time or lies outside of 1970 to 2262.
    pub fn from_rfc3339(text: &str) -> Result<Self, InvalidField> {
        let moment = rfc3339(text).ok_or_else(Self::not_a_time)?;
        i64::try_from(moment.as_nanosecond())
            .ok()
            .and_then(Self::from_unix_nanos)
            .ok_or_else(Self::out_of_range)
    }

    fn not_a_time() -> InvalidField {
        InvalidField::new(
            "timestamp",
            "must be Unix seconds or an RFC 3339 date and time, such as `2022-04-06T07:00:00Z`",
        )
    }

    fn out_of_range() -> InvalidField {
        InvalidField::new("timestamp", "must lie between 1970-01-01T00:00:00Z and 2262-04-11T23:47:16Z")
    }
}

/// The nanoseconds of unsigned seconds with up to nine fractional digits, without decimal
/// arithmetic; `None` for any other text.
fn plain_fraction(text: &str) -> Option<i64> {
    const MOST_DIGITS: usize = 19;
    let point = text.len().checked_sub(1)? - text.bytes().rev().position(|byte| byte == b'.')?;
    let fraction_digits = text.len() - point - 1;
    if !(1..=9).contains(&fraction_digits) || !(1..=MOST_DIGITS - 9).contains(&point) {
        return None;
    }
    // This many digits always fit.
    let mut number = 0_u64;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
            b'.' if at == point => {}
            _ => return None,
        }
    }
    let missing_digits = u32::try_from(9 - fraction_digits).ok()?;
    i64::try_from(number.checked_mul(10_u64.pow(missing_digits))?).ok()
}

/// A number in scientific notation. Digits beyond the precision of a decimal are cut off.
fn scientific(text: &str, mantissa: &str, exponent: &str) -> Option<Decimal> {
    const DIGITS: i32 = 28;
    if let Ok(number) = Decimal::from_scientific(text) {
        return Some(number);
    }
    let mut number: Decimal = mantissa.parse().ok()?;
    let mut exponent: i32 = exponent.parse().ok().filter(|exponent| *exponent < 0)?;
    // A negative number stays one, however small it is.
    while exponent < 0 && number > Decimal::ZERO {
        let step = exponent.max(-DIGITS);
        number *= Decimal::try_new(1, step.unsigned_abs()).ok()?;
        exponent -= step;
    }
    Some(number)
}

/// Parses RFC 3339 §5.6 only; jiff's parser accepts other forms, such as `20220406T07Z`.
fn rfc3339(text: &str) -> Option<jiff::Timestamp> {
    let (date_time, rest) = text.split_at_checked("0000-00-00T00:00:00".len())?;
    let (fraction, offset) = rest.split_at(rest.find(|char: char| char != '.' && !char.is_ascii_digit())?);
    let is_fraction = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| !digits.is_empty() && !digits.contains('.'));
    if !has_shape(date_time, "0000-00-00T00:00:00") || !is_fraction {
        return None;
    }
    let year = i16::try_from(number(date_time[..4].bytes())).ok()?;
    let two = |at: usize| i8::try_from(number(date_time[at..at + 2].bytes())).ok();
    let nanos = number(fraction.bytes().skip(1).chain(repeat(b'0')).take(9));
    // A leap second counts as the nanosecond before it.
    let is_leap = two(17)? == 60;
    let (second, nanos) = if is_leap { (59, 999_999_999) } else { (two(17)?, nanos) };
    let local = DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, second, nanos).ok()?;
    let moment = read_offset(offset)?.to_timestamp(local).ok()?;
    (!is_leap || is_last_minute_of_month(moment)).then_some(moment)
}

fn is_last_minute_of_month(moment: jiff::Timestamp) -> bool {
    let utc = Offset::UTC.to_datetime(moment);
    (utc.hour(), utc.minute()) == (23, 59) && utc.date() == utc.date().last_of_month()
}

fn read_offset(text: &str) -> Option<Offset> {
    if has_shape(text, "Z") {
        return Some(Offset::UTC);
    }
    let (hours, minutes) = (text.get(1..3)?, text.get(4..6)?);
    if !has_shape(text, "+00:00") || hours > "23" || minutes > "59" {
        return None;
    }
    let seconds = number(hours.bytes()) * 3_600 + number(minutes.bytes()) * 60;
    Offset::from_seconds(if text.starts_with('-') { -seconds } else { seconds }).ok()
}

/// The number that at most nine digits write.
fn number(digits: impl Iterator<Item = u8>) -> i32 {
    digits.fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
}

/// Whether the text has the shape: `0` matches a digit, `+` a sign, `T` also a space.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'+' => matches!(byte, b'+' | b'-'),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        shape => byte.eq_ignore_ascii_case(&shape),
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

/// Takes Unix seconds or RFC 3339.
impl FromStr for Timestamp {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        if text.contains(':') { Self::from_rfc3339(text) } else { Self::from_unix_seconds(text) }
    }
}

/// RFC 3339, UTC, `Z`, with as many fractional digits as needed. Written digit by digit, since
/// the general formatter is too slow for a million measures.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_nanosecond(self.0.into()).map_err(|_| fmt::Error)?;
        let moment = Offset::UTC.to_datetime(moment);
        let mut text = *b"0000-00-00T00:00:00.000000000";
        write_number(&mut text[..4], moment.year().into());
        write_number(&mut text[5..7], moment.month().into());
        write_number(&mut text[8..10], moment.day().into());
        write_number(&mut text[11..13], moment.hour().into());
        write_number(&mut text[14..16], moment.minute().into());
        write_number(&mut text[17..19], moment.second().into());
        write_number(&mut text[20..], moment.subsec_nanosecond().into());
        let text = std::str::from_utf8(&text).map_err(|_| fmt::Error)?;
        // A zero of the seconds is not a fractional digit.
        let is_whole = moment.subsec_nanosecond() == 0;
        f.write_str(if is_whole { &text[..19] } else { text.trim_end_matches('0') })?;
        f.write_str("Z")
    }
}

/// Writes a number that is not negative into all of the digits.
fn write_number(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().unix_nanos()
    }

    #[test]
    fn unix_seconds_are_exact_to_the_nanosecond() {
        assert_eq!(nanos("1650000000"), 1_650_000_000_000_000_000);
        assert_eq!(nanos("1650000000.000000001"), 1_650_000_000_000_000_001);
        assert_eq!(nanos("1650000000.1234567899"), 1_650_000_000_123_456_789);
        assert_eq!(nanos("1.65e9"), 1_650_000_000_000_000_000);
        assert_eq!(nanos("16500000001E-1"), 1_650_000_000_100_000_000);
        assert_eq!(nanos("12345678901234567890123456789e-27"), 12_345_678_901);
        assert_eq!(nanos("0"), 0);
        for tiny in ["5e-324", "1e-29", "0.1E-28", "1e-1000000", "0e-99"] {
            assert_eq!(nanos(tiny), 0, "{tiny}");
        }
        assert_eq!(nanos("-0"), 0);
        assert_eq!(nanos("9223372036.854775807"), i64::MAX);
        assert_eq!(nanos("1650000000.12"), 1_650_000_000_120_000_000);
        assert_eq!(nanos("0000000001.5"), 1_500_000_000);
        assert_eq!((nanos("5."), nanos(".5")), (5_000_000_000, 500_000_000));
    }

    #[test]
    fn fractions_of_seconds_are_what_decimal_arithmetic_makes_of_them() {
        let by_decimal = |text: &str| {
            let nanos = text.parse::<Decimal>().unwrap() * Decimal::from(NANOS_PER_SECOND);
            nanos.trunc().to_i64().unwrap()
        };
        for moment in (0..i64::MAX).step_by(922_337_203_685_477) {
            let (seconds, rest) = (moment / NANOS_PER_SECOND, moment % NANOS_PER_SECOND);
            let digits = format!("{rest:09}");
            for length in 1..=9 {
                let text = format!("{seconds}.{}", &digits[..length]);
                assert_eq!(nanos(&text), by_decimal(&text), "{text}");
            }
        }
    }

    #[test]
    fn rfc3339_is_read_with_any_offset_and_written_in_utc() {
        for (given, shown) in [
            ("2022-04-06T07:09:00Z", "2022-04-06T07:09:00Z"),
            ("2022-04-06T09:09:00.5+02:00", "2022-04-06T07:09:00.5Z"),
            ("2022-04-06 07:09:00z", "2022-04-06T07:09:00Z"),
            ("2022-04-06t07:09:00Z", "2022-04-06T07:09:00Z"),
            ("2022-04-06T07:09:00.120000000Z", "2022-04-06T07:09:00.12Z"),
            ("2022-04-06T07:09:00.000000001Z", "2022-04-06T07:09:00.000000001Z"),
            ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
            ("2038-01-19T03:14:08Z", "2038-01-19T03:14:08Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775807Z"),
            ("2022-04-06T07:09:00.1234567899-00:00", "2022-04-06T07:09:00.123456789Z"),
            ("2022-04-06T07:09:00-23:59", "2022-04-07T07:08:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z"),
            ("2017-01-01T01:59:60.5+02:00", "2016-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn times_are_written_as_by_jiff_and_read_again() {
        // Steps that are prime to all units, so that every digit of each takes every value.
        let moments = (0..i64::MAX).step_by(93_000_000_000_000_019);
        let near = (0..2_000)
            .flat_map(|number| [number * 500_000_000, 1_709_164_800_000_000_000 + number * 100_003]);
        for nanos in moments.chain((0..i64::MAX).step_by(922_337_203_685_477)).chain(near).chain([i64::MAX]) {
            let shown = Timestamp::from_unix_nanos(nanos).unwrap().to_string();
            assert_eq!(shown, jiff::Timestamp::from_nanosecond(nanos.into()).unwrap().to_string());
            assert_eq!(shown.parse::<Timestamp>().unwrap().unix_nanos(), nanos);
        }
    }

    #[test]
    fn times_are_cut_to_seconds_and_hours_and_moved_by_days() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("2026-02-28T23:59:59.999999999Z");
        assert_eq!(now.full_second(), time("2026-02-28T23:59:59Z"));
        assert_eq!(now.full_hour(), time("2026-02-28T23:00:00Z"));
        assert_eq!(now.full_second().plus_days(365), time("2027-02-28T23:59:59Z"));
        assert_eq!(now.plus_days(u32::MAX).unix_nanos(), i64::MAX);
    }

    #[test]
    fn invalid_times_are_refused() {
        for text in [
            "",
            "now",
            "NaN",
            "inf",
            "-1",
            "-0.000000001",
            "-5e-324",
            "1e",
            "e-30",
            "1e-x",
            "1e-99999999999",
            "9223372036.854775808",
            "9223372037",
            "1e99",
            "1e999999999999",
            "2022-04-06",
            "2022-04-06T07:09:00",
            "2022-04-06T07:09:00.Z",
            "2022-04-06T07:09:00.1.2Z",
            "2022-04-06T07:09:00,5Z",
            "2022-04-06T07:09Z",
            "2022-04-06T07:09:60Z",
            "2022-04-06T24:00:00Z",
            "2022-04-06T07:09:00+24:00",
            "2022-04-06T07:09:00+02:60",
            "2022-04-06T07:09:00+02",
            "2022-04-06T07:09:00+0200",
            "2022-04-06T07:09:00Z[UTC]",
            "20220406T070900.5:Z",
            "2022-04-06x07:09:00Z",
            "2022-04-06\u{0}07:09:00Z",
            "2022-13-06T07:09:00Z",
            "1969-12-31T23:59:59Z",
            "2262-04-11T23:47:17Z",
            "12000-01-01T00:00:00Z",
            "1 650",
            "0x10",
        ] {
            assert_eq!(
                text.parse::<Timestamp>().map_err(|refusal| refusal.field),
                Err("timestamp"),
                "{text}"
            );
        }
    }
}
