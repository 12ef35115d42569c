//! ISO 8601 dates and times, in the forms that programs write.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// A date, with or without time and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Iso {
    pub(super) local: DateTime,
    pub(super) offset: Option<Offset>,
}

/// The unparsed rest of a text.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn number(&mut self, digits: usize) -> Option<i16> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let is_number = number.iter().all(u8::is_ascii_digit);
        self.0 = rest;
        is_number.then(|| number.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
    }

    fn small(&mut self) -> Option<i8> {
        i8::try_from(self.number(2)?).ok()
    }

    fn take(&mut self, allowed: &[u8]) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if allowed.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }
}

/// Whether a text begins as an ISO 8601 date.
pub(super) fn is_like_iso(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_date = |length: usize| bytes.len() > length && bytes[..length].iter().all(u8::is_ascii_digit);
    (is_date(4) && bytes[4] == b'-') || (is_date(8) && matches!(bytes[8], b'T' | b't'))
}

/// Reads a date (`2022-04-06`) or date and time (`2022-04-06T07:09`, `20220406T070900.5Z`), with or
/// without offset (`Z`, `+01:00`, `+0100`, `+01`). `None` if the text is anything else.
pub(super) fn parse(text: &str) -> Option<Iso> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.number(4)?;
    let is_extended = rest.take(b"-");
    let month = rest.small()?;
    if is_extended && !rest.take(b"-") {
        return None;
    }
    let date = Date::new(year, month, rest.small()?).ok()?;
    if rest.0.is_empty() {
        return is_extended.then(|| Iso { local: date.to_datetime(Time::midnight()), offset: None });
    }
    if !rest.take(b"Tt ") {
        return None;
    }
    let local = time(&mut rest, date)?;
    rest.take(b" ");
    let offset = offset(&mut rest)?;
    rest.0.is_empty().then_some(Iso { local, offset })
}

fn time(rest: &mut Rest<'_>, date: Date) -> Option<DateTime> {
    let hour = rest.small()?;
    let is_extended = rest.take(b":");
    let minute = rest.small()?;
    let has_seconds =
        if is_extended { rest.take(b":") } else { rest.0.first().is_some_and(u8::is_ascii_digit) };
    let second = if has_seconds { rest.small()? } else { 0 };
    let mut nanos = 0;
    if has_seconds && rest.take(b".,") {
        let digits = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        // Digits beyond nanoseconds are truncated.
        for place in 0..9 {
            let digit = rest.0.get(place).filter(|_| place < digits).map_or(0, |digit| digit - b'0');
            nanos = nanos * 10 + i32::from(digit);
        }
        rest.0 = &rest.0[digits..];
    }
    if (hour, minute, second, nanos) == (24, 0, 0, 0) {
        return Some(date.tomorrow().ok()?.to_datetime(Time::midnight()));
    }
    Some(date.to_datetime(Time::new(hour, minute, second, nanos).ok()?))
}

fn offset(rest: &mut Rest<'_>) -> Option<Option<Offset>> {
    if rest.0.is_empty() {
        return Some(None);
    }
    if rest.take(b"Zz") || rest.0.eq_ignore_ascii_case(b"utc") {
        rest.0 = rest.0.strip_prefix(b"UTC").or(rest.0.strip_prefix(b"utc")).unwrap_or(rest.0);
        return Some(Some(Offset::UTC));
    }
    let is_negative = rest.take(b"-");
    if !is_negative && !rest.take(b"+") {
        return None;
    }
    let hours = i32::from(rest.small()?);
    let minutes = if rest.take(b":") || !rest.0.is_empty() { i32::from(rest.small()?) } else { 0 };
    if minutes > 59 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    Offset::from_seconds(if is_negative { -seconds } else { seconds }).ok().map(Some)
}

/// An offset alone, such as `+01:00`.
pub(super) fn parse_offset(text: &str) -> Option<Offset> {
    let mut rest = Rest(text.as_bytes());
    let offset = offset(&mut rest)??;
    rest.0.is_empty().then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Option<String> {
        let iso = parse(text)?;
        let offset = iso.offset.map_or_else(|| "-".to_owned(), |offset| offset.seconds().to_string());
        Some(format!("{} {offset}", iso.local))
    }

    #[test]
    fn the_forms_that_programs_write_are_read() {
        for (text, expected) in [
            ("2024-01-02", "2024-01-02T00:00:00 -"),
            ("2023-04-15T12:34Z", "2023-04-15T12:34:00 0"),
            ("2023-04-15T12:34:05.120+0000", "2023-04-15T12:34:05.12 0"),
            ("2023-04-15T12:35:00+00", "2023-04-15T12:35:00 0"),
            ("2023-04-15 12:35:00 -0530", "2023-04-15T12:35:00 -19800"),
            ("2023-04-15 12:35:00 UTC", "2023-04-15T12:35:00 0"),
            ("20230415T123500,5+01:00", "2023-04-15T12:35:00.5 3600"),
            ("2023-12-31T24:00:00", "2024-01-01T00:00:00 -"),
            ("2023-04-15T12:34:05.1234567899z", "2023-04-15T12:34:05.123456789 0"),
        ] {
            assert_eq!(show(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_read() {
        for text in [
            "",
            "2024",
            "20240102",
            "2024-1-2",
            "2024-02-30",
            "2024-01-02T",
            "2024-01-02T1",
            "2024-01-02T24:00:01",
            "2024-01-02T25:00",
            "2024-01-02T12:60",
            "2024-01-02T12:00:00.",
            "2024-01-02T12:00+1",
            "2024-01-02T12:00+01:60",
            "2024-01-02X12:00",
            "2024-01-02T12:00 CET",
            "٢٠٢٤-01-02",
            "2024-01-02T12:00Zz",
        ] {
            assert_eq!(show(text), None, "{text}");
        }
    }
}
