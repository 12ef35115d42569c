//! Malicious or corrupt documents.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::environment::{Finished, TIMEOUT, TestEnvironment, run_in};

/// Reads a file of that format; returns the reasons of unreadable records.
async fn read(format: &str, fields: [&str; 2], content: &[u8]) -> (Finished, Vec<String>) {
    let folder = TempDir::new().unwrap();
    let [time, value] = fields;
    let description = format!(
        "experiment = \"device-vibrations\"\n[input]\nfiles = [\"values\"]\n[format]\n{format}\n\
         [timestamp]\nfield = \"{time}\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"{value}\"\n"
    );
    fs::write(folder.path().join("source.toml"), description).unwrap();
    fs::write(folder.path().join("values"), content).unwrap();
    let run = run_in(folder.path(), &["run", "--dry-run", "--source", "source.toml"], &[]).await.unwrap();
    let entries = run.stderr.lines().filter_map(|line| line.split_once("cannot be read: "));
    let reasons = entries.map(|(_, entry)| {
        let entry: Value = serde_json::from_str(entry).unwrap();
        format!("{}:{}: {}", entry["line"], entry["column"], entry["reason"].as_str().unwrap())
    });
    let reasons = reasons.collect();
    (run, reasons)
}

const CSV: &str = "kind = \"csv\"";
const JSON: &str = "kind = \"json\"";
const XML: &str = "kind = \"xml\"\nrecords = \"run/s\"";

#[tokio::test]
async fn a_row_that_does_not_match_the_header_is_reported() {
    let wide = format!("1700000001{}", ",1".repeat(65_537));
    let text = format!("t,v\n1700000000,1,5\n{wide}\n1700000002,2,\n1700000003,3, ,\n1700000004\n");
    let (run, reasons) = read(CSV, ["t", "v"], text.as_bytes()).await;
    let expected = [
        "2:1: the row has 3 columns, and the header 2 (is there a delimiter in a value without quotes?)",
        "3:1: there are more than 65536 columns",
        "6:1: the row has 1 columns, and the header 2",
    ];
    assert_eq!(reasons, expected, "{run:?}");
    assert!(run.stderr.contains("5 records read, 2 measures found"), "{run:?}");
}

#[tokio::test]
async fn rows_that_end_in_any_way_are_read_and_quoted_line_breaks_are_none() {
    let text =
        b"t,v,n\r\n1700000000,1,\"a\nb\"\r1700000001,2,\"c\r\nd\"\n1700000002,x,\0\n1700000003,\"4\",e";
    let (run, reasons) = read(CSV, ["t", "v"], text).await;
    assert_eq!(reasons, ["6:12: `v`: \"x\" is not a number"], "{run:?}");
    assert!(run.stderr.contains("4 records read, 3 measures found"), "{run:?}");
}

#[tokio::test]
async fn invalid_numbers_are_reported_with_the_likely_cause() {
    let utf16: Vec<u8> = "1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let zeros = [&b"1\n"[..], &[0; 100], b"\n2\n"].concat();
    for (content, reason) in [
        (utf16.as_slice(), "utf-16le"),
        (&zeros, "is not a number"),
        (b"caf\xe9\n", "the byte 0xe9 is not UTF-8"),
        (b"1e400\n", "\"1e400\" is too large a number"),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("values"), content).unwrap();
        let arguments = ["run", "--dry-run", "--experiment", "e", "--measure", "hertz", "values"];
        let run = run_in(folder.path(), &arguments, &[]).await.unwrap();
        let said = serde_json::to_string(reason).unwrap();
        assert!(run.code == 3 && run.stderr.contains(said.trim_matches('"')), "{reason}: {run:?}");
    }
}

#[tokio::test]
async fn a_conversion_that_overflows_is_reported() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("values"), "1e308\n1\n").unwrap();
    let mut arguments = vec!["run", "--dry-run", "--experiment", "e", "--measure", "hertz", "values"];
    arguments.extend(["--scale", "1000"]);
    let run = run_in(folder.path(), &arguments, &[]).await.unwrap();
    assert!(run.code == 3 && run.stderr.contains("is too large a number"), "{run:?}");
    assert!(run.stderr.contains("2 records read, 1 measures found"), "{run:?}");
}

