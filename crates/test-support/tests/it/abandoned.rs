use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mymonit_test_support::{ServiceProcess, wait_until};

/// The working folders of all processes; removed ones end with ` (deleted)`.
fn working_folders() -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok()).collect()
}

/// The number of processes with this working folder, which may be removed.
fn processes_in(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let works_there = |other: &PathBuf| other.to_str().is_some_and(|other| other.starts_with(folder));
    working_folders().iter().filter(|other| works_there(other)).count()
}

/// The folder of a server whose working folder is it or, for MariaDB, a subfolder.
fn own_folder(within: &Path) -> PathBuf {
    let is_own = |folder: &&Path| folder.file_name().unwrap().to_str().unwrap().starts_with("mymonit-test-");
    within.ancestors().find(is_own).unwrap().to_owned()
}

#[tokio::test]
async fn a_killed_test_process_leaves_nothing_behind() {
    let test = ServiceProcess::builder(env!("CARGO_BIN_EXE_abandoned-servers")).start().await.unwrap();
    let mut folders = Vec::new();
    for count in 0..4 {
        let line = test.wait_for_line_after(count, "pid ", Duration::from_secs(180)).await.unwrap();
        let pid = line.text.strip_prefix("pid ").unwrap();
        folders.push(own_folder(&fs::read_link(format!("/proc/{pid}/cwd")).unwrap()));
    }
    for folder in &folders {
        // The supervising shell, its waiting subshell, and the server.
        assert!(processes_in(folder) >= 3, "{}: {}", folder.display(), processes_in(folder));
    }

    test.kill9().await.unwrap();

    for folder in folders {
        let what = format!("{} and its processes are gone", folder.display());
        wait_until(&what, Duration::from_secs(60), async || match (folder.exists(), processes_in(&folder)) {
            (false, 0) => Ok(()),
            seen => Err(format!("(folder is there, processes) = {seen:?}")),
        })
        .await
        .unwrap();
    }
}
