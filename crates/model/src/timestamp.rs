use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::InvalidField;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A moment in UTC to the nanosecond, from 1970-01-01T00:00:00Z to 2262-04-11T23:47:16.854775807Z:
/// what fits a signed 64-bit number of nanoseconds since the Unix epoch. Leap seconds are not counted,
/// as in Unix time. What is finer than a nanosecond is cut off.
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

    /// The present moment of the system's clock, kept within the range of the type.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Takes Unix seconds written as a decimal number, exactly: `1650000000`, `1650000000.000000001`
    /// or `1.65e9`. A double could not hold the nanoseconds of today, so the text is not read as one.
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
        // The parser takes any byte between date and time; RFC 3339 §5.6 has `T`, or a space for readers.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return Err(Self::not_a_time());
        }
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| Self::not_a_time())?;
        i64::try_from(moment.unix_timestamp_nanos())
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

/// The nanoseconds of seconds with a fraction of up to nine digits, and without a sign, which need no decimal
/// arithmetic either. Nothing is said of any other text.
fn plain_fraction(text: &str) -> Option<i64> {
    const MOST_DIGITS: usize = 19;
    let point = text.len().checked_sub(1)? - text.bytes().rev().position(|byte| byte == b'.')?;
    let fraction_digits = text.len() - point - 1;
    if !(1..=9).contains(&fraction_digits) || !(1..=MOST_DIGITS - 9).contains(&point) {
        return None;
    }
    // So many digits fit, whatever they are.
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

/// The number in scientific notation, also one with more fractional digits than a decimal has: those are cut off.
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

/// Takes Unix seconds or RFC 3339, whichever the text is.
impl FromStr for Timestamp {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        if text.contains(':') { Self::from_rfc3339(text) } else { Self::from_unix_seconds(text) }
    }
}

/// RFC 3339, UTC, `Z`, with as many fractional digits as the moment needs. Written digit by digit, which takes a
/// fraction of the time of the general formatter: a reading of a million measures has a million of them.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / NANOS_PER_SECOND, self.0 % NANOS_PER_SECOND);
        let moment = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| fmt::Error)?;
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second) = moment.to_hms();
        let mut text = *b"0000-00-00T00:00:00.000000000";
        write_number(&mut text[..4], year.into());
        write_number(&mut text[5..7], u8::from(month).into());
        write_number(&mut text[8..10], day.into());
        write_number(&mut text[11..13], hour.into());
        write_number(&mut text[14..16], minute.into());
        write_number(&mut text[17..19], second.into());
        write_number(&mut text[20..], nanos);
        let text = std::str::from_utf8(&text).map_err(|_| fmt::Error)?;
        // A zero of the seconds stands before the point and is none of the fraction.
        f.write_str(if nanos == 0 { &text[..19] } else { text.trim_end_matches('0') })?;
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
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_written_is_what_the_general_formatter_writes() {
        // Steps that are prime to all units, so that every digit of each takes every value.
        let moments = (0..i64::MAX).step_by(93_000_000_000_000_019);
        let near = (0..2_000)
            .flat_map(|number| [number * 500_000_000, 1_709_164_800_000_000_000 + number * 100_003]);
        for nanos in moments.chain((0..i64::MAX).step_by(922_337_203_685_477)).chain(near).chain([i64::MAX]) {
            let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos.into()).unwrap();
            let shown = Timestamp::from_unix_nanos(nanos).unwrap().to_string();
            assert_eq!(shown, moment.format(&Rfc3339).unwrap());
        }
    }

    #[test]
    fn what_is_no_time_or_out_of_range_is_refused() {
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
