//! Files that are replaced, flushed within a line, or truncated while their writer has them open.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};

use mymonit_test_support::ServiceProcess;

use crate::environment::{TIMEOUT, TestEnvironment, run_in};

const FORMAT: &str = "[format]\nkind = \"csv\"\n[timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"v\"\n";

fn describe(environment: &TestEnvironment, name: &str, input: &str) {
    let text = format!("experiment = \"device-vibrations\"\n[input]\n{input}\n{FORMAT}");
    fs::write(environment.path(&format!("{name}.toml")), text).unwrap();
}

fn append(environment: &TestEnvironment, name: &str, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(environment.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Rows with their number as value.
fn rows(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|number| format!("2023-04-06T07:{number:02}:00Z,{number}\n")).collect()
}

async fn values(environment: &TestEnvironment, count: usize) -> Vec<f64> {
    environment.measures_when(count, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect()
}

async fn follow(environment: &TestEnvironment, name: &str) -> ServiceProcess {
    environment.adapter(&["run", "--source", &format!("{name}.toml")]).start().await.unwrap()
}

#[tokio::test]
async fn a_document_without_a_record_is_not_moved() {
    let environment = TestEnvironment::new().await.unwrap();
    let description = "experiment = \"device-vibrations\"\n[input]\nfolder = \"in\"\npattern = \"*.json\"\ndone = \"done\"\nonce = true\nsettle_seconds = 0\n\
        [format]\nkind = \"json\"\nrecords = \"samples\"\n[timestamp]\nfield = \"t\"\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"v\"\n";
    fs::write(environment.path("run.toml"), description).unwrap();
    fs::create_dir(environment.path("in")).unwrap();
    let nothing = environment.run(&["run", "--source", "run.toml"]).await.unwrap();
    assert!(nothing.code == 3 && nothing.stderr.contains("no file in"), "{nothing:?}");
    fs::write(environment.path("in/moved.json"), r#"{"data":{"samples":[{"t":1650000000,"v":1.5}]}}"#)
        .unwrap();
    fs::write(environment.path("in/typo.json"), r#"{"samples":[{"t":1650000000,"w":1.5}]}"#).unwrap();
    fs::write(environment.path("in/good.json"), r#"{"samples":[{"t":1650000000,"v":2.5}]}"#).unwrap();
    for _ in 0..2 {
        let run = environment.run(&["run", "--source", "run.toml"]).await.unwrap();
        assert!(run.code == 3 && run.stderr.contains("moved.json"), "{run:?}");
        assert!(run.stderr.contains("none of the 1 records has `v`"), "{run:?}");
        assert!(environment.path("in/moved.json").exists() && environment.path("in/typo.json").exists());
        assert!(environment.path("done/good.json").exists());
    }
    fs::remove_file(environment.path("in/moved.json")).unwrap();
    fs::remove_file(environment.path("in/typo.json")).unwrap();
    let done = environment.run(&["run", "--source", "run.toml"]).await.unwrap();
    assert_eq!(done.code, 0, "files have matched before: {done:?}");
    assert_eq!(values(&environment, 1).await, [2.5]);
}

#[tokio::test]
async fn files_that_contradict_their_header_are_not_moved() {
    let environment = TestEnvironment::new().await.unwrap();
    describe(&environment, "drop", "folder = \"in\"\ndone = \"done\"\nonce = true\nsettle_seconds = 0");
    fs::create_dir(environment.path("in")).unwrap();
    fs::write(environment.path("in/again.csv"), format!("time,v\n{}time,v\n", rows(1..=1))).unwrap();
    fs::write(environment.path("in/short.csv"), "time,v\n2023-04-06T07:03:00Z\n").unwrap();
    fs::write(environment.path("in/bad.csv"), format!("time,v\n{}x,y\n", rows(2..=2))).unwrap();
    let run = environment.run(&["run", "--source", "drop.toml"]).await.unwrap();
    assert_eq!(run.code, 3, "{run:?}");
    for (name, is_done) in [("again.csv", false), ("short.csv", false), ("bad.csv", true)] {
        assert_eq!(environment.path("done").join(name).exists(), is_done, "{name}: {run:?}");
    }
    assert_eq!(values(&environment, 2).await, [1.0, 2.0]);
}

#[tokio::test]
async fn a_file_with_another_device_or_inode_is_known_by_its_content() {
    let environment = TestEnvironment::new().await.unwrap();
    for (name, input) in [
        ("follow", "follow = \"values.csv\""),
        ("files", "files = [\"other.csv\"]"),
        ("drop", "folder = \"in\"\nonce = true\nsettle_seconds = 0"),
    ] {
        describe(&environment, name, input);
    }
    append(&environment, "values.csv", &format!("time,v\n{}", rows(1..=3)));
    let adapter = follow(&environment, "follow").await;
    assert_eq!(values(&environment, 3).await, [1.0, 2.0, 3.0]);
    environment.confirmed("follow", 3).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success());

    let path = environment.path("state/mymonit-adapter/follow/checkpoint.json");
    let mut checkpoint: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let device = &mut checkpoint["files"][0]["key"]["device"];
    *device = (device.as_u64().unwrap() + 1).into();
    fs::write(&path, checkpoint.to_string()).unwrap();
    append(&environment, "values.csv", &rows(4..=4));
    adapter.start_again().await.unwrap();
    assert_eq!(values(&environment, 4).await.len(), 4);
    environment.confirmed("follow", 4).await.unwrap();

    // As rsync does, while the adapter follows the file.
    fs::write(environment.path("new"), format!("time,v\n{}", rows(1..=5))).unwrap();
    fs::rename(environment.path("new"), environment.path("values.csv")).unwrap();
    assert_eq!(values(&environment, 5).await.len(), 5);
    environment.confirmed("follow", 5).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());

    fs::create_dir(environment.path("in")).unwrap();
    for (name, file, first) in [("files", "other.csv", 11), ("drop", "in/values.csv", 21)] {
        for last in [first, first + 1, first + 1] {
            fs::write(environment.path("new"), format!("time,v\n{}", rows(first..=last))).unwrap();
            fs::rename(environment.path("new"), environment.path(file)).unwrap();
            let run = environment.run(&["run", "--source", &format!("{name}.toml")]).await.unwrap();
            assert_eq!(run.code, 0, "{run:?}");
        }
    }
    // A file that only begins with the same header is another one.
    fs::write(environment.path("new"), format!("time,v\n{}", rows(31..=33))).unwrap();
    fs::rename(environment.path("new"), environment.path("in/values.csv")).unwrap();
    assert_eq!(environment.run(&["run", "--source", "drop.toml"]).await.unwrap().code, 0);
    let expected = [1.0, 2.0, 3.0, 4.0, 5.0, 11.0, 12.0, 21.0, 22.0, 31.0, 32.0, 33.0];
    assert_eq!(values(&environment, expected.len()).await, expected);
}

#[tokio::test]
async fn equal_values_without_a_time_are_other_measurements() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::create_dir(environment.path("in")).unwrap();
    let arguments = ["run", "--source", "drop.toml"];
    let description = "experiment = \"device-vibrations\"\n[input]\nfolder = \"in\"\nonce = true\nsettle_seconds = 0\n[timestamp]\narrival = true\n[[measures]]\nmeasure = \"hertz\"\n";
    fs::write(environment.path("drop.toml"), description).unwrap();
    for _ in 0..2 {
        fs::write(environment.path("new"), "7\n7\n").unwrap();
        fs::rename(environment.path("new"), environment.path("in/values.txt")).unwrap();
        assert_eq!(environment.run(&arguments).await.unwrap().code, 0);
    }
    assert_eq!(values(&environment, 4).await.len(), 4);
}

#[tokio::test]
async fn a_partially_flushed_line_is_read_when_complete() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::create_dir(environment.path("log")).unwrap();
    fs::create_dir(environment.path("drop")).unwrap();
    describe(&environment, "follow", "follow = \"log/log_*.csv\"");
    describe(&environment, "folder", "folder = \"drop\"\npattern = \"log_*.csv\"\nsettle_seconds = 0.1");
    let (follower, folder) = (follow(&environment, "follow").await, follow(&environment, "folder").await);
    append(&environment, "log/log_1.csv", "time,v\n2023-04-06T07:01:00Z,21.53\n2023-04-06T07:02:00Z,21.6");
    append(&environment, "drop/log_1.csv", "time,v\n2023-04-06T08:01:00Z,31.53\n2023-04-06T08:02:00Z,31.6");
    assert_eq!(values(&environment, 2).await, [21.53, 31.53]);
    environment.confirmed("follow", 1).await.unwrap();
    environment.confirmed("folder", 1).await.unwrap();
    append(&environment, "log/log_1.csv", "1\n");
    append(&environment, "drop/log_1.csv", "1\n");
    append(&environment, "log/log_2.csv", "time,v\r\n2023-04-06T07:03:00Z,21.70\r");
    append(&environment, "drop/log_2.csv", "time,v\r\n2023-04-06T08:03:00Z,31.70\r\n");
    assert_eq!(values(&environment, 6).await, [21.53, 21.61, 21.7, 31.53, 31.61, 31.7]);
    follower.kill9().await.unwrap();
    append(&environment, "log/log_2.csv", "\n2023-04-06T07:04:00Z,21.80\r\n");
    follower.start_again().await.unwrap();
    assert_eq!(values(&environment, 7).await[3], 21.8);
    environment.confirmed("follow", 4).await.unwrap();
    for adapter in [&follower, &folder] {
        assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    }
}

#[tokio::test]
async fn files_that_are_followed_by_a_pattern_may_be_rotated() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::create_dir(environment.path("log")).unwrap();
    describe(&environment, "follow", "follow = \"log/log_*\"");
    let path = |name: &str| environment.path("log").join(name);
    append(&environment, "log/log_a.csv", &format!("time,v\n{}", rows(1..=2)));
    append(&environment, "log/log_b.csv", &format!("time,v\n{}", rows(11..=12)));
    let adapter = follow(&environment, "follow").await;
    assert_eq!(values(&environment, 4).await, [1.0, 2.0, 11.0, 12.0]);
    environment.confirmed("follow", 4).await.unwrap();
    adapter.kill9().await.unwrap();

    // Renamed so that the pattern no longer matches, with unread rows; another file was created and
    // rotated.
    append(&environment, "log/log_a.csv", &rows(3..=3));
    fs::rename(path("log_a.csv"), path("log_a.csv.2")).unwrap();
    append(&environment, "log/log_a.csv.1", &format!("time,v\n{}", rows(4..=4)));
    append(&environment, "log/log_a.csv", &format!("time,v\n{}", rows(5..=5)));
    // Copied and truncated, with unread rows. The copy matches the pattern, too.
    append(&environment, "log/log_b.csv", &rows(13..=13));
    fs::copy(path("log_b.csv"), path("log_b.csv-20230406")).unwrap();
    File::options().write(true).open(path("log_b.csv")).unwrap().set_len(0).unwrap();
    append(&environment, "log/log_b.csv", &rows(14..=14));
    adapter.start_again().await.unwrap();
    let expected = [1.0, 2.0, 3.0, 4.0, 5.0, 11.0, 12.0, 13.0, 14.0];
    assert_eq!(values(&environment, expected.len()).await, expected);

    // During a run. Nothing is written between copy and truncation.
    environment.confirmed("follow", 9).await.unwrap();
    fs::copy(path("log_b.csv"), path("log_b.csv-20230407")).unwrap();
    File::options().write(true).open(path("log_b.csv")).unwrap().set_len(0).unwrap();
    append(&environment, "log/log_b.csv", &format!("time,v\n{}", rows(15..=15)));
    assert_eq!(values(&environment, 10).await[9], 15.0);
    environment.confirmed("follow", 10).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    assert_eq!(environment.measures().await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_copy_shorter_than_the_read_position_is_not_read() {
    let environment = TestEnvironment::new().await.unwrap();
    describe(&environment, "follow", "follow = \"values.csv\"");
    append(&environment, "values.csv", &format!("time,v\n{}", rows(1..=50)));
    let adapter = follow(&environment, "follow").await;
    assert_eq!(values(&environment, 50).await.len(), 50);
    fs::copy(environment.path("values.csv"), environment.path("values.csv.1")).unwrap();
    append(&environment, "values.csv", &rows(51..=51));
    assert_eq!(values(&environment, 51).await.len(), 51);
    environment.confirmed("follow", 51).await.unwrap();
    File::options().write(true).open(environment.path("values.csv")).unwrap().set_len(0).unwrap();
    append(&environment, "values.csv", &format!("time,v\n{}", rows(52..=52)));
    assert_eq!(values(&environment, 52).await[51], 52.0);
    environment.confirmed("follow", 52).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    assert_eq!(environment.measures().await.unwrap().len(), 52);
}

#[tokio::test]
async fn a_renamed_or_rewritten_file_is_recognised() {
    let environment = TestEnvironment::new().await.unwrap();
    describe(&environment, "drop", "folder = \"in\"\nonce = true\nsettle_seconds = 0");
    fs::create_dir(environment.path("in")).unwrap();
    let run = async |records: u64| {
        let run = environment.run(&["run", "--source", "drop.toml"]).await.unwrap();
        let told = format!("{records} records read");
        assert!(run.code == 0 && run.stderr.contains(&told), "{run:?}");
    };
    append(&environment, "in/run.csv", &format!("time,v\n{}", rows(11..=13)));
    run(3).await;
    // Copied to another name, and grown.
    append(&environment, "in/other.csv", &format!("time,v\n{}", rows(11..=14)));
    fs::remove_file(environment.path("in/run.csv")).unwrap();
    run(1).await;
    // Rewritten in place with the same length.
    let mut file = File::create(environment.path("in/other.csv")).unwrap();
    file.write_all(format!("time,v\n{}", rows(21..=24)).as_bytes()).unwrap();
    run(4).await;
    run(0).await;
    let expected = [11.0, 12.0, 13.0, 14.0, 21.0, 22.0, 23.0, 24.0];
    assert_eq!(values(&environment, expected.len()).await, expected);
}

#[tokio::test]
async fn a_truncated_file_of_an_appending_writer_has_no_head() {
    let environment = TestEnvironment::new().await.unwrap();
    let text = format!("experiment = \"device-vibrations\"\n[input]\nfollow = \"values.csv\"\n{FORMAT}");
    let text = text.replace("kind = \"csv\"", "kind = \"csv\"\nskip_lines = 2\nskip_rows = 1");
    fs::write(environment.path("follow.toml"), text).unwrap();
    append(&environment, "values.csv", &format!("Logger,7\n1,2\ntime,v\ns,V\n{}", rows(1..=2)));
    let adapter = follow(&environment, "follow").await;
    assert_eq!(values(&environment, 2).await, [1.0, 2.0]);
    environment.confirmed("follow", 2).await.unwrap();
    File::options().write(true).open(environment.path("values.csv")).unwrap().set_len(0).unwrap();
    append(&environment, "values.csv", &rows(3..=5));
    assert_eq!(values(&environment, 5).await, [1.0, 2.0, 3.0, 4.0, 5.0]);
    environment.confirmed("follow", 5).await.unwrap();
    // The new file has the head lines again.
    fs::rename(environment.path("values.csv"), environment.path("values.csv.1")).unwrap();
    append(&environment, "new.csv", &format!("Logger,7\n1,2\ntime,v\ns,V\n{}", rows(6..=6)));
    fs::rename(environment.path("new.csv"), environment.path("values.csv")).unwrap();
    assert_eq!(values(&environment, 6).await[5], 6.0);
    environment.confirmed("follow", 6).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
}

#[tokio::test]
async fn a_truncated_file_continues_with_its_previous_header() {
    let environment = TestEnvironment::new().await.unwrap();
    describe(&environment, "follow", "follow = \"values.csv\"");
    // A writer without O_APPEND keeps its position.
    let mut writer = File::create(environment.path("values.csv")).unwrap();
    writer.write_all(format!("time,v\n{}", rows(1..=2)).as_bytes()).unwrap();
    let adapter = follow(&environment, "follow").await;
    assert_eq!(values(&environment, 2).await, [1.0, 2.0]);
    environment.confirmed("follow", 2).await.unwrap();
    let truncate = async |name: &str| {
        fs::copy(environment.path("values.csv"), environment.path(name)).unwrap();
        OpenOptions::new().write(true).open(environment.path("values.csv")).unwrap().set_len(0).unwrap();
    };
    truncate("values.csv.1").await;
    writer.write_all(rows(3..=4).as_bytes()).unwrap();
    assert_eq!(values(&environment, 4).await, [1.0, 2.0, 3.0, 4.0]);
    environment.confirmed("follow", 4).await.unwrap();

    // The same while the adapter is stopped, with the copy removed.
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
    truncate("values.csv.2").await;
    fs::remove_file(environment.path("values.csv.2")).unwrap();
    writer.seek(SeekFrom::Current(100_000)).unwrap();
    writer.write_all(rows(5..=6).as_bytes()).unwrap();
    adapter.start_again().await.unwrap();
    assert_eq!(values(&environment, 6).await, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    environment.confirmed("follow", 6).await.unwrap();
    adapter.kill9().await.unwrap();
    writer.write_all(rows(7..=7).as_bytes()).unwrap();
    adapter.start_again().await.unwrap();
    assert_eq!(values(&environment, 7).await[6], 7.0);
    environment.confirmed("follow", 7).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_is_an_error() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    let text =
        format!("experiment = \"e\"\n[input]\nfolder = \"in\"\npattern = \"*.csv\"\nonce = true\n{FORMAT}");
    fs::write(folder.path().join("drop.toml"), text).unwrap();
    fs::write(folder.path().join("in/values.CSV"), "time,v\n1650000000,1\n").unwrap();
    let run = run_in(folder.path(), &["run", "--dry-run", "--source", "drop.toml"], &[]).await.unwrap();
    assert!(run.code == 3 && run.stderr.contains("matches `*.csv`; there are 1 other names"), "{run:?}");
}
