//! Folders with links, names that are not UTF-8, and unreadable files.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use crate::environment::{TIMEOUT, TestEnvironment};

const FOLDER: &str = "experiment = \"device-vibrations\"\n[input]\nfolder = \"in\"\npattern = \"*.txt\"\ndone = \"done\"\nonce = true\n\
    settle_seconds = 0\n[timestamp]\narrival = true\n[[measures]]\nmeasure = \"hertz\"\nvalue = \"line\"\n[format]\nkind = \"text\"\n";

#[tokio::test]
async fn unreadable_files_in_a_folder_are_reported_and_do_not_block_others() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("source.toml"), FOLDER).unwrap();
    let folder = environment.path("in");
    fs::create_dir_all(folder.join("folder.txt")).unwrap();
    symlink("nowhere", folder.join("dangling.txt")).unwrap();
    symlink("loop.txt", folder.join("loop.txt")).unwrap();
    symlink("/dev/zero", folder.join("endless.txt")).unwrap();
    // A regular file that cannot be read, as on a broken disk.
    symlink("/proc/self/mem", folder.join("broken.txt")).unwrap();
    fs::write(environment.path("elsewhere"), "2\n").unwrap();
    symlink("../elsewhere", folder.join("link.txt")).unwrap();
    fs::write(folder.join("whole.txt"), "1\n").unwrap();
    fs::write(folder.join("half.txt.part"), "9\n").unwrap();
    let name = OsStr::from_bytes(b"no text \xff.txt");
    fs::write(folder.join(name), "3\n").unwrap();

    let run = environment.run(&["run", "--source", "source.toml"]).await.unwrap();
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("in/broken.txt: Input/output error"), "{run:?}");
    let mut values: Vec<_> =
        environment.measures_when(3, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [1.0, 2.0, 3.0]);
    for done in [OsStr::new("whole.txt"), OsStr::new("link.txt"), name] {
        assert!(environment.path("done").join(done).symlink_metadata().is_ok(), "{done:?} has been moved");
    }
    assert!(environment.path("elsewhere").exists() && folder.join("half.txt.part").exists());

    let again = environment.run(&["run", "--source", "source.toml"]).await.unwrap();
    assert!(again.code == 3 && again.stderr.contains("0 records read"), "{again:?}");
}

#[tokio::test]
async fn a_file_with_a_name_that_is_not_text_is_continued() {
    let environment = TestEnvironment::new().await.unwrap();
    let name = environment.folder.path().join(OsStr::from_bytes(b"\xff.txt"));
    for content in ["1\n", "1\n2\n"] {
        fs::write(&name, content).unwrap();
        let mut command = tokio::process::Command::new(crate::environment::BINARY);
        command.args(["run", "--experiment", "device-vibrations", "--measure", "hertz"]).arg(&name);
        command.env("RABBIT_URL", &environment.broker_url).env("XDG_STATE_HOME", environment.path("state"));
        let run = crate::environment::Finished::of_command(command).await.unwrap();
        assert!(run.code == 0 && run.stderr.contains("1 records read, 1 measures published"), "{run:?}");
    }
    assert_eq!(environment.measures_when(2, TIMEOUT).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_from_the_future_is_read_once_it_does_not_change() {
    let environment = TestEnvironment::new().await.unwrap();
    let description = FOLDER.replace("settle_seconds = 0\n", "settle_seconds = 0.2\n");
    fs::write(environment.path("source.toml"), description).unwrap();
    fs::create_dir(environment.path("in")).unwrap();
    // As after the clock was set back.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    for name in ["in/a.txt", "in/b.txt"] {
        fs::write(environment.path(name), "1\n").unwrap();
        fs::File::options().append(true).open(environment.path(name)).unwrap().set_modified(later).unwrap();
    }
    let run = environment.run(&["run", "--source", "source.toml"]).await.unwrap();
    assert!(run.code == 0 && run.stderr.contains("2 records read, 2 measures published"), "{run:?}");
    assert_eq!(environment.measures_when(2, TIMEOUT).await.unwrap().len(), 2);
}
