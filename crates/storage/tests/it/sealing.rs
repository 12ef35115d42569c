//! Sealing, unsealing and verifying.

use std::sync::atomic::{AtomicU32, Ordering};

use mymonit_model::{MeasureTypeId, Window};
use mymonit_services::ports::{MeasureQuery, Order, StorageError};
use mymonit_storage::blocks::{SealExtent, SealRange, Sealed, Sealer};

use crate::database::{ALL, Stores, on_every_engine};
use crate::fixtures::{add_experiment, all_of, bits, measure, moment, of_sensor, read, store};

const SECOND: i64 = 1_000_000_000;

/// A slow walk, one measure a second, with a negative zero now and then.
async fn store_walk(stores: &Stores, from: i64, count: i64) {
    let value = |number: i64| if number % 50 == 0 { -0.0 } else { (number * 7 % 100) as f64 / 100.0 };
    for start in (0..count).step_by(5_000) {
        let measures = (start..count.min(start + 5_000))
            .map(|number| measure(1, 16, (from + number) * SECOND + number % 3, value(number)))
            .collect();
        store(stores, measures).await;
    }
}

async fn seal(sealer: &Sealer, range: SealRange) -> Sealed {
    let mut total = Sealed::default();
    sealer.wait_to_begin().await.unwrap();
    let sealed = sealer.seal(range, async |step: Sealed| {
        total.measures += step.measures;
        total.blocks += step.blocks;
        true
    });
    sealed.await.unwrap();
    sealer.end().await.unwrap();
    total
}

fn before(nanos: i64, extent: SealExtent) -> SealRange {
    SealRange { before: moment(nanos), extent }
}

async fn assert_right(sealer: &Sealer) {
    let verified = sealer.verify().await.unwrap();
    assert_eq!(verified.broken, Vec::<String>::new());
}

