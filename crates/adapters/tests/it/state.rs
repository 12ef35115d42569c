//! State folders that are damaged, belong to another source, or are not writable.

use std::fs;

use tempfile::TempDir;

use crate::environment::{TIMEOUT, TestEnvironment, run_in};

const SIMPLE: [&str; 6] = ["run", "--experiment", "device-vibrations", "--measure", "hertz", "values.txt"];
const STATE: &str = "state/mymonit-adapter/device-vibrations-hertz-values.txt";

#[tokio::test]
async fn a_damaged_checkpoint_stops_the_start_and_nothing_is_sent_twice() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\n2\n").unwrap();
    assert_eq!(environment.run(&SIMPLE).await.unwrap().code, 0);
    let path = environment.path(STATE).join("checkpoint.json");
    let good = fs::read(&path).unwrap();
    for damaged in [&b""[..], &good[..good.len() / 2], b"\0\0\0\0", b"{\"version\": 7}", b"[]"] {
        fs::write(&path, damaged).unwrap();
        let run = environment.run(&SIMPLE).await.unwrap();
        assert!(run.code == 1 && run.stderr.contains("checkpoint.json: it is damaged"), "{run:?}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "it is left as it is");
    }
    let newer = String::from_utf8(good.clone()).unwrap().replace("\"version\": 1", "\"version\": 2");
    fs::write(&path, newer).unwrap();
    let run = environment.run(&SIMPLE).await.unwrap();
    assert!(run.code == 1 && run.stderr.contains("version 2 is not known"), "{run:?}");

    fs::write(&path, good).unwrap();
    let run = environment.run(&SIMPLE).await.unwrap();
    assert!(run.code == 0 && run.stderr.contains("has no new content"), "{run:?}");
}

#[tokio::test]
async fn a_state_of_another_source_is_refused() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\n").unwrap();
    let run_as = async |name: &str| {
        environment.run(&[&SIMPLE[..], &["--state", "common", "--name", name]].concat()).await.unwrap()
    };
    assert_eq!(run_as("one").await.code, 0);
    let other = run_as("two").await;
    assert!(other.code == 1, "it would take the file for read: {other:?}");
    assert!(other.stderr.contains("this state belongs to the source `one`, and not to `two`"), "{other:?}");
    assert!(run_as("one").await.stderr.contains("has no new content"));
}

#[tokio::test]
async fn a_full_disk_ends_the_adapter_without_loss() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\nx\n2\n").unwrap();
    let full = environment.run(&[&SIMPLE[..], &["--unparsable", "/dev/full"]].concat()).await.unwrap();
    assert!(full.code == 1 && full.stderr.contains("/dev/full: No space left on device"), "{full:?}");
    let repaired = environment.run(&SIMPLE).await.unwrap();
    assert_eq!(repaired.code, 3, "{repaired:?}");
    let put_aside = fs::read_to_string(environment.path(STATE).join("unparsable.ndjson")).unwrap();
    assert_eq!(put_aside.lines().count(), 1, "{put_aside}");
    fs::write(environment.path("values.txt"), "1\nx\n2\n3\n").unwrap();
    assert_eq!(environment.run(&SIMPLE).await.unwrap().code, 0);
    let values: Vec<_> =
        environment.measures_when(3, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0]);
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_used_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("values.txt"), "1\n").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for state in ["file", "file/below", "/proc/nowhere"] {
        let run = run_in(folder.path(), &[&SIMPLE[..], &["--state", state]].concat(), &[]).await.unwrap();
        assert!(run.code == 1 && run.stderr.contains(&format!("the state folder {state}")), "{run:?}");
    }
    let run = run_in(folder.path(), &SIMPLE, &[("XDG_STATE_HOME", "")]).await.unwrap();
    assert!(
        run.code == 2 && run.stderr.contains("HOME is not set; name the state folder with --state"),
        "{run:?}"
    );
}
