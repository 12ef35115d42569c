//! Migration of measures of earlier releases.

use std::time::Duration;

use mymonit_services::ports::{IngestOutcome, Order};
use mymonit_test_support::{MySqlServer, numbers, wait_until};

use crate::database::{Database, Probe};
use crate::fixtures::{measure, message, read};
use crate::preparation::{incompatible, statements_of};
use crate::series::assert_series_are_right;

/// The migration that rewrites the measures.
const REWRITE: usize = 6;
const MEASURES: u32 = 20_000;
/// The query for sessions that execute its longest statement.
const REWRITING: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() \
    AND INFO LIKE '%ALTER TABLE MEASURES%' AND INFO NOT LIKE '%CREATE TABLE%'";

/// Converts an empty database to one of an earlier release, with measures out of order, many of
/// them with equal times. `whole` is a database of this release on the same server.
async fn earlier_release(database: &Database, whole: &Database, measures: u32) {
    const COLUMNS: &str = "TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE";
    const ROW: &str = "seq % 4 + 1, (seq * 7919) % 1009, seq % 3 + 1, seq * 0.1 - 77";
    let (engine, fill, record) = match database.probe().await {
        Probe::MySql(_) => (
            "mysql",
            format!(
                "INSERT INTO MEASURES ({COLUMNS}) SELECT {ROW} FROM {}; \
                 INSERT INTO MEASURES ({COLUMNS}, IS_NEGATIVE_ZERO) VALUES (1, 5000, 1, 0, TRUE)",
                numbers(measures)
            ),
            format!(
                "CREATE TABLE _sqlx_migrations LIKE {0}._sqlx_migrations; \
                 INSERT INTO _sqlx_migrations SELECT * FROM {0}._sqlx_migrations WHERE version < {REWRITE}",
                whole.name()
            ),
        ),
        Probe::Sqlite(_) => (
            "sqlite",
            format!(
                "WITH RECURSIVE S (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM S WHERE seq < {measures}) \
                 INSERT INTO MEASURES ({COLUMNS}) SELECT {ROW} FROM S; \
                 INSERT INTO MEASURES ({COLUMNS}) VALUES (1, 5000, 1, -0.0)"
            ),
            format!(
                "ATTACH '{}' AS W; CREATE TABLE _sqlx_migrations AS \
                 SELECT * FROM W._sqlx_migrations WHERE version < {REWRITE}",
                whole.file()
            ),
        ),
    };
    let earlier = statements_of(engine).into_iter().take(REWRITE - 1).flat_map(|(_, statements)| statements);
    let statements = earlier.collect::<Vec<_>>().join(";\n");
    database.execute(&format!("{statements}; {fill}; {record}")).await;
}

/// Notes that the migration was begun.
async fn record_begun(database: &Database, whole: &Database) {
    let record = format!(
        "INSERT INTO _sqlx_migrations SELECT * FROM {}._sqlx_migrations WHERE version = {REWRITE}; \
         UPDATE _sqlx_migrations SET success = FALSE WHERE version = {REWRITE}",
        whole.name()
    );
    database.execute(&record).await;
}

/// Count, and sums that change with any field of any measure.
async fn digest(database: &Database) -> Vec<i64> {
    let mut probe = database.probe().await;
    let mut digest = Vec::new();
    for sum in [
        "COUNT(*)",
        "SUM(ID * (TIMESTAMP + 1) % 1000003)",
        "SUM(ID * TYPE * EXPERIMENT_ID % 1000003)",
        "SUM(ROUND(ID * MEASURE_VALUE))",
    ] {
        let integer = match probe {
            Probe::MySql(_) => "SIGNED",
            Probe::Sqlite(_) => "INTEGER",
        };
        digest.push(probe.number(&format!("SELECT CAST({sum} AS {integer}) FROM MEASURES")).await);
    }
    digest
}

/// All measures are kept with their fields, and the next one gets the next id.
async fn assert_is_taken_over(database: &Database, before: &[i64]) {
    assert_eq!(digest(database).await, before);
    assert_eq!(database.number("SELECT COUNT(*) FROM SERIES").await, 12);
    assert_series_are_right(database).await;
    let last = read(database, 1, Order::Descending).await[0];
    assert_eq!((last.timestamp.unix_nanos(), last.value.get().to_bits()), (5_000, (-0.0_f64).to_bits()));
    let outcomes = database.ingest.commit(vec![message("", vec![measure(1, 1, 6_000, 0.5)])]).await.unwrap();
    assert_eq!(outcomes, [IngestOutcome::Stored]);
    let newest = read(database, 1, Order::Descending).await[0];
    assert_eq!(newest.id.get(), last.id.get() + 1);
    assert_series_are_right(database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measures_in_a_file_are_taken_over() {
    let (database, whole) = (Database::empty_sqlite().await, Database::sqlite().await);
    database.create_file().await;
    earlier_release(&database, &whole, MEASURES).await;
    let before = digest(&database).await;
    database.prepare().await.unwrap();
    assert_is_taken_over(&database, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measures_are_taken_over_whenever_the_migration_was_interrupted() {
    let whole = Database::mysql().await;
    let (_, statements) = &statements_of("mysql")[REWRITE - 1];
    for done in 0..=statements.len() {
        let database = Database::empty_mysql().await;
        earlier_release(&database, &whole, MEASURES).await;
        let before = digest(&database).await;
        for statement in &statements[..done] {
            database.execute(statement).await;
        }
        record_begun(&database, &whole).await;
        assert!(incompatible(database.attach().await).contains("mymonit migrate"));
        database.prepare().await.unwrap();
        assert_is_taken_over(&database, &before).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measures_are_taken_over_after_the_server_was_killed_amid_the_rewrite() {
    let server = MySqlServer::start().await.unwrap();
    let [whole, database] = [Database::on(&server).await, Database::on(&server).await];
    whole.prepare().await.unwrap();
    earlier_release(&database, &whole, 400_000).await;
    let before = digest(&database).await;
    let process = database.other_process();
    let preparing = tokio::spawn(async move { process.prepare().await });
    let mut watcher = whole.probe().await;
    wait_until("the rewrite to begin", Duration::from_secs(60), async || {
        match watcher.number(REWRITING).await {
            0 => Err("not yet"),
            _ => Ok(()),
        }
    })
    .await
    .unwrap();
    server.kill().await.unwrap();
    preparing.await.unwrap().unwrap_err();
    server.start_again().await.unwrap();
    database.prepare().await.unwrap();
    assert_is_taken_over(&database, &before).await;
}
