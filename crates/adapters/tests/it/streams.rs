//! Pipes, growing files and folders, as instruments use them.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use mymonit_test_support::{Exit, wait_until};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::environment::{BINARY, TIMEOUT, TestEnvironment};

const SIMPLE: [&str; 5] = ["run", "--experiment", "device-vibrations", "--measure", "hertz"];
/// The default name of a source that follows this file.
const FOLLOWED: &str = "device-vibrations-hertz-values.txt";

async fn values(environment: &TestEnvironment, count: usize) -> Vec<f64> {
    environment.measures_when(count, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect()
}

#[tokio::test]
async fn a_line_from_a_pipe_arrives_while_the_pipe_stays_open() {
    let environment = TestEnvironment::new().await.unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(SIMPLE)
        .env("RABBIT_URL", &environment.broker_url)
        .env("XDG_STATE_HOME", environment.path("state"));
    let mut adapter = command.stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut pipe = adapter.stdin.take().unwrap();
    let before = mymonit_model::Timestamp::now().to_string();
    pipe.write_all(b"0.1\n0.2\nhalf").await.unwrap();
    assert_eq!(values(&environment, 2).await, [0.1, 0.2]);
    pipe.write_all(b" a line\n0.3").await.unwrap();
    drop(pipe);
    assert_eq!(adapter.wait().await.unwrap().code(), Some(3), "one line was no number");
    assert_eq!(values(&environment, 3).await, [0.1, 0.2, 0.3]);
    let measures = environment.measures().await.unwrap();
    assert!(measures.iter().all(|measure| measure.timestamp > before), "the time of arrival: {measures:?}");
}

#[tokio::test]
async fn a_followed_file_is_read_in_its_encoding_and_continued_after_a_stop() {
    let environment = TestEnvironment::new().await.unwrap();
    let description = "experiment = \"device-vibrations\"\n[input]\nfollow = \"values.csv\"\n[format]\nkind = \"csv\"\n\
        delimiter = \";\"\n[timestamp]\nfield = \"Zeit µ\"\n[[measures]]\nmeasure = \"degree Celsius\"\nvalue = \"°C\"\n";
    fs::write(environment.path("utf16.toml"), description).unwrap();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let append = |bytes: &[u8]| {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(environment.path("values.csv"))
            .unwrap()
            .write_all(bytes)
            .unwrap();
    };
    append(&utf16("\u{feff}Zeit µ;😀;°C\r\n1700000000;😀é;1.5\r\n1700000001;x;2."));
    let adapter = environment.adapter(&["run", "--source", "utf16.toml"]).start().await.unwrap();
    assert_eq!(values(&environment, 1).await, [1.5]);
    environment.confirmed("utf16", 1).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success(), "{:?}", adapter.lines());

    append(&utf16("5\r\n1700000002;y;3.5\r\n"));
    adapter.start_again().await.unwrap();
    assert_eq!(values(&environment, 3).await, [1.5, 2.5, 3.5]);
    // Half of a character has been written.
    append(&utf16("1700000003;z;4.5\r\n")[..7]);
    append(&utf16("1700000003;z;4.5\r\n")[7..]);
    assert_eq!(values(&environment, 4).await, [1.5, 2.5, 3.5, 4.5]);
    environment.confirmed("utf16", 4).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success());
}

#[tokio::test]
async fn lines_written_while_stopped_are_read_after_every_kind_of_rotation() {
    let environment = TestEnvironment::new().await.unwrap();
    let path = |name: &str| environment.path(name);
    let write = |name: &str, text: &str| {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path(name))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    };
    // Rotated before the first start, so not read.
    write("values.txt.0", "-1\n");
    write("values.txt", "1\n2\n");
    let arguments = [&SIMPLE[..], &["--follow", "values.txt"]].concat();
    let adapter = environment.adapter(&arguments).start().await.unwrap();
    assert_eq!(values(&environment, 2).await, [1.0, 2.0]);
    adapter.kill9().await.unwrap();

    // Copytruncate, then two renames.
    write("values.txt", "3\n");
    fs::copy(path("values.txt"), path("values.txt.1")).unwrap();
    File::options().write(true).open(path("values.txt")).unwrap().set_len(0).unwrap();
    write("values.txt", "4\n");
    fs::rename(path("values.txt"), path("values.txt.2")).unwrap();
    write("values.txt", "5\n");
    fs::rename(path("values.txt"), path("values.txt.3")).unwrap();
    write("values.txt", "6\n");
    adapter.start_again().await.unwrap();
    assert_eq!(values(&environment, 6).await, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);

    // A writer that has not reopened its file still writes to the old one.
    write("values.txt.3", "5.5\n");
    assert_eq!(values(&environment, 7).await[6], 5.5);
    write("values.txt", "7\n");
    assert_eq!(values(&environment, 8).await[7], 7.0);
    environment.confirmed(FOLLOWED, 8).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success());
    let lines: Vec<_> = adapter.lines().iter().map(ToString::to_string).collect();
    assert!(!lines.iter().any(|line| line.contains("lost")), "{lines:?}");
}

