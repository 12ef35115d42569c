use super::*;
use crate::number::NumberFormat;

fn clock(format: TimeFormat) -> Clock {
    Clock {
        formats: vec![format],
        zone: None,
        twice: Twice::Refuse,
        year: None,
        allow_before_1980: false,
        numbers: NumberFormat::default(),
    }
}

fn pattern(pattern: &str, zone: &str, twice: Twice) -> Clock {
    let zone = zone::zone(zone);
    Clock { zone, twice, ..clock(TimeFormat::Pattern(pattern.to_owned())) }
}

fn read(clock: &Clock, text: &str) -> Result<String, String> {
    clock.read(text).map(|time| time.to_string())
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
        let clock = clock(TimeFormat::Unix { per_second });
        assert_eq!(clock.read(text).unwrap().unix_nanos(), nanos, "{text}");
    }
    for text in ["-1", "x", "", "1e40", "9223372036855"] {
        assert!(clock(TimeFormat::Unix { per_second: 1_000 }).read(text).is_err(), "{text}");
    }
    let milliseconds = clock(TimeFormat::UnixOrIso).read("1650000000123").unwrap_err();
    assert!(milliseconds.contains("`format = \"unix_ms\"`"), "{milliseconds}");
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
fn a_time_that_exists_twice_is_refused_unless_the_description_chooses() {
    let zone = "Europe/Zurich";
    let autumn = "2022-10-30 02:30";
    let read_as = |twice| read(&pattern("%Y-%m-%d %H:%M", zone, twice), autumn);
    assert!(read_as(Twice::Refuse).unwrap_err().contains("twice"));
    assert_eq!(read_as(Twice::Earlier).unwrap(), "2022-10-30T00:30:00Z");
    assert_eq!(read_as(Twice::Later).unwrap(), "2022-10-30T01:30:00Z");
    let spring = read(&pattern("%Y-%m-%d %H:%M", zone, Twice::Later), "2022-03-27 02:30");
    assert!(spring.unwrap_err().contains("does not occur"));
}

