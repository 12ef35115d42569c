//! What only a database in a file has.

use std::fs;

use mymonit_model::Role;
use mymonit_services::ports::StorageError;
use mymonit_storage::{PrepareError, SqliteDatabase};

use crate::database::{Database, POOL_SIZE, Probe, sqlite_stores};
use crate::fixtures::{add_user, user};

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
        let stores = sqlite_stores(SqliteDatabase::new(&address, 1).unwrap());
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
async fn what_is_written_is_there_after_closing_and_opening() {
    let database = Database::sqlite().await;
    let written = add_user(&database, "S001", Role::Scientist).await;
    database.close().await;
    let other = database.other_process();
    other.prepare().await.unwrap();
    assert_eq!(other.users.list().await.unwrap(), [written]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_go_on_while_somebody_writes_and_writers_wait_and_then_give_up() {
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
    let stores = sqlite_stores(SqliteDatabase::new(file.to_str().unwrap(), POOL_SIZE).unwrap());
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
    let stores = sqlite_stores(SqliteDatabase::new(inside.to_str().unwrap(), POOL_SIZE).unwrap());
    let failed = stores.prepare().await;
    assert!(matches!(failed, Err(PrepareError::Unavailable(_))), "{failed:?}");
}
