//! Invalid input is reported, and the rest of it is read.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use crate::environment::{TIMEOUT, TestEnvironment};

/// A source that reads one CSV file.
const CSV: &str = r#"
experiment = "device-vibrations"
[input]
files = ["values.csv"]
[format]
kind = "csv"
[timestamp]
field = "time"
[[measures]]
measure = "hertz"
value = "f"
"#;

fn unparsable(environment: &TestEnvironment, name: &str) -> Vec<Value> {
    let text =
        fs::read_to_string(environment.path(&format!("state/mymonit-adapter/{name}/unparsable.ndjson")))
            .unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn unparsable_records_are_reported_with_their_place_and_the_rest_is_read() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("csv.toml"), CSV).unwrap();
    let mut text =
        b"time,f\n1700000000,1.5\n1700000001,abc\nyesterday,2\n1700000002\n1700000003,\xff\n".to_vec();
    text.extend(b"1700000004,inf\n1700000005,\"2.5\"\n1700000006,3.5");
    fs::write(environment.path("values.csv"), text).unwrap();

    let first = environment.run(&["run", "--source", "csv.toml"]).await.unwrap();
    assert_eq!(first.code, 3, "{first:?}");
    assert!(
        first.stderr.contains("8 records read, 3 measures published, 5 records could not be read"),
        "{first:?}"
    );

    let put_aside: Vec<_> = unparsable(&environment, "csv")
        .iter()
        .map(|entry| {
            (
                entry["line"].as_u64().unwrap(),
                entry["column"].as_u64().unwrap(),
                entry["reason"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        (3, 12, "`f`: \"abc\" is not a number"),
        (
            4,
            1,
            "`time`: \"yesterday\" is not a time: it must be Unix seconds or an RFC 3339 date and time, such as `2022-04-06T07:00:00Z`",
        ),
        (5, 1, "the row has 1 columns, and the header 2"),
        (
            6,
            12,
            "the byte 0xff is not UTF-8; is the source in another encoding? then set `encoding`, such as \"windows-1252\"",
        ),
        (7, 12, "`f`: \"inf\" is not a number"),
    ];
    assert_eq!(put_aside, expected.map(|(line, column, reason)| (line, column, reason.to_owned())));
    assert_eq!(unparsable(&environment, "csv")[0]["record"], "1700000001,abc");
    assert_eq!(unparsable(&environment, "csv")[3]["record_base64"], "MTcwMDAwMDAwMyz/");
    let values: Vec<_> =
        environment.measures_when(3, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect();
    assert_eq!(values, [1.5, 2.5, 3.5]);

    // A second run reads only the added records.
    let mut file = fs::File::options().append(true).open(environment.path("values.csv")).unwrap();
    file.write_all(b"7\n1700000007,4.5\n").unwrap();
    let second = environment.run(&["run", "--source", "csv.toml"]).await.unwrap();
    assert_eq!(second.code, 3, "{second:?}");
    let entries = unparsable(&environment, "csv");
    assert_eq!(
        entries.len(),
        6,
        "the other half of a line that was taken for a whole one counts for nothing"
    );
    assert_eq!((&entries[5]["record"], &entries[5]["line"]), (&Value::from("7\n"), &Value::from(9)));
    let values: Vec<_> =
        environment.measures_when(4, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect();
    assert_eq!(values, [1.5, 2.5, 3.5, 4.5]);
}

#[tokio::test]
async fn a_wrong_mapping_is_reported_in_the_words_of_the_file() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.csv"), "time;f\n1;2\n").unwrap();
    let description = |change: fn(String) -> String| {
        fs::write(environment.path("csv.toml"), change(CSV.to_owned())).unwrap()
    };

    description(|csv| csv);
    let run = environment.run(&["run", "--source", "csv.toml"]).await.unwrap();
    assert_eq!(run.code, 3);
    let said = "values.csv, line 1, column 1: there is no column `f`; the columns are: \"time;f\" (is `delimiter` right?)";
    assert!(run.stderr.contains(said), "{run:?}");

    for (change, said) in [
        (
            (|csv| csv.replace("[timestamp]", "[timestamps]")) as fn(String) -> String,
            "unknown field `timestamps`",
        ),
        (|csv| csv.replace("value = \"f\"", ""), "`measures.value` is missing"),
        (
            |csv| csv.replace("field = \"time\"", "field = \"time\"\nformat = \"%d.%m.%Y\""),
            "`timestamp.zone` is missing",
        ),
        (
            |csv| csv.replace("field = \"time\"", "field = \"time\"\nformat = \"iso\""),
            "`timestamp.format` is `iso`; allowed is",
        ),
        (|csv| csv.replace("\"csv\"", "\"xls\""), "unknown variant `xls`"),
        (
            |csv| csv.replace("\"csv\"", "\"csv\"\nencoding = \"utf-7\""),
            "there is no encoding `utf-7`; allowed are",
        ),
        (
            |csv| csv.replace("\"csv\"", "\"csv\"\nrecords = \"x\""),
            "`format.records` does not apply to this `format.kind`",
        ),
        (|csv| csv.replace("device-vibrations", " "), "`name` must not be blank"),
        (
            |csv| csv.replace("files = [\"values.csv\"]", "files = [\"values.csv\"]\nstdin = true"),
            "allowed is one of them",
        ),
    ] {
        description(change);
        let run = environment.run(&["run", "--source", "csv.toml"]).await.unwrap();
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("csv.toml") && run.stderr.contains(said), "{said}: {}", run.stderr);
    }
    assert_eq!(environment.run(&["run", "--source", "absent.toml"]).await.unwrap().code, 2);
    assert_eq!(environment.run(&["run"]).await.unwrap().code, 2);
    description(|csv| csv);
    let named = environment.run(&["run", "--source", "csv.toml", "--name", "../elsewhere"]).await.unwrap();
    assert!(named.code == 2 && named.stderr.contains("`name` is `../elsewhere`"), "{named:?}");
    let absent =
        environment.run(&["run", "--experiment", "e", "--measure", "hertz", "absent.txt"]).await.unwrap();
    assert!(absent.code == 1 && absent.stderr.contains("absent.txt"), "{absent:?}");
    let device =
        environment.run(&["run", "--experiment", "e", "--measure", "hertz", "/dev/null"]).await.unwrap();
    assert!(device.code == 1 && device.stderr.contains("/dev/null: it is not a regular file"), "{device:?}");
}

#[tokio::test]
async fn an_empty_file_is_named_and_no_error() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("csv.toml"), CSV).unwrap();
    fs::write(environment.path("values.csv"), "").unwrap();
    let run = environment.run(&["run", "--source", "csv.toml"]).await.unwrap();
    assert!(run.code == 0 && run.stderr.contains("values.csv is empty"), "{run:?}");
}

