//! Unusual line ends, encodings, headers and documents.

use super::{CSV, HERTZ, TIME, csv, read};

const TEXT: &str =
    "[format]\nkind = \"text\"\n[timestamp]\narrival = true\n[[measures]]\nmeasure = \"hertz\"\n";

#[tokio::test]
async fn lines_end_in_any_way() {
    let rows = "time,v\r1650000000,1.5\r1650000001,2.5\r";
    let with = |more: &str| format!("{CSV}{more}\n{TIME}{HERTZ}");
    for (content, more) in [
        (format!("# station 7\r{rows}"), "comment = \"#\""),
        (format!("Station 7\r{rows}"), "skip_lines = 1"),
        (format!("Station 7\r\n{}", rows.replace('\r', "\n")), "skip_lines = 1"),
        (format!("Station 7\r\n{}", rows.replacen('\r', "\r\n", 2)), "skip_lines = 1"),
        (rows.replace('\r', "\r\r\n"), ""),
        (rows.trim_end().to_owned(), ""),
    ] {
        let found = read(content.as_bytes(), &with(more)).await;
        assert_eq!((found.code, found.values()), (0, vec![1.5, 2.5]), "{content:?}: {found:?}");
    }
    for content in ["1\r2\r3\r", "1\r2\n3\r\n", "1\r\r\n2\n\r3"] {
        let found = read(content.as_bytes(), TEXT).await;
        assert_eq!((found.code, found.values()), (0, vec![1.0, 2.0, 3.0]), "{content:?}: {found:?}");
    }
    let utf16: Vec<u8> = "\u{feff}1\r2\r\u{d0a}3".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = read(&utf16, TEXT).await;
    assert_eq!((found.code, found.values()), (3, vec![1.0, 2.0]), "U+0D0A ends no line: {found:?}");
    assert!(found.said.contains("\"line\":3"), "{found:?}");
}

#[tokio::test]
async fn a_contradicting_encoding_declaration_is_an_error_or_harmless() {
    let xml = "<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n<Run><Sample At=\"1650000000\"><Value>1.5</Value></Sample>\r\n<Sample At=\"1650000001\"><Value>1.25</Value></Sample></Run>\r\n";
    let description = "[format]\nkind = \"xml\"\nrecords = \"Run/Sample\"\n[timestamp]\nfield = \"@At\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"Value\"\n";
    let utf16 = |bytes: fn(u16) -> [u8; 2]| xml.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    for content in [xml.as_bytes(), &utf16(u16::to_le_bytes), &utf16(u16::to_be_bytes)] {
        let found = read(content, description).await;
        assert_eq!((found.code, found.values()), (0, vec![1.5, 1.25]), "{found:?}");
    }
    let latin = xml.replace("utf-16", "utf-8").replace("1.25", "\u{e9}");
    let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(read(&latin, description).await.code, 3);

    let marked = b"\xef\xbb\xbftime,v\n1650000000,1\n";
    for encoding in ["utf-16le", "windows-1252"] {
        let description = format!("{CSV}encoding = \"{encoding}\"\n{TIME}{HERTZ}");
        let found = read(marked, &description).await;
        assert!(found.code == 3 && found.said.contains("byte order mark"), "{encoding}: {found:?}");
    }
    let wrong =
        read(b"time,v\n1650000000,1\n", &format!("{CSV}encoding = \"utf-16le\"\n{TIME}{HERTZ}")).await;
    assert_eq!((wrong.code, wrong.measures.len()), (3, 0), "{wrong:?}");
}

