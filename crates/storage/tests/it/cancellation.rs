//! A dropped caller affects no other caller: sqlx#563.

use std::time::Duration;

use futures::poll;
use mymonit_model::Role;
use mymonit_services::ports::{Erasure, Order};
use mymonit_test_support::wait_until;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::database::on_every_engine;
use crate::fixtures::{add_experiment, add_user, measure, message, read, store, user_id, username};

on_every_engine! {
    async fn cancelled_reads_do_not_affect_later_reads(database: Database) {
        for number in 0..20 {
            add_user(&database, &format!("S{number}"), Role::Scientist).await;
        }
        store(&database, (0..5_000).map(|number| measure(1, 1, number, number as f64)).collect()).await;
        for round in 0..400_u32 {
            // Cancelled after varying delays: some before a statement is prepared, some within its
            // rows.
            let delay = Duration::from_micros(u64::from(round % 40) * 25);
            let page = read(&database, 1, Order::Ascending);
            let _ = timeout(delay, page).await;
            let cut_name = username(&format!("uid-S{}", (round + 7) % 20));
            let _ = timeout(delay / 4, database.users.find_by_username(&cut_name)).await;
            let _ = timeout(delay / 2, database.experiments.names()).await;

            let id = user_id(&format!("S{}", round % 20));
            let found = database.users.find(&id).await.unwrap().unwrap();
            assert_eq!(found.user_id, id);
            let name = username(&format!("uid-S{}", round % 20));
            let found = database.users.find_by_username(&name).await.unwrap().unwrap();
            assert_eq!(found.user_id, id);
        }
        let whole = read(&database, 1, Order::Ascending).await;
        assert_eq!(whole.len(), 5_000);
    }

    async fn a_cancelled_write_is_completed(database: Database) {
        const WRITES: i64 = 50;
        let mut probe = database.probe().await;
        for round in 0..WRITES {
            let batch =
                [message(&format!("{round}"), (0..300).map(|number| measure(1, 1, number, 1.0)).collect())];
            let mut writing = database.ingest.commit(batch.to_vec());
            // Started, and dropped soon after.
            for _ in 0..=round % 5 {
                if poll!(&mut writing).is_ready() {
                    break;
                }
                yield_now().await;
            }
            drop(writing);
            // It completes. Starting all at once could exceed the lock timeout.
            let ended = (round + 1, (round + 1) * 300);
            wait_until("work in hand to end", Duration::from_secs(60), async || {
                let ids = probe.number("SELECT COUNT(*) FROM MESSAGE_IDS").await;
                let measures = probe.number("SELECT COUNT(*) FROM MEASURES").await;
                if (ids, measures) == ended { Ok(()) } else { Err(format!("{ids} ids, {measures} measures")) }
            })
            .await
            .unwrap();
        }
    }

    async fn a_cancelled_erasure_is_atomic(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        for round in 0..30_u64 {
            let id = add_user(&database, &format!("S{round}"), Role::Scientist).await.user_id;
            database.associations.insert(experiment, &id).await.unwrap();
            let _ = timeout(Duration::from_micros(round * 40), database.users.erase(&id)).await;
            // The later one of this call and the background task finds nothing left.
            assert!(matches!(database.users.erase(&id).await.unwrap(), Erasure::Erased | Erasure::Absent));
            assert_eq!(database.users.find(&id).await.unwrap(), None);
            assert_eq!(database.number("SELECT COUNT(*) FROM USER_EXPERIMENTS").await, 0);
        }
    }
}
