//! The ids of measures: unique, and increasing in the order of arrival.

use std::collections::HashSet;

use futures::future::{join, join_all};
use mymonit_services::ports::{IngestMessage, Order};
use mymonit_test_support::MySqlServer;

use crate::database::{Database, POOL_SIZE, Stores, on_every_engine, sqlite_stores};
use crate::fixtures::{measure, message, read, rejected, store};
use crate::ingest::refuse_13;

/// The ids of experiment 1 in the order of arrival, of measures whose values are 0, 1, 2 and so on.
async fn ids(stores: &Stores) -> Vec<u64> {
    let mut measures = read(stores, 1, Order::Ascending).await;
    measures.sort_by(|one, other| one.value.get().total_cmp(&other.value.get()));
    measures.iter().map(|measure| measure.id.get()).collect()
}

fn one(value: u32) -> IngestMessage {
    message("", vec![measure(1, 1, 7, f64::from(value))])
}

on_every_engine! {
    async fn they_begin_with_one_and_grow_with_each_batch(database: Database) {
        for value in 0..20 {
            database.ingest.commit(vec![one(value), rejected("", "x")]).await.unwrap();
        }
        assert_eq!(ids(&database).await, (1..=20).collect::<Vec<_>>());
    }

    async fn processes_at_once_share_none_and_each_counts_upwards(database: Database) {
        let processes = [(); 3].map(|()| database.other_process());
        for process in &processes {
            process.prepare().await.unwrap();
        }
        // Large enough that each process reserves several times.
        let writing = (0_u16..).zip(&processes).map(|(number, process)| async move {
            for batch in 0..20 {
                let values = batch * 10_000..(batch + 1) * 10_000;
                let measures = values.map(|value| measure(1, number + 1, 7, f64::from(value))).collect();
                store(process, measures).await;
            }
        });
        join_all(writing).await;
        let measures = read(&database, 1, Order::Ascending).await;
        assert_eq!(measures.len(), 600_000);
        assert_eq!(measures.iter().map(|measure| measure.id).collect::<HashSet<_>>().len(), 600_000);
        for number in 1..=3 {
            let own = measures.iter().filter(|measure| measure.measure_type.get() == number);
            assert!(own.is_sorted_by(|one, two| one.value.get() < two.value.get()), "{number}");
        }
    }

    async fn a_process_that_starts_again_goes_on_behind_all_others(database: Database) {
        for value in 0..5 {
            let process = database.other_process();
            process.prepare().await.unwrap();
            process.ingest.commit(vec![one(value)]).await.unwrap();
            process.close().await;
        }
        let ids = ids(&database).await;
        assert!(ids.len() == 5 && ids.is_sorted_by(|one, two| one < two), "{ids:?}");
    }

    async fn those_of_a_batch_that_was_rolled_back_are_not_given_again_to_others(database: Database) {
        refuse_13(&database).await;
        database.ingest.commit(vec![one(0), one(13)]).await.unwrap_err();
        database.ingest.commit(vec![one(0), one(1)]).await.unwrap();
        let process = database.other_process();
        process.prepare().await.unwrap();
        process.ingest.commit(vec![one(2)]).await.unwrap();
        let ids = ids(&database).await;
        assert!(ids.len() == 3 && ids.is_sorted_by(|one, two| one < two), "{ids:?}");
    }

    async fn a_database_that_was_set_back_gives_a_running_process_no_id_again(database: Database) {
        store(&database, (0..99_999).map(|value| measure(1, 1, 7, f64::from(value))).collect()).await;
        database.execute("UPDATE MEASURE_IDS SET NEXT_ID = 5").await;
        database.ingest.commit(vec![one(99_999), one(100_000)]).await.unwrap();
        let ids = ids(&database).await;
        assert!(ids.len() == 100_001 && ids.is_sorted_by(|one, two| one < two));
    }
}

/// What `mysqldump --single-transaction` reads, as statements.
async fn dump(database: &str) -> String {
    let mut sql = format!("USE {database}; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ");
    sql += "START TRANSACTION WITH CONSISTENT SNAPSHOT; ";
    for table in ["MEASURES", "SERIES", "MEASURE_IDS"] {
        sql += &format!("SELECT '{table}'; SELECT * FROM {table}; ");
    }
    let (mut dump, mut table) = (String::new(), "");
    let rows = MySqlServer::shared().await.unwrap().execute(&sql).await.unwrap();
    for row in rows.lines() {
        if row.contains('\t') {
            dump += &format!("INSERT INTO {table} VALUES ({});\n", row.replace('\t', ", "));
        } else {
            table = row;
        }
    }
    dump
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_restored_into_another_database_goes_on_behind_its_last_measure() {
    let database = Database::mysql().await;
    store(&database, (0..50_000).map(|value| measure(1, 1, 7, f64::from(value))).collect()).await;
    // Each batch reserves ids, so that a concurrent dump contains reservations of later measures.
    let writing = async {
        for batch in 5..9 {
            let values = batch * 10_000..(batch + 1) * 10_000;
            database.execute("UPDATE MEASURE_IDS SET NEXT_ID = NEXT_ID + 7").await;
            let process = database.other_process();
            process.prepare().await.unwrap();
            store(&process, values.map(|value| measure(1, 1, 7, f64::from(value))).collect()).await;
        }
    };
    let name = database.name();
    let (dump, ()) = join(dump(&name), writing).await;
    let target = Database::mysql().await;
    target.execute(&format!("DELETE FROM MEASURE_IDS; {dump}")).await;
    let kept = ids(&target).await;
    target.ingest.commit(vec![one(1_000_000)]).await.unwrap();
    let ids = ids(&target).await;
    assert!(kept.len() >= 50_000 && ids.len() == kept.len() + 1 && ids.last() > kept.iter().max());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_file_goes_on_behind_its_last_measure() {
    let (database, folder) = (Database::sqlite().await, tempfile::tempdir().unwrap());
    store(&database, (0..1_000).map(|value| measure(1, 1, 7, f64::from(value))).collect()).await;
    let copy = folder.path().join("copy.db").to_str().unwrap().to_owned();
    database.execute(&format!("VACUUM INTO '{copy}'")).await;
    let restored = sqlite_stores(&copy, POOL_SIZE);
    restored.prepare().await.unwrap();
    restored.ingest.commit(vec![one(1_000)]).await.unwrap();
    let ids = ids(&restored).await;
    assert!(ids.len() == 1_001 && ids.is_sorted_by(|one, two| one < two));
}
