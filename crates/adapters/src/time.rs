//! How a field's text becomes the timestamp of a measure.

use jiff::civil::Time;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use mymonit_model::Timestamp;
use rust_decimal::Decimal;

use crate::number::{decimal, quoted};

/// How times are written in a source.
#[derive(Debug, Clone)]
pub(crate) enum TimeFormat {
    /// Unix seconds or RFC 3339, whichever it is.
    UnixOrRfc3339,
    /// A number of these units since 1970; so many of them make a second.
    Unix {
        /// 1, a thousand, a million or a billion.
        per_second: u32,
    },
    /// By a pattern of `strftime`, in this zone unless the text names its offset.
    Pattern {
        /// The pattern.
        pattern: String,
        /// Where the clock of the instrument is.
        zone: TimeZone,
        /// What to take for a time that the clock shows twice when summer ends.
        twice: Twice,
    },
}

/// What to take for a local time that there is twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Twice {
    /// Nothing: the record counts as unparsable, since nobody can say which one it was.
    #[default]
    Refuse,
    /// The first one, in summer time.
    Earlier,
    /// The second one, in winter time.
    Later,
}

impl TimeFormat {
    /// Reads a time.
    ///
    /// # Errors
    /// Says why the text is no time that a measure can have.
    pub(crate) fn read(&self, text: &str) -> Result<Timestamp, String> {
        let text = text.trim();
        match self {
            Self::UnixOrRfc3339 => text.parse().map_err(|refusal: mymonit_model::InvalidField| {
                format!("{} is not a time: it {}", quoted(text), refusal.message)
            }),
            Self::Unix { per_second: 1 } => Timestamp::from_unix_seconds(text)
                .map_err(|refusal| format!("{} is not a time: it {}", quoted(text), refusal.message)),
            Self::Unix { per_second } => since_1970(text, *per_second),
            Self::Pattern { pattern, zone, twice } => by_pattern(text, pattern, zone, *twice)
                .map_err(|why| format!("{} is not a time: {why}", quoted(text))),
        }
    }
}

fn since_1970(text: &str, per_second: u32) -> Result<Timestamp, String> {
    let number = decimal(text).ok_or_else(|| format!("{} is not a number", quoted(text)))?;
    let nanos_per_unit = Decimal::from(1_000_000_000 / per_second);
    let nanos = number.checked_mul(nanos_per_unit).map(|nanos| nanos.floor());
    nanos
        .and_then(|nanos| i64::try_from(nanos).ok())
        .and_then(Timestamp::from_unix_nanos)
        .ok_or_else(|| format!("{} lies outside of the years 1970 to 2262", quoted(text)))
}

fn by_pattern(text: &str, pattern: &str, zone: &TimeZone, twice: Twice) -> Result<Timestamp, String> {
    let parts = BrokenDownTime::parse(pattern, text).map_err(|error| error.to_string())?;
    let moment = match (parts.offset(), parts.timestamp()) {
        (None, None) => {
            let date = parts.to_date().map_err(|error| error.to_string())?;
            let time = if parts.hour().is_some() {
                parts.to_time().map_err(|error| error.to_string())?
            } else {
                Time::midnight()
            };
            local(date.to_datetime(time), zone, twice)?
        }
        _ => parts.to_timestamp().map_err(|error| error.to_string())?,
    };
    i64::try_from(moment.as_nanosecond())
        .ok()
        .and_then(Timestamp::from_unix_nanos)
        .ok_or_else(|| "it lies outside of the years 1970 to 2262".to_owned())
}

fn local(time: jiff::civil::DateTime, zone: &TimeZone, twice: Twice) -> Result<jiff::Timestamp, String> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    let moment = match (ambiguous.offset(), twice) {
        (AmbiguousOffset::Gap { .. }, _) => {
            return Err("the clocks are put forward then, so that there is no such time".to_owned());
        }
        (AmbiguousOffset::Fold { .. }, Twice::Refuse) => {
            return Err(
                "the clocks are put back then, so that there is this time twice (see `twice`)".to_owned()
            );
        }
        (AmbiguousOffset::Fold { .. }, Twice::Later) => ambiguous.later(),
        _ => ambiguous.earlier(),
    };
    moment.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(pattern: &str, zone: &str, twice: Twice) -> TimeFormat {
        TimeFormat::Pattern { pattern: pattern.to_owned(), zone: TimeZone::get(zone).unwrap(), twice }
    }

    fn read(format: &TimeFormat, text: &str) -> Result<String, String> {
        format.read(text).map(|time| time.to_string())
    }

    #[test]
    fn numbers_since_1970_are_exact_to_the_nanosecond() {
        for (per_second, text, nanos) in [
            (1, "1650000000.123456789", 1_650_000_000_123_456_789),
            (1_000, "1650000000123", 1_650_000_000_123_000_000),
            (1_000, "1650000000123.456789", 1_650_000_000_123_456_789),
            (1_000_000, "1650000000123456", 1_650_000_000_123_456_000),
            (1_000_000_000, "1650000000123456789", 1_650_000_000_123_456_789),
            (1_000, "1.65e12", 1_650_000_000_000_000_000),
        ] {
            assert_eq!(TimeFormat::Unix { per_second }.read(text).unwrap().unix_nanos(), nanos, "{text}");
        }
        for text in ["-1", "x", "", "1e40", "9223372036855"] {
            assert!(TimeFormat::Unix { per_second: 1_000 }.read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn local_times_are_read_in_their_zone() {
        let german = pattern("%d.%m.%Y %H:%M:%S%.f", "Europe/Zurich", Twice::Refuse);
        assert_eq!(read(&german, "06.04.2022 09:09:00").unwrap(), "2022-04-06T07:09:00Z");
        assert_eq!(read(&german, "06.01.2022 09:09:00.25").unwrap(), "2022-01-06T08:09:00.25Z");
        let date = pattern("%Y%m%d", "UTC", Twice::Refuse);
        assert_eq!(read(&date, "20220406").unwrap(), "2022-04-06T00:00:00Z");
        let own_offset = pattern("%Y-%m-%d %H:%M %z", "Europe/Zurich", Twice::Refuse);
        assert_eq!(read(&own_offset, "2022-04-06 09:09 +0500").unwrap(), "2022-04-06T04:09:00Z");
    }

    #[test]
    fn a_time_that_there_is_twice_is_refused_unless_it_is_said_which_one_counts() {
        let zone = "Europe/Zurich";
        let autumn = "2022-10-30 02:30";
        let read_as = |twice| read(&pattern("%Y-%m-%d %H:%M", zone, twice), autumn);
        assert!(read_as(Twice::Refuse).unwrap_err().contains("twice"));
        assert_eq!(read_as(Twice::Earlier).unwrap(), "2022-10-30T00:30:00Z");
        assert_eq!(read_as(Twice::Later).unwrap(), "2022-10-30T01:30:00Z");
        let spring = read(&pattern("%Y-%m-%d %H:%M", zone, Twice::Later), "2022-03-27 02:30");
        assert!(spring.unwrap_err().contains("no such time"));
    }

    #[test]
    fn what_is_no_time_is_refused_in_words() {
        for text in ["yesterday", "", "2022-13-06T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert!(read(&TimeFormat::UnixOrRfc3339, text).unwrap_err().contains("is not a time"), "{text}");
        }
        let format = pattern("%Y-%m-%d", "UTC", Twice::Refuse);
        for text in ["2022-02-30", "1969-12-31", "2300-01-01", "2022-01-01x"] {
            assert!(read(&format, text).unwrap_err().contains("is not a time"), "{text}");
        }
    }
}