#[test]
fn invalid_times_are_refused() {
    for text in ["yesterday", "2022-13-06T00:00:00Z", "2022-04-06T07:09:00"] {
        assert!(read(&clock(TimeFormat::UnixOrIso), text).unwrap_err().contains("is not a time"), "{text}");
    }
    let dates = pattern("%d.%m.%Y", "UTC", Twice::Refuse);
    for (text, why) in [
        ("30.02.2022", "there is no such date"),
        ("2022-04-06", "times look like `06.04.2022`"),
        ("01.01.2300", "outside of the years 1970 to 2262"),
        ("01.01.2022x", "it does not fit the format `%d.%m.%Y`"),
        (" ", "the time is empty"),
    ] {
        let said = read(&dates, text).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn times_before_1980_are_refused_with_advice() {
    for text in ["-3.2E-03", "0.5", "60", "1979-12-31T23:59:59Z", "1969-12-31T23:59:59Z"] {
        let said = read(&clock(TimeFormat::UnixOrIso), text).unwrap_err();
        assert!(said.contains("`timestamp.start`") && said.contains("before 1980"), "{text}: {said}");
    }
    let allowed = Clock { allow_before_1980: true, ..clock(TimeFormat::UnixOrIso) };
    assert_eq!(read(&allowed, "60").unwrap(), "1970-01-01T00:01:00Z");
    assert!(read(&allowed, "-1").unwrap_err().contains("1970 to 2262"));
}

#[test]
fn omitted_parts_of_a_time_are_zero() {
    let clock = pattern("%Y-%m-%d %H:%M:%S", "UTC", Twice::Refuse);
    for (text, expected) in [
        ("2024-01-02", "2024-01-02T00:00:00Z"),
        ("2024-01-02 00:10", "2024-01-02T00:10:00Z"),
        ("2024-01-02 24:00:00", "2024-01-03T00:00:00Z"),
        ("2024-02-29 24:00", "2024-03-01T00:00:00Z"),
    ] {
        assert_eq!(read(&clock, text).unwrap(), expected);
    }
    assert!(read(&clock, "2024-01-02 24:00:01").is_err());
    // Day and month could be swapped.
    assert!(read(&pattern("%Y-%d-%m %H:%M", "UTC", Twice::Refuse), "2024-01-13").is_err());
    let german = pattern("%d.%m.%Y %H:%M", "Europe/Zurich", Twice::Refuse);
    assert_eq!(read(&german, "31.12.2023 24:00").unwrap(), "2023-12-31T23:00:00Z");
}

#[test]
fn several_formats_are_tried_in_their_order() {
    let formats = ["%d.%m.%Y %H:%M", "%d.%m.%Y"].map(|text| TimeFormat::Pattern(text.to_owned()));
    let clock = Clock { formats: formats.to_vec(), ..pattern("", "UTC", Twice::Refuse) };
    assert_eq!(read(&clock, "06.04.2022 07:09").unwrap(), "2022-04-06T07:09:00Z");
    assert_eq!(read(&clock, "06.04.2022").unwrap(), "2022-04-06T00:00:00Z");
    assert!(read(&clock, "06/04/2022").unwrap_err().contains("nor does it fit the other 1 formats"));
}

#[test]
fn parts_of_a_second_in_a_field_of_their_own_carry_over() {
    let clock = clock(TimeFormat::PatternAndCount { pattern: "%s".to_owned(), per_second: 1_000_000_000 });
    for (text, expected) in [
        ("1650000000 5000000", "2022-04-15T05:20:00.005Z"),
        ("1650000001 1000000000", "2022-04-15T05:20:02Z"),
        ("1650000000 0", "2022-04-15T05:20:00Z"),
    ] {
        assert_eq!(read(&clock, text).unwrap(), expected);
    }
    for text in ["1650000000", "1650000000 -1", "1650000000 x", "x 1"] {
        assert!(read(&clock, text).is_err(), "{text}");
    }
}

#[test]
fn a_fraction_after_unix_seconds_is_kept() {
    assert_eq!(
        read(&pattern("%s.%f", "UTC", Twice::Refuse), "1650000000.25").unwrap(),
        "2022-04-15T05:20:00.25Z"
    );
}

#[test]
fn serial_dates_of_spreadsheets_and_labview_are_read() {
    let excel =
        Clock { zone: zone::zone("Europe/Zurich"), ..clock(TimeFormat::Excel { days_to_1970: 25_569 }) };
    assert_eq!(read(&excel, "44657.381250000000").unwrap(), "2022-04-06T07:09:00Z");
    assert_eq!(read(&excel, "44657.3812500001").unwrap(), "2022-04-06T07:09:00Z");
    assert!(read(&excel, "44657,38").is_err() && read(&excel, "1e25").is_err());
    assert_eq!(read(&clock(TimeFormat::LabView), "3732073740.5").unwrap(), "2022-04-06T07:09:00.5Z");
}

#[test]
fn a_missing_year_is_the_given_one_or_the_latest_that_is_not_in_the_future() {
    let fixed = Clock { year: Some(Year::Fixed(2022)), ..pattern("%b %e %H:%M:%S", "UTC", Twice::Refuse) };
    assert_eq!(read(&fixed, "Apr  6 07:09:00").unwrap(), "2022-04-06T07:09:00Z");
    assert!(read(&fixed, "Feb 29 07:09:00").unwrap_err().contains("there is no such date"));
    let current = Clock { year: Some(Year::Current), ..fixed.clone() };
    let tomorrow_and_more = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 40);
    let text = tomorrow_and_more.to_zoned_datetime(TimeZone::UTC).strftime("%b %e %H:%M:%S").to_string();
    assert!(current.read(&text).unwrap() < Timestamp::now(), "{text}");
    assert!(current.read("Feb 29 07:09:00").unwrap() < Timestamp::now());
    assert!(current.read("Feb 30 07:09:00").is_err());
}

#[test]
fn the_time_since_a_start_is_a_number_or_a_clock() {
    let comma = NumberFormat { decimal: ',', thousands: None };
    for (text, unit, numbers, nanos) in [
        ("-3.200000E-03", Unit::Seconds, NumberFormat::default(), -3_200_000),
        ("0,25", Unit::Milliseconds, comma, 250_000),
        ("1.5", Unit::Minutes, NumberFormat::default(), 90_000_000_000),
        ("00:01:02.5", Unit::Seconds, NumberFormat::default(), 62_500_000_000),
        ("-1.00:00:00", Unit::Seconds, NumberFormat::default(), -86_400_000_000_000),
        ("0.30000000000000004440892098500626", Unit::Seconds, NumberFormat::default(), 300_000_000),
    ] {
        assert_eq!(elapsed(text, unit, numbers), Ok(nanos), "{text}");
    }
    for text in ["", "x", "1:2:3:4", "00:61:00", "00:00:-1", "1e300", "-:1:1"] {
        assert!(elapsed(text, Unit::Seconds, NumberFormat::default()).is_err(), "{text}");
    }
}
