//! Parses the text of a field as a timestamp.

mod count;
mod iso;
pub(crate) mod zone;

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use mymonit_model::Timestamp;

pub(crate) use count::{Unit, elapsed};
use count::{excel, labview, since_1970};

use crate::number::{NumberFormat, decimal, plain, quoted};

/// 1980-01-01T00:00:00Z. Earlier times come from unset clocks and relative counts.
const YEAR_1980: i128 = 315_532_800 * NANOS;
const NANOS: i128 = 1_000_000_000;

/// The format of times in a field.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    /// The first format that matches is used.
    pub(crate) formats: Vec<TimeFormat>,
    /// The time zone of times without offset.
    pub(crate) zone: Option<TimeZone>,
    pub(crate) twice: Twice,
    /// The year of times without one.
    pub(crate) year: Option<Year>,
    pub(crate) allow_before_1980: bool,
    /// How times that are numbers are written.
    pub(crate) numbers: NumberFormat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeFormat {
    /// Unix seconds or ISO 8601.
    UnixOrIso,
    /// A count since 1970; `per_second` of them make a second.
    Unix { per_second: u32 },
    /// Days since 1899-12-30 or 1904-01-01, as Excel counts them.
    Excel { days_to_1970: u32 },
    /// Seconds since 1904, as LabVIEW counts them.
    LabView,
    /// A pattern of `strftime`.
    Pattern(String),
    /// A pattern, followed by a field with the fraction of a second as a count.
    PatternAndCount { pattern: String, per_second: u32 },
}

/// How to read a local time that occurs twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Twice {
    /// An error: the text is ambiguous.
    #[default]
    Refuse,
    /// The first one, in daylight saving time.
    Earlier,
    /// The second one, in standard time.
    Later,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Year {
    Fixed(i16),
    /// The latest year in which the time is not in the future.
    Current,
}

impl Clock {
    /// Reads a time.
    ///
    /// # Errors
    /// The text is not a time, or is out of range.
    pub(crate) fn read(&self, text: &str) -> Result<Timestamp, String> {
        let nanos = self.nanos(text)?;
        self.timestamp(nanos, text, true)
    }

    /// Checks that a time is valid for a measure. `is_text`: the time comes from the text alone.
    pub(crate) fn timestamp(&self, nanos: i128, text: &str, is_text: bool) -> Result<Timestamp, String> {
        if nanos < YEAR_1980 && !self.allow_before_1980 {
            let advice = if is_text { "if it counts from a start, set `timestamp.start`; " } else { "" };
            return Err(format!(
                "{} is a time before 1980; {advice}if it is right, set `timestamp.allow_before_1980 = true`",
                quoted(text.trim())
            ));
        }
        let timestamp = i64::try_from(nanos).ok().and_then(Timestamp::from_unix_nanos);
        timestamp.ok_or_else(|| format!("{} is outside of the years 1970 to 2262", quoted(text.trim())))
    }

