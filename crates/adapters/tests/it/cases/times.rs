//! Times as instruments write them.

use super::{CSV, HERTZ, TIME, csv, read, times};

#[tokio::test]
async fn forms_of_iso_8601_are_read_also_mixed() {
    let found = csv("time,v\n2023-04-15T12:33:59Z,1\n2023-04-15T12:34Z,2\n2023-04-15T12:34:05.120+0000,3\n2023-04-15T12:35:00+00,4\n").await;
    let expected =
        ["2023-04-15T12:33:59Z", "2023-04-15T12:34:00Z", "2023-04-15T12:34:05.12Z", "2023-04-15T12:35:00Z"];
    assert_eq!((found.code, found.times()), (0, expected.to_vec()), "{found:?}");

    let pattern = "format = \"%Y-%m-%d %H:%M:%S\"\nzone = \"UTC\"";
    let found = times(
        "time,v\n2024-01-01 23:50:00,1\n2024-01-02,2\n2024-01-02 00:10:00,3\n2024-01-02 24:00,4\n",
        pattern,
    )
    .await;
    let expected =
        ["2024-01-01T23:50:00Z", "2024-01-02T00:00:00Z", "2024-01-02T00:10:00Z", "2024-01-03T00:00:00Z"];
    assert_eq!((found.code, found.times()), (0, expected.to_vec()), "{found:?}");

    let two = "format = [\"%d.%m.%Y %H:%M\", \"%d.%m.%Y\"]\nzone = \"UTC\"";
    let found = times("time,v\n01.02.2024 10:00,1\n02.02.2024,2\n02/02/2024,3\n", two).await;
    assert_eq!(
        (found.code, found.times()),
        (3, vec!["2024-02-01T10:00:00Z", "2024-02-02T00:00:00Z"]),
        "{found:?}"
    );
    // Without a zone the time is ambiguous.
    let local = csv("time,v\n2024-01-01T23:50,1\n").await;
    assert!(local.code == 3 && local.said.contains("set `timestamp.zone`"), "{local:?}");
    let half = times("time,v\n2024-01-0,1\n2024-01-01 2,2\n", pattern).await;
    assert_eq!((half.code, half.measures.len()), (3, 0), "half a time is none: {half:?}");
}

#[tokio::test]
async fn fixed_offsets_are_read() {
    let content = "time,v\n2022-01-06 09:09:00,1\n2022-07-06 09:09:00,2\n";
    for zone in ["+01:00", "+0100", "+01", "UTC+1", "Etc/GMT-1"] {
        let found = times(content, &format!("format = \"%Y-%m-%d %H:%M:%S\"\nzone = \"{zone}\"")).await;
        let expected = vec!["2022-01-06T08:09:00Z", "2022-07-06T08:09:00Z"];
        assert_eq!((found.code, found.times()), (0, expected), "{zone}: {found:?}");
    }
    for zone in ["+1:0:0", "+25:99", "CET+1x", ""] {
        let found = times(content, &format!("format = \"%Y-%m-%d %H:%M:%S\"\nzone = \"{zone}\"")).await;
        assert!(found.code == 2 && found.said.contains("`+01:00`"), "{zone}: {found:?}");
    }
}

