//! SERIES agrees with the measures on every write path.

use futures::future::join_all;
use mymonit_services::ports::NewMeasure;

use crate::database::{Database, on_every_engine};
use crate::fixtures::{measure, message, rejected, store};
use crate::ingest::refuse_13;

/// The rows of SERIES that contradict the measures.
pub(crate) const WRONG_SERIES: &str = "SELECT COUNT(*) FROM SERIES S WHERE NOT EXISTS ( \
    SELECT 1 FROM MEASURES M WHERE M.EXPERIMENT_ID = S.EXPERIMENT_ID AND M.TIMESTAMP = S.LAST_TIMESTAMP \
        AND M.ID = S.LAST_ID AND M.SENSOR_ID = S.SENSOR_ID AND M.TYPE = S.TYPE \
        AND M.MEASURE_VALUE = S.LATEST_VALUE) \
    OR S.FIRST_TIMESTAMP <> (SELECT MIN(TIMESTAMP) FROM MEASURES M WHERE M.EXPERIMENT_ID = S.EXPERIMENT_ID \
        AND M.SENSOR_ID = S.SENSOR_ID AND M.TYPE = S.TYPE) \
    OR EXISTS (SELECT 1 FROM MEASURES M WHERE M.EXPERIMENT_ID = S.EXPERIMENT_ID \
        AND M.SENSOR_ID = S.SENSOR_ID AND M.TYPE = S.TYPE AND (M.TIMESTAMP > S.LAST_TIMESTAMP \
        OR (M.TIMESTAMP = S.LAST_TIMESTAMP AND M.ID > S.LAST_ID)))";

/// The difference between the numbers of series in SERIES and in the measures.
const MISSING_SERIES: &str = "SELECT ABS((SELECT COUNT(*) FROM SERIES) - (SELECT COUNT(*) FROM \
    (SELECT DISTINCT EXPERIMENT_ID, SENSOR_ID, TYPE FROM MEASURES) D))";

pub(crate) async fn assert_series_are_right(database: &Database) {
    let mut probe = database.probe().await;
    assert_eq!([probe.number(WRONG_SERIES).await, probe.number(MISSING_SERIES).await], [0, 0]);
}

/// Pseudo-random numbers below a bound, by seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Measures of few series and few timestamps, in any order.
fn measures(numbers: &mut Numbers, count: u32) -> Vec<NewMeasure> {
    let one = |_| {
        let (experiment, kind) = (numbers.below(4) + 1, u16::try_from(numbers.below(4)).unwrap() + 1);
        measure(experiment, kind, numbers.below(20).into(), f64::from(numbers.below(3)) * 0.5 - 0.5)
    };
    (0..count).map(one).collect()
}

on_every_engine! {
    async fn they_agree_with_measures_that_come_in_any_order(database: Database) {
        let mut numbers = Numbers(1);
        for size in [1, 1, 2, 3, 10, 100, 1_025, 1] {
            store(&database, measures(&mut numbers, size)).await;
            assert_series_are_right(&database).await;
        }
    }

    async fn they_agree_with_measures_of_processes_at_once(database: Database) {
        let processes = [(); 4].map(|()| database.other_process());
        for process in &processes {
            process.prepare().await.unwrap();
        }
        let writing = (0..).zip(&processes).map(|(seed, process)| async move {
            let mut numbers = Numbers(seed);
            for _ in 0..25 {
                let size = numbers.below(200) + 1;
                store(process, measures(&mut numbers, size)).await;
            }
        });
        join_all(writing).await;
        assert_series_are_right(&database).await;
    }

    async fn very_many_series_in_one_batch_are_all_kept(database: Database) {
        let measures = (0..5_000_u16).map(|kind| measure(u32::from(kind % 3) + 1, kind + 1, 7, 1.0)).collect();
        store(&database, measures).await;
        assert_eq!(database.number("SELECT COUNT(*) FROM SERIES").await, 5_000);
        assert_series_are_right(&database).await;
    }

    async fn a_batch_that_is_not_stored_changes_none(database: Database) {
        store(&database, vec![measure(1, 1, 5, 1.0)]).await;
        refuse_13(&database).await;
        let batch = vec![message("", vec![measure(1, 1, 9, 13.0)])];
        database.ingest.commit(batch).await.unwrap_err();
        database.ingest.commit(vec![rejected("a", "x")]).await.unwrap();
        assert_series_are_right(&database).await;
        // Nor does a duplicate.
        for value in [2.0, 3.0] {
            database.ingest.commit(vec![message("b", vec![measure(1, 1, 6, value)])]).await.unwrap();
        }
        assert_series_are_right(&database).await;
    }

    async fn replayed_measures_are_in_them(database: Database) {
        database.ingest.commit(vec![rejected("a", "x")]).await.unwrap();
        let kept = database.rejected.page(&Default::default(), None, 1).await.unwrap();
        let measures = [measure(1, 1, 5, 1.0), measure(2, 1, 5, -0.0)];
        assert!(database.rejected.replay(kept.messages[0].id, &measures).await.unwrap());
        assert_eq!(database.number("SELECT COUNT(*) FROM SERIES").await, 2);
        assert_series_are_right(&database).await;
    }
}
