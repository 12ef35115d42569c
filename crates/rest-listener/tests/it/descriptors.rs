use std::fs::File;
use std::process::Command;

use tokio::time::timeout;

use crate::log::Log;
use crate::raw::RawClient;
use crate::site::{Site, TIMEOUT};

#[test]
fn a_lack_of_file_descriptors_is_survived() {
    // In a separate process, since the limit is per process.
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact descriptors::within_64_descriptors --ignored"])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "run by the test above, in a process that may open 64 files"]
async fn within_64_descriptors() {
    let (log, _guard) = Log::capture();
    let site = Site::start().await;
    let mut files: Vec<_> = (0..64).map_while(|_| File::open("/dev/null").ok()).collect();
    assert!(files.len() < 64, "the limit is not in force");
    // The client takes the last descriptor, so that the server has none for its side.
    files.pop();
    let mut raw = RawClient::connect(&site).await;
    raw.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let refused = async {
        while !log.text().contains("accept failed") {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, refused).await.expect("the server has descriptors left");
    drop(files);
    raw.read_until("\"live\"").await;
}