#[tokio::test]
async fn seconds_and_their_parts_in_two_fields_are_put_together() {
    let json = r#"[{"meta":{"name":"T"},"data":[{"secs":1650000000,"nanos":5000000,"val":1},{"secs":1650000000,"nanos":165887337,"val":2},{"secs":1650000001,"nanos":1000000000,"val":3}]}]"#;
    let description = "[format]\nkind = \"json\"\nrecords = \"*.data\"\n[timestamp]\nfields = [\"secs\", \"nanos\"]\nformat = \"%s %f\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"val\"\n";
    let found = read(json.as_bytes(), description).await;
    let expected = ["2022-04-15T05:20:00.005Z", "2022-04-15T05:20:00.165887337Z", "2022-04-15T05:20:02Z"];
    assert_eq!((found.code, found.times()), (0, expected.to_vec()), "{found:?}");
    for (format, nanos, expected) in [
        ("%s %6f", "5", "2022-04-15T05:20:00.000005Z"),
        ("%s %3f", "50", "2022-04-15T05:20:00.05Z"),
        ("%s %3f", "1500", "2022-04-15T05:20:01.5Z"),
    ] {
        let json = format!("[{{\"s\":1650000000,\"n\":{nanos},\"v\":1}}]");
        let description = format!(
            "[format]\nkind = \"json\"\n[timestamp]\nfields = [\"s\", \"n\"]\nformat = \"{format}\"\n{HERTZ}"
        );
        let found = read(json.as_bytes(), &description).await;
        assert_eq!((found.code, found.times()), (0, vec![expected]), "{format}: {found:?}");
    }
    for nanos in ["-1", "null", "\"x\""] {
        let json = json.replace(":5000000", &format!(":{nanos}"));
        let found = read(json.as_bytes(), description).await;
        assert_eq!((found.code, found.values()), (3, vec![2.0, 3.0]), "{nanos}: {found:?}");
    }
}

const SCOPE: &str =
    "x-axis,1\nsecond,Volt\n-3.200000E-03,+4.938E+00\n+0.000000E+00,+4.902E+00\n+3.200000E-03,+4.835E+00\n";

fn scope(more: &str) -> String {
    format!("{CSV}[timestamp]\nfield = \"x-axis\"\n{more}\n[[measures]]\nmeasure = \"volt\"\nvalue = \"1\"\n")
}

#[tokio::test]
async fn times_that_count_from_a_start_need_one() {
    let none = read(SCOPE.as_bytes(), &scope("")).await;
    assert!(none.code == 3 && none.measures.is_empty(), "{none:?}");
    assert!(none.said.contains("if it counts from a start, set `timestamp.start`"), "{none:?}");
    let constant = read(SCOPE.as_bytes(), &scope("start = \"2022-04-06T07:00:00Z\"")).await;
    let expected = ["2022-04-06T06:59:59.9968Z", "2022-04-06T07:00:00Z", "2022-04-06T07:00:00.0032Z"];
    assert_eq!((constant.code, constant.times()), (0, expected.to_vec()), "{constant:?}");

    // From a head line, and in another unit.
    let head = format!("Trigger Time,06.04.2022 09:00:00\n{SCOPE}");
    let from_head = scope("unit = \"ms\"\nzone = \"Europe/Zurich\"\nstart = { head = 'Trigger Time,(.+)', format = \"%d.%m.%Y %H:%M:%S\" }").replace("kind", "skip_lines = 1\nkind");
    let found = read(head.as_bytes(), &from_head).await;
    assert_eq!((found.code, found.times()[2]), (0, "2022-04-06T07:00:00.0000032Z"), "{found:?}");
    let absent = read(format!("Something,else\n{SCOPE}").as_bytes(), &from_head).await;
    assert!(absent.code == 3 && absent.said.contains("no line before the records matches"), "{absent:?}");

    // From another field.
    let json = r#"{"start": 1650000000, "samples": [{"t": "00:00:01.5", "v": 1}, {"t": 90, "v": 2}]}"#;
    let description = format!(
        "[format]\nkind = \"json\"\nrecords = \"samples\"\n[timestamp]\nfield = \"t\"\nstart = {{ field = \"/start\" }}\n{HERTZ}"
    );
    let found = read(json.as_bytes(), &description).await;
    assert_eq!(
        (found.code, found.times()),
        (0, vec!["2022-04-15T05:20:01.5Z", "2022-04-15T05:21:30Z"]),
        "{found:?}"
    );

    for (more, said) in [
        ("start = \"yesterday\"", "`timestamp.start`: \\\"yesterday\\\" is not a time".replace('\\', "")),
        ("start = \"2022-04-06\"", "set `timestamp.zone`".to_owned()),
        ("interval = 1", "`timestamp.interval` belongs to `timestamp.start`".to_owned()),
    ] {
        let found = read(SCOPE.as_bytes(), &scope(more)).await;
        assert!(found.code == 2 && found.said.contains(&said), "{more}: {found:?}");
    }
    let allowed = times("time,v\n60,1\n", "allow_before_1980 = true").await;
    assert_eq!((allowed.code, allowed.times()), (0, vec!["1970-01-01T00:01:00Z"]), "{allowed:?}");
}

