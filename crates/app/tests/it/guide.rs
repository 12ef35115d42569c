//! The guides do what they say.

use std::os::unix::fs::symlink;

use mymonit_test_support::RabbitMq;
use tokio::process::Command;

use crate::house::{BINARY, PYTHON, ServiceBuilder};

/// Eight bytes that every PNG begins with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[tokio::test]
async fn the_guide_to_reading_measures_works_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let broker_url = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    let serve = ServiceBuilder::bare(&["serve", "--evaluation"], Some(folder.path())).unwrap();
    let service = serve.env("RABBIT_URL", &broker_url).ready().await.unwrap();
    // The program lies where the guide's reader has built it.
    std::fs::create_dir_all(folder.path().join("target/release")).unwrap();
    symlink(BINARY, folder.path().join("target/release/mymonit")).unwrap();

    let output = Command::new(PYTHON)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/guide.py"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reading-measures.md"))
        .arg(format!("http://127.0.0.1:{}", service.port()))
        .current_dir(folder.path())
        // What matplotlib and curl keep for themselves goes away with the folder.
        .env("HOME", folder.path())
        .env("MPLCONFIGDIR", folder.path())
        .env("no_proxy", "127.0.0.1")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}\n{errors}");
    assert_eq!(printed, "ran 11 snippets\n", "{errors}");
    let plot = std::fs::read(folder.path().join("measures-1.png")).unwrap();
    assert!(plot.starts_with(PNG) && plot.len() > 10_000, "{} bytes", plot.len());
}