    /// Reads a time as nanoseconds since 1970.
    pub(crate) fn nanos(&self, text: &str) -> Result<i128, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the time is empty".to_owned());
        }
        let mut failure = None;
        for format in &self.formats {
            match self.by_format(format, text) {
                Ok(nanos) => return Ok(nanos),
                Err(why) => failure = failure.or(Some(why)),
            }
        }
        let others = match self.formats.len() {
            0 | 1 => String::new(),
            count => format!(" (nor does it fit the other {} formats)", count - 1),
        };
        Err(format!("{} is not a time: {}{others}", quoted(text), failure.unwrap_or_default()))
    }

    fn by_format(&self, format: &TimeFormat, text: &str) -> Result<i128, String> {
        // A JSON number has a decimal point, also if texts have a comma.
        let number = || {
            let number = plain(text, self.numbers).or_else(|| plain(text, NumberFormat::default()));
            number.ok_or_else(|| "it is not a number".to_owned())
        };
        match format {
            TimeFormat::UnixOrIso => self.unix_or_iso(text),
            TimeFormat::Unix { per_second } => since_1970(&number()?, *per_second),
            TimeFormat::Excel { days_to_1970 } => self.local(excel(&number()?, *days_to_1970)?),
            TimeFormat::LabView => labview(&number()?),
            TimeFormat::Pattern(pattern) => self.by_pattern(text, pattern),
            TimeFormat::PatternAndCount { pattern, per_second } => {
                let (time, count) = text.rsplit_once(' ').ok_or("the last of its fields is missing")?;
                let part = count::part_of_second(count, *per_second)?;
                Ok(self.by_pattern(time.trim_end(), pattern)? + part)
            }
        }
    }

    fn unix_or_iso(&self, text: &str) -> Result<i128, String> {
        match text.parse::<Timestamp>() {
            Ok(timestamp) => Ok(timestamp.unix_nanos().into()),
            Err(_) if iso::is_like_iso(text) => self.iso(text),
            Err(refusal) => match plain(text, self.numbers).filter(|number| decimal(number).is_some()) {
                Some(number) => since_1970(&number, 1),
                None => Err(format!("it {}", refusal.message)),
            },
        }
    }

    fn iso(&self, text: &str) -> Result<i128, String> {
        let iso = iso::parse(text).ok_or("there is no such ISO 8601 date or time")?;
        self.at(iso.local, iso.offset)
    }

    /// The time of a date and time with an offset, or in the zone of the source.
    fn at(&self, local: DateTime, offset: Option<Offset>) -> Result<i128, String> {
        let Some(offset) = offset else { return self.local(local) };
        let timestamp = offset.to_timestamp(local).map_err(|error| error.to_string())?;
        Ok(timestamp.as_nanosecond())
    }

    fn by_pattern(&self, text: &str, pattern: &str) -> Result<i128, String> {
        match BrokenDownTime::parse(pattern, text) {
            Ok(parts) => self.by_parts(parts),
            Err(_) if text.contains("24:00") => self.end_of_day(text, pattern),
            // Programs omit the time at midnight, and seconds that are zero.
            Err(_) if begins_with_iso_date(pattern) && iso::is_like_iso(text) => self.iso(text),
            Err(_) => Err(does_not_fit(pattern)),
        }
    }

    /// `24:00:00` is midnight of the next day.
    fn end_of_day(&self, text: &str, pattern: &str) -> Result<i128, String> {
        let Ok(parts) = BrokenDownTime::parse(pattern, text.replacen("24:00", "00:00", 1)) else {
            return if begins_with_iso_date(pattern) { self.iso(text) } else { Err(does_not_fit(pattern)) };
        };
        let is_midnight = parts.hour() == Some(0)
            && parts.minute().unwrap_or(0) == 0
            && parts.second().unwrap_or(0) == 0
            && parts.subsec_nanosecond().unwrap_or(0) == 0;
        if !is_midnight {
            return Err(does_not_fit(pattern));
        }
        let offset = parts.offset();
        let next = self.dated(parts)?.tomorrow().map_err(|error| error.to_string())?;
        self.at(next, offset)
    }

    fn by_parts(&self, parts: BrokenDownTime) -> Result<i128, String> {
        if let Some(timestamp) = parts.timestamp() {
            return Ok(timestamp.as_nanosecond() + i128::from(parts.subsec_nanosecond().unwrap_or(0)));
        }
        let offset = parts.offset();
        let local = self.dated(parts)?;
        self.at(local, offset)
    }

    fn dated(&self, mut parts: BrokenDownTime) -> Result<DateTime, String> {
        let is_current = parts.year().is_none() && self.year == Some(Year::Current);
        if let (None, Some(year)) = (parts.year(), self.year) {
            let year = match year {
                Year::Fixed(year) => year,
                Year::Current => jiff::Timestamp::now().to_zoned_datetime(TimeZone::UTC).year(),
            };
            parts.set_year(Some(year)).map_err(|error| error.to_string())?;
        }
        let date = |parts: &BrokenDownTime| parts.to_date().map_err(|_| "there is no such date".to_owned());
        let time = match parts.hour() {
            Some(_) => parts.to_time().map_err(|_| "there is no such time of day".to_owned())?,
            None => Time::midnight(),
        };
        if is_current {
            // A tolerance of a day, for clocks that are ahead.
            let latest = jiff::Timestamp::now().to_zoned_datetime(TimeZone::UTC).date().tomorrow();
            let latest = latest.map_err(|error| error.to_string())?;
            while date(&parts).is_ok_and(|date| date > latest) || date(&parts).is_err() {
                let year = parts.year().filter(|year| *year > latest.year() - 8);
                let year = year.ok_or("there is no such date")? - 1;
                parts.set_year(Some(year)).map_err(|error| error.to_string())?;
            }
        }
        Ok(date(&parts)?.to_datetime(time))
    }

    fn local(&self, time: DateTime) -> Result<i128, String> {
        let Some(zone) = &self.zone else {
            return Err(
                "it has no offset; set `timestamp.zone`, such as \"UTC\" or \"Europe/Zurich\"".to_owned()
            );
        };
        let ambiguous = zone.to_ambiguous_timestamp(time);
        let moment = match (ambiguous.offset(), self.twice) {
            (AmbiguousOffset::Gap { .. }, _) => {
                return Err("this time does not occur: the clocks are put forward then".to_owned());
            }
            (AmbiguousOffset::Fold { .. }, Twice::Refuse) => {
                return Err("this time occurs twice: the clocks are put back then (see `twice`)".to_owned());
            }
            (AmbiguousOffset::Fold { .. }, Twice::Later) => ambiguous.later(),
            _ => ambiguous.earlier(),
        };
        moment.map(jiff::Timestamp::as_nanosecond).map_err(|error| error.to_string())
    }
}

fn begins_with_iso_date(pattern: &str) -> bool {
    ["%Y-%m-%d", "%F", "%Y/%m/%d", "%Y.%m.%d"].iter().any(|date| pattern.starts_with(date))
}

/// Names a pattern, with an example of what it reads.
fn does_not_fit(pattern: &str) -> String {
    let example = jiff::civil::date(2022, 4, 6).at(7, 9, 0, 250_000_000).to_zoned_datetime(TimeZone::UTC);
    match example.ok().and_then(|example| strtime::format(pattern, &example).ok()) {
        Some(example) => {
            format!("it does not fit the format `{pattern}`, in which times look like `{example}`")
        }
        None => format!("it does not fit the format `{pattern}`"),
    }
}

#[cfg(test)]
mod tests;