#[tokio::test]
async fn rows_without_a_time_are_counted_from_the_start() {
    let content = "------ Data File Created By logger at 60 Hz ------\nStart Time 17:33:00\nStart Date 02/04/2015\nX,v\n0.008,-0.032\n0.009,\n0.010,x\n0.009,-0.031\n";
    let description = |more: &str| {
        format!(
            "{CSV}skip_lines = 3\n[timestamp]\nzone = \"UTC\"\n{more}\nstart = {{ head = 'Start Time (\\S+)\\s+Start Date (\\S+)', format = \"%H:%M:%S %d/%m/%Y\" }}\n{HERTZ}"
        )
    };
    for more in ["rate = 60", "rate = { head = 'at (\\d+) Hz' }"] {
        let found = read(content.as_bytes(), &description(more)).await;
        let expected = vec!["2015-04-02T17:33:00Z", "2015-04-02T17:33:00.05Z"];
        assert_eq!((found.code, found.times()), (3, expected), "bad rows take their time, too: {found:?}");
    }
    let tenth = read(content.as_bytes(), &description("interval = 0.1")).await;
    assert_eq!(tenth.times(), ["2015-04-02T17:33:00Z", "2015-04-02T17:33:00.3Z"], "{tenth:?}");
    for more in ["rate = 0", "interval = -1", "rate = 1\ninterval = 1", ""] {
        assert_eq!(read(content.as_bytes(), &description(more)).await.code, 2, "{more}");
    }
    let zero = content.replace("60 Hz", "0 Hz");
    let zero = read(zero.as_bytes(), &description("rate = { head = 'at (\\d+) Hz' }")).await;
    assert!(
        zero.code == 3 && zero.measures.is_empty() && zero.said.contains("is not a number above 0"),
        "{zero:?}"
    );
}

#[tokio::test]
async fn counts_of_spreadsheets_and_programs_are_dates() {
    for (more, time, expected) in [
        ("format = \"excel\"\nzone = \"UTC\"", "44657.29791667", "2022-04-06T07:09:00Z"),
        ("format = \"excel_1904\"\nzone = \"UTC\"", "43195.29791667", "2022-04-06T07:09:00Z"),
        ("format = \"labview\"", "3732073740.25", "2022-04-06T07:09:00.25Z"),
        ("format = \"unix_us\"", "1650000000000001", "2022-04-15T05:20:00.000001Z"),
    ] {
        let found = times(&format!("time,v\n{time},1\n"), more).await;
        assert_eq!((found.code, found.times()), (0, vec![expected]), "{more}: {found:?}");
    }
    assert_eq!(times("time,v\n1,1\n", "format = \"excel\"").await.code, 2, "Excel has no zone");
    let milliseconds = csv("time,v\n1650000000000,1\n").await;
    assert!(milliseconds.code == 3 && milliseconds.said.contains("unix_ms"), "{milliseconds:?}");
}

#[tokio::test]
async fn a_year_that_is_not_written_is_given() {
    let description = |more: &str| {
        format!(
            "[format]\nkind = \"text\"\npattern = '^(?<time>\\S+ +\\d+ \\S+) (?<v>\\S+)'\n{TIME}format = \"%b %e %H:%M:%S\"\nzone = \"UTC\"\n{more}\n{HERTZ}"
        )
    };
    let found = read(b"Apr  6 07:09:00 1.5\n", &description("year = 2022")).await;
    assert_eq!((found.code, found.times()), (0, vec!["2022-04-06T07:09:00Z"]), "{found:?}");
    let none = read(b"Apr  6 07:09:00 1.5\n", &description("")).await;
    assert!(none.code == 2 && none.said.contains("`timestamp.year` is missing"), "{none:?}");
    let leap = read(b"Feb 29 07:09:00 1.5\n", &description("year = 2022")).await;
    assert!(leap.code == 3 && leap.said.contains("there is no such date"), "{leap:?}");
    assert_eq!(read(b"Apr  6 07:09:00 1.5\n", &description("year = \"now\"")).await.code, 2);
}