on_every_engine! {
    async fn sealed_measures_are_read_as_before_and_so_are_unsealed_ones(database: Database) {
        store_walk(&database, 0, 30_000).await;
        let expected = read(&database, 1, Order::Ascending).await;
        let sealer = Sealer::new(database.database.clone());
        let sealed = seal(&sealer, ALL).await;
        assert_eq!(sealed.measures, 30_000);
        assert!(sealed.blocks <= 8, "{sealed:?}");
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 0);
        assert!(database.number("SELECT MAX(LENGTH(DATA)) FROM MEASURE_BLOCKS").await <= 8_000);
        assert_right(&sealer).await;
        assert_eq!(read(&database, 1, Order::Ascending).await, expected);
        let mut descending = read(&database, 1, Order::Descending).await;
        descending.reverse();
        assert_eq!(descending, expected);

        sealer.wait_to_begin().await.unwrap();
        sealer.unseal(async |_| true).await.unwrap();
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 30_000);
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURE_BLOCK_SERIES").await, 0);
        let again = read(&database, 1, Order::Ascending).await;
        assert_eq!(again, expected);
        assert_eq!(again.iter().map(bits).collect::<Vec<_>>(), expected.iter().map(bits).collect::<Vec<_>>());
    }

    async fn a_bin_of_each_series_is_made_of_the_summaries_of_blocks(database: Database) {
        add_experiment(&database, "one").await;
        let sensors = ["", "left", "right"];
        let measures = (0..6_000_u32).map(|number| {
            let (kind, sensor) = (u16::try_from(number % 2).unwrap() + 1, sensors[number as usize / 2 % 3]);
            let measure = measure(1, kind, i64::from(number) * SECOND, f64::from(number));
            if sensor.is_empty() { measure } else { of_sensor(sensor, measure) }
        });
        store(&database, measures.collect()).await;
        let expected = read(&database, 1, Order::Ascending).await;
        let sealer = Sealer::new(database.database.clone()).limited_to(500);
        seal(&sealer, ALL).await;
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURE_BLOCK_SERIES").await, 12 * 6);
        assert_eq!(read(&database, 1, Order::Ascending).await, expected);
        // Results from summaries need no data.
        database.execute("UPDATE MEASURE_BLOCKS SET DATA = X'78'").await;
        let ids: Vec<_> = expected[..6].iter().map(|measure| measure.sensor).collect();
        assert_eq!(ids.iter().flatten().count(), 4);
        for (types, sensors, series) in [
            (vec![], vec![], 6),
            (vec![], vec![ids[2]], 2),
            (vec![MeasureTypeId::new(2)], vec![None, ids[4]], 2),
            (vec![MeasureTypeId::new(9)], vec![ids[2]], 0),
        ] {
            let query = MeasureQuery { types, sensors, ..all_of(1, Order::Ascending) };
            let reduced = database.measures.reduce(&query, None, Window::ALL_TIME).await.unwrap();
            assert_eq!((reduced.bins.len(), reduced.next), (series, None));
            for bin in reduced.bins {
                let values: Vec<_> = expected
                    .iter()
                    .filter(|measure| (measure.measure_type, measure.sensor) == (bin.measure_type, bin.sensor))
                    .map(|measure| measure.value.get())
                    .collect();
                let (summary, mean) = (bin.summary, values.iter().sum::<f64>() / 1_000.0);
                assert_eq!((summary.count(), values.len()), (1_000, 1_000));
                assert_eq!((summary.min(), summary.max(), summary.mean()), (values[0], values[999], mean));
            }
        }
    }

    async fn only_what_is_older_is_sealed_and_small_rests_wait(database: Database) {
        store_walk(&database, 0, 20_000).await;
        let sealer = Sealer::new(database.database.clone()).limited_to(4_000);
        let full = seal(&sealer, before(15_000 * SECOND, SealExtent::Full)).await;
        assert_eq!(full, Sealed { measures: 12_000, blocks: 3 });
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 8_000);
        seal(&sealer, before(15_000 * SECOND, SealExtent::Rest)).await;
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 5_000);
        // The small block at the end grows.
        seal(&sealer, before(15_500 * SECOND, SealExtent::Rest)).await;
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 4_500);
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURE_BLOCKS").await, 4);
        assert_eq!(read(&database, 1, Order::Ascending).await.len(), 20_000);
        assert_right(&sealer).await;
    }

    async fn late_measures_are_rows_until_they_are_many(database: Database) {
        store_walk(&database, 0, 10_000).await;
        let sealer = Sealer::new(database.database.clone());
        seal(&sealer, ALL).await;
        store(&database, (0..100).map(|number| measure(1, 1, number * SECOND, 7.0)).collect()).await;
        assert_eq!(seal(&sealer, before(i64::MAX, SealExtent::Rest)).await, Sealed::default());
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 100);
        store(&database, (0..1_000).map(|number| measure(1, 1, number * SECOND, 8.0)).collect()).await;
        let expected = read(&database, 1, Order::Descending).await;
        assert_eq!(expected.len(), 11_100);
        assert_eq!(seal(&sealer, before(i64::MAX, SealExtent::Rest)).await.measures, 1_100);
        assert_eq!(read(&database, 1, Order::Descending).await, expected);
        assert_right(&sealer).await;
    }

    async fn many_late_measures_within_one_block_are_reduced(database: Database) {
        store_walk(&database, 0, 5_000).await;
        let sealer = Sealer::new(database.database.clone());
        seal(&sealer, ALL).await;
        store(&database, (0..9_500).map(|number| measure(1, 1, number % 4_000 * SECOND, 7.0)).collect()).await;
        for order in [Order::Ascending, Order::Descending] {
            let (mut after, mut count) = (None, 0);
            loop {
                let part = database.measures.reduce(&all_of(1, order), after, Window::ALL_TIME).await.unwrap();
                count += part.bins.iter().map(|bin| bin.summary.count()).sum::<u64>();
                after = part.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(count, 14_500);
        }
    }

    async fn one_process_at_a_time_writes_blocks(database: Database) {
        store_walk(&database, 0, 100).await;
        let (one, other) = (Sealer::new(database.database.clone()), Sealer::new(database.database.clone()));
        assert!(one.begin().await.unwrap());
        assert!(one.begin().await.unwrap());
        assert!(!other.begin().await.unwrap());
        assert!(other.seal(ALL, async |_| true).await.is_err());
        one.end().await.unwrap();
        assert!(other.begin().await.unwrap());
        assert!(one.seal(ALL, async |_| true).await.is_err());
        // As after the end of a lease whose holder was killed.
        database.execute("UPDATE SEALING_LEASE SET EXPIRES_AT = 1").await;
        assert!(one.begin().await.unwrap());
        assert!(other.seal(ALL, async |_| true).await.is_err());
        assert_eq!(seal(&one, ALL).await.measures, 100);
    }

    async fn a_broken_block_breaks_the_reading_and_is_named(database: Database) {
        store_walk(&database, 0, 3_000).await;
        let sealer = Sealer::new(database.database.clone());
        seal(&sealer, ALL).await;
        database.execute("UPDATE MEASURE_BLOCKS SET CRC = CRC + 1").await;
        let page = database.measures.page(&all_of(1, Order::Ascending), None, 10).await;
        let Err(StorageError::Internal(cause)) = page else { panic!("{page:?}") };
        assert!(cause.to_string().starts_with("block of experiment 1 at timestamp 0, id "), "{cause}");
        let verified = sealer.verify().await.unwrap();
        assert_eq!((verified.blocks, verified.measures, verified.broken.len()), (1, 0, 1));
        database.execute("UPDATE MEASURE_BLOCKS SET CRC = CRC - 1").await;
        assert_right(&sealer).await;
        database.execute("UPDATE MEASURE_BLOCK_SERIES SET COUNT = COUNT + 1").await;
        assert_eq!(sealer.verify().await.unwrap().broken.len(), 1);
    }

    async fn sealing_goes_on_while_measures_arrive(database: Database) {
        store_walk(&database, 0, 20_000).await;
        let sealer = Sealer::new(database.database.clone()).limited_to(500);
        let arrived = AtomicU32::new(0);
        sealer.wait_to_begin().await.unwrap();
        let sealed = sealer.seal(ALL, async |_| {
            let number = arrived.fetch_add(1, Ordering::Relaxed);
            let late = measure(1, 1, i64::from(number * 7_919 % 20_000) * SECOND, 1.0);
            store(&database, vec![late]).await;
            true
        });
        sealed.await.unwrap();
        let arrived = usize::try_from(arrived.into_inner()).unwrap();
        assert!(arrived >= 40);
        assert_eq!(read(&database, 1, Order::Ascending).await.len(), 20_000 + arrived);
        let typed = MeasureQuery { types: vec![MeasureTypeId::new(1)], ..all_of(1, Order::Descending) };
        assert_eq!(database.measures.page(&typed, None, u32::MAX).await.unwrap().len(), arrived);
        assert_right(&sealer).await;
    }
}
