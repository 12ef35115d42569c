use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use crate::{InvalidField, Timestamp};

const SECOND: u64 = 1_000_000_000;

/// The units of a width: name, nanoseconds, and the most digits of the number before it.
const UNITS: [(&str, u64, usize); 7] = [
    ("ns", 1, 19),
    ("us", 1_000, 16),
    ("ms", 1_000_000, 13),
    ("s", SECOND, 10),
    ("m", 60 * SECOND, 8),
    ("h", 3_600 * SECOND, 6),
    ("d", 86_400 * SECOND, 5),
];

/// The width of the bins that time is divided into: whole nanoseconds, less than 10^19 of them.
/// Bins are aligned to the Unix epoch, so a time is always in the same bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(NonZeroU64);

impl Window {
    /// 9,999,999,999 seconds (316 years): one bin holds every [`Timestamp`].
    pub const ALL_TIME: Self = Self(NonZeroU64::MIN.saturating_add(9_999_999_999 * SECOND - 1));
    /// Nanoseconds of the greatest width, which are those of the most digits.
    const MAX_NANOS: u64 = 9_999_999_999_999_999_999;

    /// Takes a number of nanoseconds; `None` for zero and for 10^19 or more.
    pub const fn from_nanos(nanos: u64) -> Option<Self> {
        match NonZeroU64::new(nanos) {
            Some(width) if nanos <= Self::MAX_NANOS => Some(Self(width)),
            _ => None,
        }
    }

    /// What a width may be written like, as a regular expression.
    pub fn pattern() -> String {
        let units = UNITS.map(|(unit, _, digits)| format!("[1-9][0-9]{{0,{}}}{unit}", digits - 1));
        format!("^({})$", units.join("|"))
    }

    /// The width in nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0.get()
    }

    /// The bin that holds the moment, counted from the one that begins at the Unix epoch.
    pub const fn index_of(self, moment: Timestamp) -> u64 {
        moment.unix_nanos().unsigned_abs() / self.nanos()
    }

    /// The first moment of the bin that holds the moment.
    pub fn start_of(self, moment: Timestamp) -> Timestamp {
        let into = moment.unix_nanos().unsigned_abs() % self.nanos();
        // No bin begins before 1970.
        Timestamp::from_unix_nanos(moment.unix_nanos().saturating_sub_unsigned(into)).unwrap_or(moment)
    }

    /// The first time after the bin of `moment`; `None` if it exceeds [`Timestamp`].
    pub fn end_of(self, moment: Timestamp) -> Option<Timestamp> {
        let start = self.start_of(moment).unix_nanos();
        start.checked_add_unsigned(self.nanos()).and_then(Timestamp::from_unix_nanos)
    }
}

/// Parses a whole number with a unit: `10s`, `5m`, `1h`, `1d`, `5ms`, `5us`, `5ns`.
impl FromStr for Window {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        parse(text).ok_or_else(|| {
            let message = "must be a whole number from 1 to 99999 with a unit (`ns`, `us`, `ms`, `s`, `m`, `h` or `d`), \
                           such as `10s`; of the smaller units there may be more, up to about 300 years";
            InvalidField::new("window", message)
        })
    }
}

fn parse(text: &str) -> Option<Window> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, nanos, most) = UNITS.into_iter().find(|(name, ..)| *name == unit)?;
    let is_plain = digits <= most && !number.starts_with('0');
    let number: u64 = number.parse().ok().filter(|_| is_plain)?;
    Window::from_nanos(number.checked_mul(nanos)?)
}

/// Whole seconds where possible (`60s`), else the greatest smaller unit that divides the width.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, nanos, _): &&(&str, u64, usize)| self.nanos().is_multiple_of(*nanos);
        let (unit, nanos, _) = UNITS[..4].iter().rfind(fits).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.nanos() / nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    #[test]
    fn a_width_is_read_in_any_unit_and_written_in_seconds_or_less() {
        for (given, shown) in [
            ("1ns", "1ns"),
            ("1500ns", "1500ns"),
            ("1000us", "1ms"),
            ("250ms", "250ms"),
            ("10s", "10s"),
            ("5m", "300s"),
            ("1h", "3600s"),
            ("1d", "86400s"),
            ("99999d", "8639913600s"),
            ("999999h", "3599996400s"),
            ("99999999m", "5999999940s"),
            ("9999999999s", "9999999999s"),
            ("9999999999999ms", "9999999999999ms"),
            ("9999999999999999us", "9999999999999999us"),
            ("9999999999999999999ns", "9999999999999999999ns"),
        ] {
            assert_eq!(window(given).to_string(), shown);
            assert_eq!(window(shown), window(given));
        }
    }

    #[test]
    fn invalid_widths_are_refused() {
        for text in [
            "",
            "s",
            "10",
            "0s",
            "-1s",
            "+1s",
            "1.5s",
            "1 s",
            "1S",
            "1w",
            "1µs",
            "1s1",
            "007s",
            "100000d",
            "10000000000000ms",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(text.parse::<Window>().map_err(|refusal| refusal.field), Err("window"), "{text}");
        }
    }

    #[test]
    fn bins_are_aligned_to_the_epoch() {
        let minute = window("1m");
        for (nanos, start) in [(0, 0), (59_999_999_999, 0), (60_000_000_000, 60_000_000_000)] {
            assert_eq!(minute.start_of(moment(nanos)), moment(start));
            assert_eq!(minute.end_of(moment(nanos)), Some(moment(start + 60_000_000_000)));
        }
        assert_eq!(minute.index_of(moment(60_000_000_000)), 1);
    }

    #[test]
    fn the_ends_of_time_lie_in_bins_too() {
        let last = moment(i64::MAX);
        assert_eq!(window("1ns").start_of(last), last);
        assert_eq!(window("1ns").end_of(last), None);
        assert_eq!(Window::ALL_TIME.start_of(last), moment(0));
        assert_eq!(Window::ALL_TIME.end_of(moment(0)), None);
    }
}
