//! Inputs designed to be lost silently or stored wrongly.

use super::{CSV, HERTZ, TIME, csv, read, times};

const ARRIVAL: &str = "[timestamp]\narrival = true\n";
const XML: &str = "[format]\nkind = \"xml\"\nrecords = \"r/s\"\n[timestamp]\nfield = \"@t\"\n";

/// A mapping of CSV whose value is that column.
fn column(timestamp: &str, value: &str) -> String {
    format!("{CSV}{timestamp}[[measures]]\nmeasure = \"hertz\"\nvalue = {value}\n")
}

#[tokio::test]
async fn a_first_row_of_values_is_not_taken_for_a_header() {
    let by_number = column("[timestamp]\nfield = 1\n", "\"2\"");
    for first in ["1650000000,1.5", "2022-04-15 05:20:00,-1", "\"1650000000\",\"1,5\""] {
        let found = read(format!("{first}\n1650000001,2.5\n").as_bytes(), &by_number).await;
        assert!(found.code == 3 && found.measures.is_empty(), "{first}: {found:?}");
        assert!(found.said.contains("set `header = false`"), "{first}: {found:?}");
    }
    let named = read(b"t,1\n1650000000,1.5\n", &by_number).await;
    assert_eq!((named.code, named.values()), (0, vec![1.5]), "{named:?}");
}

#[tokio::test]
async fn a_header_whose_names_are_numbers_is_no_row_when_it_appears_again() {
    let found = read(b"x,101\n1,5\nx,101\n2,6\n", &column(ARRIVAL, "\"101\"")).await;
    assert_eq!((found.code, found.values()), (3, vec![5.0, 6.0]), "{found:?}");
    assert!(found.said.contains("the header appears again"), "{found:?}");
    // Column numbers do not reveal another order of columns.
    let content = b"time,a,b\n1650000000,1,5\ntime,b,a\n1650000001,6,2\n";
    let found = read(content, &column(TIME, "2")).await;
    assert_eq!((found.code, found.values()), (3, vec![1.0]), "{found:?}");
    assert!(found.said.contains("numbered columns are ambiguous"), "{found:?}");
    // Two files with byte order marks, concatenated by `cat`.
    let found = csv("\u{feff}time,v\n1650000000,1\n\u{feff}v,time\n2,1650000001\n").await;
    assert_eq!((found.code, found.values()), (3, vec![1.0, 2.0]), "{found:?}");
}

#[tokio::test]
async fn rows_within_an_open_quotation_mark_are_reported() {
    let content = "time,v,note\n1650000000,1,\"\n1650000001,2,\"\n1650000002,3,x\n";
    let found = csv(content).await;
    assert_eq!((found.code, found.values()), (3, vec![3.0]), "{found:?}");
    assert!(found.said.contains("is there a quotation mark that is not closed?"), "{found:?}");
    let remark = csv("time,v,note\n1650000000,1,\"a, b\n3 parts, of 4, and\n5\"\n").await;
    assert_eq!((remark.code, remark.values()), (0, vec![1.0]), "{remark:?}");
}

#[tokio::test]
async fn records_with_other_delimiters_are_reported() {
    let text = |more: &str| {
        format!("[format]\nkind = \"text\"\npattern = 'T=(?<v>[0-9.]+){more}'\n{ARRIVAL}{HERTZ}")
    };
    for sign in ["\u{85}", "\u{2028}", "\u{1e}", "\u{c}", "\0"] {
        let found = read(format!("T=1{sign}T=2{sign}T=3\n").as_bytes(), &text("")).await;
        assert!(found.code == 3 && found.measures.is_empty(), "{sign:?}: {found:?}");
        assert!(found.said.contains("the line holds several records"), "{sign:?}: {found:?}");
        let one = read(format!("\u{c}T=1{sign} end\n").as_bytes(), &text("")).await;
        assert_eq!((one.code, one.values()), (0, vec![1.0]), "{sign:?}: {one:?}");
    }
    let row = read(
        "1650000000,1\u{85}1650000001,2\n".as_bytes(),
        &format!("{CSV}header = false\n{}", column("[timestamp]\nfield = 1\n", "2").replace(CSV, "")),
    )
    .await;
    assert!(row.code == 3 && row.measures.is_empty(), "{row:?}");
}

#[tokio::test]
async fn a_truncated_file_has_no_lines_to_skip() {
    let text =
        format!("[format]\nkind = \"text\"\nskip_lines = 2\n{ARRIVAL}[[measures]]\nmeasure = \"hertz\"\n");
    let found = read(b"\0\0\0\x001\n2\n3\n", &text).await;
    assert_eq!((found.code, found.values()), (0, vec![1.0, 2.0, 3.0]), "{found:?}");
    assert_eq!(read(b"a\nb\n3\n", &text).await.values(), [3.0]);
}

#[tokio::test]
async fn texts_around_an_element_are_not_one_value() {
    let description = format!("{XML}[[measures]]\nmeasure = \"hertz\"\nvalue = \"v\"\n");
    let document = |value: &str| format!("<r><s t='1650000000'><v>{value}</v></s></r>");
    for value in ["1<u>V</u>5", "1<br/>5", "1 5"] {
        let found = read(document(value).as_bytes(), &description).await;
        assert!(found.code == 3 && found.measures.is_empty(), "{value}: {found:?}");
    }
    for value in ["1.5<u>V</u>", "\n<u/> 1.5 \n", "1<!-- x -->.5", "1<![CDATA[.]]>5"] {
        let found = read(document(value).as_bytes(), &description).await;
        assert_eq!((found.code, found.values()), (0, vec![1.5]), "{value}: {found:?}");
    }
}

