//! Properties of database files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mymonit_model::Role;
use mymonit_services::ports::{Erasure, StorageError};
use mymonit_storage::{PrepareError, SqliteDatabase};

use crate::database::{Database, POOL_SIZE, Probe, sqlite_stores};
use crate::fixtures::{add_user, profile, user, user_id};

#[tokio::test]
async fn addresses_name_a_file_as_a_path_or_as_a_url() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b.db");
    let text = path.to_str().unwrap();
    let escaped = text.replace(' ', "%20");
    for address in [
        text.to_owned(),
        format!("sqlite://{escaped}"),
        format!("sqlite:{escaped}"),
        format!("sqlite://{escaped}?mode=rwc"),
    ] {
        let stores = sqlite_stores(&address, 1);
        stores.prepare().await.unwrap();
        assert!(path.is_file(), "{address}");
        stores.close().await;
        fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn addresses_without_a_file_are_refused() {
    for address in [
        "",
        "sqlite:",
        "sqlite://",
        ":memory:",
        "sqlite::memory:",
        "sqlite://x.db?mode=memory",
        "sqlite://x?y=z",
    ] {
        assert!(SqliteDatabase::new(address, 1).is_err(), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_persist_across_reopening() {
    let database = Database::sqlite().await;
    let written = add_user(&database, "S001", Role::Scientist).await;
    database.close().await;
    let other = database.other_process();
    other.prepare().await.unwrap();
    assert_eq!(other.users.list().await.unwrap(), [written]);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_owner_has_access_to_the_files_and_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let inner = folder.path().join("new/inner");
    let file = inner.join("mymonit.db");
    let stores = sqlite_stores(file.to_str().unwrap(), 1);
    stores.prepare().await.unwrap();
    add_user(&stores, "S001", Role::Scientist).await;
    let files = ["mymonit.db", "mymonit.db-wal", "mymonit.db-shm"].map(|name| inner.join(name));
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);
    assert_eq!([mode(&inner), mode(inner.parent().unwrap())], [0o700; 2]);
    assert_eq!(mode(folder.path()), 0o755, "a folder that was there keeps its mode");

    // Files of an earlier release.
    for file in &files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let other = sqlite_stores(file.to_str().unwrap(), 1);
    other.prepare().await.unwrap();
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);
    assert_eq!(other.users.list().await.unwrap().len(), 1);
}

/// Neither in the changed pages nor in the write-ahead log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_an_erased_user_is_left_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mymonit.db");
    let stores = sqlite_stores(file.to_str().unwrap(), 1);
    stores.prepare().await.unwrap();
    // Enough for pages to be split, with others before and behind.
    for number in 0..300 {
        add_user(&stores, &format!("S{number:03}"), Role::Scientist).await;
    }
    let erased = user_id("S150");
    for (name, uid, email) in [
        ("Canary Former", "canary-former", "Former.Canary@home.cern"),
        ("Canary Name", "canary-uid", "Canary@home.cern"),
    ] {
        stores.users.update(&erased, &profile(name, uid, email)).await.unwrap();
    }
    let holds = |text: &str| {
        let files =
            fs::read_dir(folder.path()).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let files: Vec<_> = files.map(|bytes| String::from_utf8_lossy(&bytes).to_lowercase()).collect();
        files.iter().any(|content| content.contains(text))
    };
    assert!(holds("canary"));
    assert_eq!(stores.users.erase(&erased).await.unwrap(), Erasure::Erased);
    assert!(!holds("canary"));
    assert!(holds("uid-s149"));
    stores.close().await;
    assert!(!holds("canary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_continue_during_a_write_and_writers_wait_and_time_out() {
    let database = Database::sqlite().await;
    let Probe::Sqlite(mut other) = database.probe().await else { unreachable!() };
    sqlx::raw_sql("BEGIN IMMEDIATE; DELETE FROM USERS").execute(&mut other).await.unwrap();
    assert_eq!(database.users.list().await.unwrap(), []);
    let given_up = database.users.insert(&user("S001", Role::Scientist)).await;
    assert!(matches!(given_up, Err(StorageError::Unavailable(_))), "{given_up:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    add_user(&database, "S001", Role::Scientist).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    let letter = "Dear Peter, ".repeat(1_000);
    fs::write(&file, &letter).unwrap();
    let stores = sqlite_stores(file.to_str().unwrap(), POOL_SIZE);
    let refused = stores.prepare().await;
    assert!(matches!(refused, Err(PrepareError::Incompatible(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), letter);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_worth_another_try() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let inside = file.join("mymonit.db");
    let stores = sqlite_stores(inside.to_str().unwrap(), POOL_SIZE);
    let failed = stores.prepare().await;
    assert!(matches!(failed, Err(PrepareError::Unavailable(_))), "{failed:?}");
}