#[tokio::test]
async fn deeply_nested_json_is_reported_and_the_rest_is_read() {
    let deep = format!("{{\"t\": 1700000000, \"v\": {}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let passed_over =
        format!("{{\"t\": 1700000001, \"v\": 2, \"x\": {}1{}}}", "[".repeat(90), "]".repeat(90));
    let wrong = "{\"t\": 1700000002, \"v\": (4)}";
    let text = format!("[{deep},\n{passed_over},\n{wrong},\n{{\"t\": 1700000003, \"v\": 4}}]");
    let (run, reasons) = read(JSON, ["t", "v"], text.as_bytes()).await;
    assert_eq!(reasons.len(), 2, "{run:?}");
    assert!(reasons[0].starts_with("1:25: `v`: ") && reasons[0].ends_with("is not a number"), "{reasons:?}");
    assert!(reasons[1].starts_with("3:"), "{reasons:?}");
    assert!(run.stderr.contains("4 records read, 2 measures found"), "{run:?}");
}

#[tokio::test]
async fn internal_and_external_entities_are_not_expanded() {
    let laughs: String =
        (1..10).map(|i| format!("<!ENTITY l{i} '{}'>", format!("&l{};", i - 1).repeat(10))).collect();
    let text = format!(
        "<!DOCTYPE run [<!ENTITY l0 '1'>{laughs}<!ENTITY x SYSTEM 'file:///etc/passwd'><!ENTITY % p SYSTEM 'http://127.0.0.1:9/p'>%p;]>\n\
         <run><s t='1700000000'>&l9;</s>\n<s t='1700000001'>&x;</s>\n<s t='&l9;'>2</s>\n<s t='1700000003'>&#51;</s></run>"
    );
    // run_in fails after a minute; expanding a billion laughs would take far longer.
    let (run, reasons) = read(XML, ["@t", "."], text.as_bytes()).await;
    assert_eq!(reasons.len(), 3, "{run:?}");
    assert!(reasons[0].contains("the entity `&l9;` is not expanded"), "{reasons:?}");
    assert!(reasons[1].contains("the entity `&x;` is not expanded"), "{reasons:?}");
    assert!(reasons[2].starts_with("4:") && reasons[2].contains("l9"), "{reasons:?}");
    assert!(!run.stderr.contains("root:"), "{run:?}");
    assert!(run.stderr.contains("4 records read, 1 measures found"), "{run:?}");
}

#[tokio::test]
async fn elements_with_very_many_attributes_are_read_fast() {
    let many: String = (0..60_000).map(|number| format!(" a{number}=''")).collect();
    let text = format!(
        "<run><s{many} t='1700000000'>1</s><s t='1700000001' t='1700000002'>2</s><s x:t='1700000003' xmlns:x='u'>3</s></run>"
    );
    // run_in fails after a minute; a quadratic comparison would take longer in a debug build.
    let (run, reasons) = read(XML, ["@t", "."], text.as_bytes()).await;
    assert_eq!(reasons.len(), 1, "{run:?}");
    assert!(reasons[0].contains("the attribute `t` occurs twice"), "{reasons:?}");
    assert!(run.stderr.contains("3 records read, 2 measures found"), "{run:?}");
}

#[tokio::test]
async fn too_deep_nesting_of_elements_is_an_error() {
    let text = "<run>".to_owned() + &"<s>".repeat(100_000);
    let (run, _) = read(XML, ["@t", "."], text.as_bytes()).await;
    assert!(run.code == 3 && run.stderr.contains("elements are nested more than 256 deep"), "{run:?}");
}

/// The UTF-16 of a text, with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::File::options().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn half_a_line_and_half_a_character_in_utf16_are_read_once() {
    let environment = TestEnvironment::new().await.unwrap();
    let path = environment.path("values.txt");
    let run = ["run", "--experiment", "device-vibrations", "--measure", "hertz", "values.txt"];
    let half = utf16("1\r\n2.");
    fs::write(&path, &half).unwrap();
    assert_eq!(environment.run(&run).await.unwrap().code, 0);
    append(&path, &utf16("5\r\n3\r\n")[2..]);
    let rest = environment.run(&run).await.unwrap();
    assert!(rest.code == 3 && rest.stderr.contains("2 records read, 1 measures published"), "{rest:?}");

    // The first byte of an incomplete character.
    append(&path, b"4");
    let broken = environment.run(&run).await.unwrap();
    assert!(broken.code == 3 && broken.stderr.contains("1 records could not be read"), "{broken:?}");
    let again = environment.run(&run).await.unwrap();
    assert!(again.code == 0 && again.stderr.contains("has no new content"), "{again:?}");
    assert!(!again.stderr.contains("rewritten"), "{again:?}");
    let measures = environment.measures_when(3, TIMEOUT).await.unwrap();
    assert_eq!(measures.iter().map(|measure| measure.value).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
}

#[tokio::test]
async fn only_new_lines_of_a_utf16_file_are_read() {
    let environment = TestEnvironment::new().await.unwrap();
    let description = "experiment = \"device-vibrations\"\n[input]\nfollow = \"values.txt\"\nstart = \"end\"\n\
        [timestamp]\narrival = true\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"line\"\n[format]\nkind = \"text\"\n";
    fs::write(environment.path("source.toml"), description).unwrap();
    fs::write(environment.path("values.txt"), utf16("1\r\n2\r\n")).unwrap();
    let adapter = environment.adapter(&["run", "--source", "source.toml"]).start().await.unwrap();
    let checkpoint = environment.path("state/mymonit-adapter/source/checkpoint.json");
    mymonit_test_support::wait_until("the end has been noted", TIMEOUT, async || {
        let text = fs::read_to_string(&checkpoint).map_err(|error| error.to_string())?;
        if text.contains("\"has_begun\": true") { Ok(()) } else { Err("it has not begun".to_owned()) }
    })
    .await
    .unwrap();
    append(&environment.path("values.txt"), &utf16("3\r\n")[2..]);
    assert_eq!(environment.measures_when(1, TIMEOUT).await.unwrap()[0].value, 3.0);
    environment.confirmed("source", 1).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    assert!(!environment.path("state/mymonit-adapter/source/unparsable.ndjson").exists());
}