#[tokio::test]
async fn names_are_not_decoded_in_a_wrong_encoding() {
    let description = format!("{XML}{HERTZ}sensor = {{ field = \"n\" }}\n");
    let document = |declared: &str| {
        format!(
            "<?xml version='1.0' encoding='{declared}'?><r><s t='1650000000'><n>K\u{fc}che</n><v>1</v></s></r>"
        )
    };
    let contradicts = read(document("ISO-8859-1").as_bytes(), &description).await;
    assert!(contradicts.code == 3 && contradicts.said.contains("but the bytes are UTF-8"), "{contradicts:?}");
    let told = description.replace("records", "encoding = \"utf-8\"\nrecords");
    let latin: Vec<u8> =
        document("ISO-8859-1").chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    for (content, description) in [
        (document("ISO-8859-1").into_bytes(), &told),
        (latin, &description),
        (document("utf-8").into_bytes(), &description),
    ] {
        let found = read(&content, description).await;
        assert!(found.code == 0 && found.measures[0].ends_with("K\u{fc}che"), "{found:?}");
    }
}

#[tokio::test]
async fn times_that_are_numbers_have_the_decimal_sign_of_the_source() {
    for (format, time, expected) in [
        ("format = \"excel\"\nzone = \"UTC\"", "44657,29791667", "2022-04-06T07:09:00Z"),
        ("format = \"labview\"", "3732073740,25", "2022-04-06T07:09:00.25Z"),
        ("format = \"unix_ms\"", "1650000000000,5", "2022-04-15T05:20:00.0005Z"),
        ("", "1650000000,5", "2022-04-15T05:20:00.5Z"),
        ("start = \"2022-04-15T05:20:00Z\"", "1,5", "2022-04-15T05:20:01.5Z"),
    ] {
        let description = format!("{CSV}delimiter = \";\"\ndecimal = \",\"\n{TIME}{format}\n{HERTZ}");
        let found = read(format!("time;v\n{time};20,5\n").as_bytes(), &description).await;
        assert_eq!((found.code, found.times(), found.values()), (0, vec![expected], vec![20.5]), "{found:?}");
    }
}

#[tokio::test]
async fn lookalikes_of_numbers_are_reported() {
    let german = format!("{CSV}delimiter = \";\"\ndecimal = \",\"\nthousands = \".\"\n{TIME}{HERTZ}");
    for (value, expected) in [
        ("1.234.567", Some(1_234_567.0)),
        ("-1.234,5", Some(-1_234.5)),
        ("1.234e3", Some(1_234_000.0)),
        ("12345.678", None),
        ("1.23", None),
        (".123", None),
        ("1,234.567", None),
        ("1..234", None),
    ] {
        let found = read(format!("time;v\n1650000000;{value}\n").as_bytes(), &german).await;
        assert_eq!(found.values(), Vec::from_iter(expected), "{value}: {found:?}");
        assert_eq!(found.code, if expected.is_some() { 0 } else { 3 }, "{value}: {found:?}");
    }
    for value in ["0x1p3", "1_000", "\u{661}", "1d3", "\u{2212}5", "1 000", "true", "5 V"] {
        let found = csv(&format!("time,v\n1650000000,{value}\n1650000001,2\n")).await;
        assert_eq!((found.code, found.values()), (3, vec![2.0]), "{value}: {found:?}");
    }
    let marked =
        read(b"time,v\n1650000000,NaN\n1650000001,2\n", &format!("{CSV}missing = [\"NAN\"]\n{TIME}{HERTZ}"))
            .await;
    assert_eq!((marked.code, marked.values()), (0, vec![2.0]), "{marked:?}");
}

#[tokio::test]
async fn rows_of_a_followed_file_do_not_begin_again_at_one_start() {
    let counted = |input: &str, start: &str| {
        format!("{CSV}[timestamp]\ninterval = 1\nstart = {start}\n{HERTZ}[input]\n{input}\n")
    };
    let constant = "\"2022-04-06T07:00:00Z\"";
    for input in ["follow = \"input\"", "follow = \"in*\""] {
        let refused = read(b"v\n1\n", &counted(input, constant)).await;
        assert!(
            refused.code == 2 && refused.said.contains("rows are counted from the start of each"),
            "{refused:?}"
        );
    }
    let found = read(b"v\n1\n2\n", &counted("files = [\"input\"]", constant)).await;
    assert_eq!(
        (found.code, found.times()),
        (0, vec!["2022-04-06T07:00:00Z", "2022-04-06T07:00:01Z"]),
        "{found:?}"
    );
}

#[tokio::test]
async fn times_at_the_edges_of_the_calendar_are_right_or_reported() {
    let local = "format = \"%Y-%m-%d %H:%M:%S\"\nzone = \"Europe/Zurich\"";
    for (time, expected) in [
        ("2022-03-27 02:30:00", None),
        ("2022-10-30 02:30:00", None),
        ("2022-02-29 00:00:00", None),
        ("2022-12-31 24:00:00", Some("2022-12-31T23:00:00Z")),
        ("2022-12-31 24:00:01", None),
        ("22-12-31 10:00:00", None),
    ] {
        let found = times(&format!("time,v\n{time},1\n2022-01-01 00:00:00,2\n"), local).await;
        let expected: Vec<_> = expected.into_iter().chain(["2021-12-31T23:00:00Z"]).collect();
        assert_eq!(found.times(), expected, "{time}: {found:?}");
        assert_eq!(found.code, if expected.len() == 2 { 0 } else { 3 }, "{time}: {found:?}");
    }
}