#[tokio::test]
async fn a_broken_document_is_read_up_to_the_error() {
    let environment = TestEnvironment::new().await.unwrap();
    let json =
        r#"[{"t": 1700000000, "v": 1}, {"t": 1700000001, "v": oops}, {"t": 1700000002, "v": 3}, {"t": 17"#;
    let xml = "<run>\n<s t='1700000003'>4</s>\n<s t='1700000004'>x</s>\n<s t='1700000005'>6</s>\n<s t='1700";
    let common = "experiment = \"device-vibrations\"\n[timestamp]\nfield = \"TIME\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"VALUE\"\n";
    for (name, format, time, value, text, place) in [
        (
            "json",
            "kind = \"json\"",
            "t",
            "v",
            json,
            "line 1, column 86: the document ends in the middle of a value",
        ),
        ("xml", "kind = \"xml\"\nrecords = \"run/s\"", "@t", ".", xml, "line 5, column 11"),
    ] {
        fs::write(environment.path(name), text).unwrap();
        let description = common.replace("TIME", time).replace("VALUE", value);
        let description = format!("{description}[input]\nfiles = [\"{name}\"]\n[format]\n{format}\n");
        fs::write(environment.path(&format!("{name}.toml")), description).unwrap();
        let run = environment.run(&["run", "--source", &format!("{name}.toml")]).await.unwrap();
        assert_eq!(run.code, 3, "{run:?}");
        assert!(
            run.stderr.contains(place) && run.stderr.contains("is not read any further"),
            "{}",
            run.stderr
        );
        assert_eq!(unparsable(&environment, name).len(), 1, "{name}");
    }
    let values: Vec<_> =
        environment.measures_when(4, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect();
    assert_eq!(values, [1.0, 3.0, 4.0, 6.0]);
}