#[tokio::test]
async fn a_source_without_a_record_is_an_error_that_names_its_content() {
    let json = |records: &str| {
        format!("[format]\nkind = \"json\"\nrecords = \"{records}\"\n[timestamp]\nfield = \"t\"\n{HERTZ}")
    };
    let document = r#"{"data":{"samples":[{"t":1650000000,"v":1.5}]}}"#;
    let moved = read(document.as_bytes(), &json("samples")).await;
    assert!(
        moved.code == 3
            && moved
                .said
                .contains("there is no record at `samples` (`format.records`); the document has `data`"),
        "{moved:?}"
    );
    assert_eq!(read(document.as_bytes(), &json("data.samples")).await.code, 0);
    for (document, said) in [
        (r#"{"samples": []}"#, "the array at `samples` is empty"),
        (r#"{"samples": null}"#, "there is no record at `samples`"),
        (r#"{"samples": {"t": 1650000000}}"#, "none of the 1 records has `v`"),
    ] {
        let found = read(document.as_bytes(), &json("samples")).await;
        assert!(found.code == 3 && found.said.contains(said), "{document}: {found:?}");
    }
    let xml = "[format]\nkind = \"xml\"\nrecords = \"Run/Sample\"\n[timestamp]\nfield = \"@t\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \".\"\n";
    let found = read(b"<Runs><Sample t='1650000000'>1</Sample></Runs>", xml).await;
    assert!(found.code == 3 && found.said.contains("the root element is `Runs`"), "{found:?}");
    let header = csv("time,v\n").await;
    assert!(header.code == 3 && header.said.contains("there is no row after the header"), "{header:?}");
    assert_eq!(read(b"\n\n", TEXT).await.code, 3);
    assert_eq!(read(&[0; 5_000], TEXT).await.code, 3);
    assert_eq!(read(b"", TEXT).await.code, 0);
}

#[tokio::test]
async fn rows_of_units_after_the_header_are_not_records() {
    let toa5 = "\"TOA5\",\"STN\",\"CR1000\",\"00000\"\r\n\"TIMESTAMP\",\"RECORD\",\"Level\",\"Temp_C_Avg\"\r\n\"TS\",\"RN\",\"m\",\"Deg C\"\r\n\"\",\"\",\"Smp\",\"Avg\"\r\n\"2022-01-11 20:30:00\",0,\"NAN\",\"NAN\"\r\n\"2022-01-17 22:40:00\",1,0.756,30.18\r\n\"2022-01-17 22:40:00.05\",2,0.757,35.38\r\n";
    let description = |more: &str, time: &str, value: &str| {
        format!(
            "{CSV}missing = [\"NAN\"]\n{more}\n[timestamp]\nfield = {time}\nformat = \"%Y-%m-%d %H:%M:%S%.f\"\nzone = \"Etc/GMT-12\"\n[[measures]]\nmeasure = \"degree Celsius\"\nvalue = {value}\n"
        )
    };
    for (more, time, value) in [
        ("skip_lines = 1", "\"TIMESTAMP\"", "\"Temp_C_Avg\""),
        ("skip_lines = 1\nskip_rows = 2", "\"TIMESTAMP\"", "\"Temp_C_Avg\""),
        ("skip_lines = 1", "\"1\"", "4"),
        ("skip_lines = 4\nheader = false", "1", "\"4\""),
    ] {
        let found = read(toa5.as_bytes(), &description(more, time, value)).await;
        assert_eq!((found.code, found.values()), (0, vec![30.18, 35.38]), "{more}: {found:?}");
    }
    // Names without a value, more names than units, and units with numbers are reported.
    for content in
        ["time,v\ns,V\n", "time,v\na,b\nc,d\ne,f\ng,h\n1650000000,1\n", "time,v\n20 s,1 V x\n1650000000,1\n"]
    {
        let found = csv(content).await;
        assert_eq!(found.code, if content.contains("20 s") { 0 } else { 3 }, "{content}: {found:?}");
    }
    let number = csv("time,v\ns,1\n1650000000,1\n").await;
    assert!(number.code == 3 && number.values() == [1.0], "{number:?}");
}

#[tokio::test]
async fn a_header_that_appears_again_is_an_error_and_its_order_counts() {
    let same = csv("time,v\n1650000000,1\ntime,v\n1650000001,2\n").await;
    assert_eq!((same.code, same.values()), (3, vec![1.0, 2.0]), "{same:?}");
    assert!(same.said.contains("the header appears again"), "{same:?}");
    let other = csv("time,v,w\n1650000000,1,9\nv,w,time\n2,9,1650000001\n").await;
    assert_eq!((other.code, other.values()), (3, vec![1.0, 2.0]), "{other:?}");
    assert!(other.said.contains("with other columns; the rows after it are read by it"), "{other:?}");
    let wider = csv("time,v\n1650000000,1\nw,time,x,v\n9,1650000001,9,2\n").await;
    assert_eq!((wider.code, wider.values()), (3, vec![1.0, 2.0]), "{wider:?}");
    let twice = csv("time,v\n1650000000,1\nv,time,v\n2,1650000001,3\n").await;
    assert_eq!((twice.code, twice.values()), (3, vec![1.0]), "which `v` is meant? {twice:?}");
}

#[tokio::test]
async fn rows_and_headers_of_different_lengths_are_read_if_unambiguous() {
    for (content, values) in [
        ("time,v,Comment\n1650000000,1\n1650000001,2\n", vec![1.0, 2.0]),
        ("time,v,\n1650000000,1\n1650000001,2\n", vec![1.0, 2.0]),
        ("time,v\n1650000000,1,\n1650000001,2,,\n", vec![1.0, 2.0]),
        ("time,v,Comment\n1650000000,1\n1650000001,2,all\n", vec![1.0, 2.0]),
    ] {
        let found = csv(content).await;
        assert_eq!((found.code, found.values()), (0, values), "{content}: {found:?}");
    }
    // An unnamed column of row names, a truncated row, a value split by a decimal comma.
    for (content, values) in [
        ("time,v\n1,1650000000,1\n2,1650000001,2\n", vec![]),
        ("time,v,w\n1650000000,1.25,3\n1650000001,1.2\n", vec![1.25]),
        ("time,v\n1650000000,1,5\n1650000001,2\n", vec![2.0]),
    ] {
        let found = csv(content).await;
        assert_eq!((found.code, found.values()), (3, values), "{content}: {found:?}");
    }
    let short = format!("{CSV}short_rows = true\n{TIME}{HERTZ}");
    let lvm = "time,v,Comment\n1650000000,1,started\n1650000001,2\n";
    assert_eq!(csv(lvm).await.code, 3, "the second row could be cut off");
    let found = read(lvm.as_bytes(), &short).await;
    assert_eq!((found.code, found.values()), (0, vec![1.0, 2.0]), "{found:?}");
    let by_number = format!(
        "{CSV}header = false\n[timestamp]\nfield = 1\n[[measures]]\nmeasure = \"hertz\"\nvalue = 3\n"
    );
    let found = read(b"1650000000,1\n1650000001,2,3\n", &by_number).await;
    assert_eq!((found.code, found.values()), (3, vec![3.0]), "{found:?}");
    assert!(found.said.contains("the row has 2 columns, but column 3 is mapped"), "{found:?}");
}

#[tokio::test]
async fn other_lines_are_skipped_and_garbled_ones_reported() {
    let nmea = "$GPRMC,205120.026,A,0000.0000,N,00000.0000,W,3.47,344.64,160326,,,A*7D\r\n$IIMTW,24.0,C*15\r\n$IIHDM,28.0,M*18\r\n$IIMTW,24.1,C*14\r\n$\0PH\0M,0 8. ,M*3E\r\n";
    let description = "[format]\nkind = \"text\"\npattern = '^\\$..MTW,(?<c>[-0-9.]+),C\\*'\npass_over = ['^\\$[A-Z]{2}(RMC|HDM),[^*]*\\*[0-9A-F]{2}$']\n[timestamp]\narrival = true\n[[measures]]\nmeasure = \"degree Celsius\"\nvalue = \"c\"\n";
    let found = read(nmea.as_bytes(), description).await;
    assert_eq!((found.code, found.values()), (3, vec![24.0, 24.1]), "{found:?}");
    assert!(
        found.said.contains("1 records could not be read") && found.said.contains("\"line\":5"),
        "{found:?}"
    );
    let whole = nmea.rsplit_once("$\0").unwrap().0;
    assert_eq!(read(whole.as_bytes(), description).await.code, 0);
    let rows = format!("{CSV}pass_over = \"^total\"\n{TIME}{HERTZ}");
    let found = read(b"time,v\n1650000000,1\ntotal,\"1\n2\"\n1650000001,2\n", &rows).await;
    assert_eq!((found.code, found.values()), (0, vec![1.0, 2.0]), "{found:?}");
    let wrong = read(whole.as_bytes(), &description.replace("pass_over = ['", "pass_over = ['(")).await;
    assert!(wrong.code == 2 && wrong.said.contains("`format.pass_over`"), "{wrong:?}");
    let json = read(b"[]", &format!("[format]\nkind = \"json\"\npass_over = \"x\"\n{TIME}{HERTZ}")).await;
    assert_eq!(json.code, 2, "{json:?}");
}

#[tokio::test]
async fn records_in_parallel_arrays_are_read() {
    let json = "{\"hourly\": {\"time\": [1650000000, 1650003600,\n 1650007200], \"v\": [1, null, NaN], \"w\": [4, 5, 6]}, \"place\": \"roof\"}";
    let description = "[format]\nkind = \"json\"\nrecords = \"hourly\"\nparallel = true\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"v\"\n[[measures]]\nmeasure = \"volt\"\nvalue = \"w\"\n";
    let found = read(json.as_bytes(), description).await;
    assert_eq!((found.code, found.values()), (0, vec![1.0, 4.0, 5.0, 6.0]), "{found:?}");
    let uneven = json.replace("[4, 5, 6]", "[4, 5]");
    let uneven = read(uneven.as_bytes(), description).await;
    assert!(
        uneven.code == 3 && uneven.said.contains("different lengths: `v` 3, `time` 3, `w` 2"),
        "{uneven:?}"
    );
    let bad = json.replace("5, 6", "\\\"x\\\", 6").replace('\\', "");
    let bad = read(bad.as_bytes(), description).await;
    assert_eq!((bad.code, bad.values()), (3, vec![1.0, 4.0, 6.0]), "{bad:?}");
    let none = read(b"{\"hourly\": {\"time\": 1}}", description).await;
    assert!(none.code == 3 && none.said.contains("none of the fields is an array"), "{none:?}");
}