#[tokio::test]
async fn a_file_deleted_before_its_end_was_read_is_reported() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\n").unwrap();
    let arguments = [&SIMPLE[..], &["--follow", "values.txt"]].concat();
    let adapter = environment.adapter(&arguments).start().await.unwrap();
    values(&environment, 1).await;
    adapter.kill9().await.unwrap();
    fs::write(environment.path("new"), "2\n").unwrap();
    fs::rename(environment.path("new"), environment.path("values.txt")).unwrap();
    adapter.start_again().await.unwrap();
    adapter.wait_for_line("after line 1, they are lost", TIMEOUT).await.unwrap();
    assert_eq!(values(&environment, 2).await, [1.0, 2.0]);
}

#[tokio::test]
async fn files_dropped_into_a_folder_are_read_once_they_are_whole() {
    let environment = TestEnvironment::new().await.unwrap();
    let folder = environment.path("in");
    fs::create_dir(&folder).unwrap();
    let description = "experiment = \"device-vibrations\"\n[input]\nfolder = \"in\"\npattern = \"*.txt\"\nsettle_seconds = 0.2\n\
        [timestamp]\narrival = true\n[[measures]]\nmeasure = \"hertz\"\n";
    fs::write(environment.path("drop.toml"), description).unwrap();
    fs::write(folder.join("a.txt"), "1\n").unwrap();
    fs::write(folder.join("b.dat"), "-1\n").unwrap();
    fs::write(folder.join(".c.txt"), "-1\n").unwrap();
    fs::write(folder.join("d.tmp"), "2\n").unwrap();
    let adapter = environment.adapter(&["run", "--source", "drop.toml"]).start().await.unwrap();
    assert_eq!(values(&environment, 1).await, [1.0]);
    fs::rename(folder.join("d.tmp"), folder.join("d.txt")).unwrap();
    assert_eq!(values(&environment, 2).await, [1.0, 2.0]);
    adapter.kill9().await.unwrap();
    fs::write(folder.join("e.txt"), "3\n").unwrap();
    adapter.start_again().await.unwrap();
    assert_eq!(values(&environment, 3).await, [1.0, 2.0, 3.0], "what stays is remembered");
    environment.confirmed("drop", 3).await.unwrap();
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success());
}

#[tokio::test]
async fn an_endless_line_is_skipped_in_bounded_memory() {
    let environment = TestEnvironment::new().await.unwrap();
    // A sparse file, which needs no disk space.
    let gibibytes = if std::env::var("MYMONIT_LONG_TESTS").as_deref() == Ok("1") { 10_u32 } else { 0 };
    let length = (u64::from(gibibytes) << 30) + (64 << 20);
    let mut file = File::create(environment.path("values.txt")).unwrap();
    file.write_all(b"1\n").unwrap();
    file.set_len(2 + length).unwrap();
    let mut file = OpenOptions::new().append(true).open(environment.path("values.txt")).unwrap();
    file.write_all(b"\n2\n").unwrap();
    let arguments = [&SIMPLE[..], &["--name", "long", "--follow", "values.txt"]].concat();
    let adapter = environment.adapter(&arguments).start().await.unwrap();
    let within = TIMEOUT + Duration::from_secs(60) * gibibytes;
    let measures = environment.measures_when(2, within).await.unwrap();
    assert_eq!(measures.iter().map(|measure| measure.value).collect::<Vec<_>>(), [1.0, 2.0]);

    let status =
        fs::read_to_string(format!("/proc/{}/status", adapter.pid().unwrap().as_raw_nonzero())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kibibytes < 48 << 10, "{kibibytes} KiB");
    let path = environment.path("state/mymonit-adapter/long/unparsable.ndjson");
    let entry = wait_until("the line has been put aside", TIMEOUT, async || {
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        serde_json::from_str::<serde_json::Value>(&text).map_err(|error| error.to_string())
    });
    let entry = entry.await.unwrap();
    environment.confirmed("long", 2).await.unwrap();
    assert_eq!((&entry["line"], &entry["is_cut_off"]), (&2.into(), &true.into()));
    assert!(entry["reason"].as_str().unwrap().contains("at most 1048576 are allowed"), "{entry}");
    assert_eq!(adapter.terminate(TIMEOUT).await.unwrap(), Exit::Status(3), "{:?}", adapter.lines());
}

#[tokio::test]
async fn two_adapters_do_not_share_a_state() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "").unwrap();
    let arguments = [&SIMPLE[..], &["--follow", "values.txt"]].concat();
    let adapter = environment.adapter(&arguments).start().await.unwrap();
    let lock = environment.path("state/mymonit-adapter/device-vibrations-hertz-values.txt/checkpoint.json");
    wait_until(
        "the first one has begun",
        TIMEOUT,
        async || if lock.exists() { Ok(()) } else { Err("it has not") },
    )
    .await
    .unwrap();
    let second = environment.run(&arguments).await.unwrap();
    assert!(second.code == 1 && second.stderr.contains("is used by another mymonit-adapter"), "{second:?}");
    assert!(adapter.terminate(TIMEOUT).await.unwrap().success());
}

#[tokio::test]
async fn a_dry_run_counts_and_publishes_nothing() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\nx\n2\n").unwrap();
    let dry = environment.run(&[&SIMPLE[..], &["--dry-run", "values.txt"]].concat()).await.unwrap();
    assert_eq!(dry.code, 3);
    assert!(
        dry.stderr
            .contains("nothing was published: 3 records read, 2 measures found, 1 records could not be read"),
        "{dry:?}"
    );
    assert!(!environment.path("state").exists());
}
