use std::cmp::Reverse;
use std::sync::atomic::{AtomicU32, Ordering};

use mymonit_model::{Experiment, ExperimentId, MeasureTypeId, Role, StoredMeasure, User};
use mymonit_services::ports::{Erasure, MeasurePosition, MeasureQuery, NewMeasure, Order};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::database::{Stores, in_every_state};
use crate::fixtures::{
    access_of, add_experiment, add_user, all_of, bits, by_name, experiment_name, measure, moment, read,
    renaming, signed_in, store,
};

fn position(measure: &StoredMeasure) -> MeasurePosition {
    MeasurePosition { timestamp: measure.timestamp, id: measure.id }
}

/// The result of a query, read in pages of that size.
async fn in_pages(stores: &Stores, query: &MeasureQuery, size: u32) -> Vec<StoredMeasure> {
    let mut all = Vec::new();
    loop {
        let page = stores.measures.page(query, all.last().map(position), size).await.unwrap();
        let is_last = page.len() < size as usize;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

/// The expected result of a query for measures that arrived in that order.
fn expected(arrived: &[NewMeasure], query: &MeasureQuery) -> Vec<(u16, i64, u64)> {
    let mut found: Vec<_> = arrived
        .iter()
        .enumerate()
        .filter(|(_, measure)| query.from.is_none_or(|from| measure.timestamp >= from))
        .filter(|(_, measure)| query.to.is_none_or(|to| measure.timestamp < to))
        .filter(|(_, measure)| query.types.is_empty() || query.types.contains(&measure.measure_type))
        .collect();
    match query.order {
        Order::Ascending => found.sort_by_key(|(index, measure)| (measure.timestamp, *index)),
        Order::Descending => found.sort_by_key(|(index, measure)| Reverse((measure.timestamp, *index))),
    }
    let bits = |measure: &NewMeasure| {
        (measure.measure_type.get(), measure.timestamp.unix_nanos(), measure.value.get().to_bits())
    };
    found.into_iter().map(|(_, measure)| bits(measure)).collect()
}

fn any_measure(experiment: u32) -> impl Strategy<Value = NewMeasure> {
    // Few moments and few types, so that many share them; the ends of time among them.
    let nanos = prop_oneof![8 => 0..6_i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX - 1), 1 => any::<i64>().prop_map(|nanos| nanos & i64::MAX)];
    let value = any::<f64>().prop_filter("finite", |value| value.is_finite());
    (nanos, 1..5_u16, value).prop_map(move |(nanos, kind, value)| measure(experiment, kind, nanos, value))
}

in_every_state! {
    async fn values_and_times_round_trip(database: Database) {
        let values = [
            0.0, -0.0, 1.0, -1.0, 2.2, 0.1, 1.0 / 3.0, 5e-324, -5e-324, f64::MIN_POSITIVE, 2.225_073_858_507_201e-308,
            f64::MAX, f64::MIN, 9_007_199_254_740_993.0, -9_223_372_036_854_775_808.0, 1e300, 123_456_789.123_456_78,
        ];
        let times = [
            0,                             // 1970
            1,
            2_147_483_647_999_999_999,     // the last moment of signed 32-bit seconds
            2_147_483_648_000_000_000,     // 2038-01-19T03:14:08Z
            4_102_444_800_000_000_001,     // 2100
            i64::MAX,                      // 2262
        ];
        let written: Vec<_> = times
            .into_iter()
            .flat_map(|nanos| values.map(|value| measure(1, 16, nanos, value)))
            .collect();
        store(&database, written.clone()).await;
        let found: Vec<_> = read(&database, 1, Order::Ascending).await.iter().map(bits).collect();
        assert_eq!(found, expected(&written, &all_of(1, Order::Ascending)));
        assert!(found.iter().any(|(_, _, value)| *value == (-0.0_f64).to_bits()));
    }

    async fn measures_that_are_equal_in_everything_are_all_kept(database: Database) {
        store(&database, vec![measure(1, 1, 7, 2.2); 3]).await;
        store(&database, vec![measure(1, 1, 7, 2.2)]).await;
        let found = read(&database, 1, Order::Descending).await;
        assert_eq!(found.len(), 4);
        assert!(found.is_sorted_by(|one, two| one.id > two.id));
    }

    async fn ascending_is_the_exact_reverse_of_descending(database: Database) {
        let written = (0..500).map(|number| measure(1, 1, number * 7 % 13, number as f64)).collect();
        store(&database, written).await;
        let mut ascending = read(&database, 1, Order::Ascending).await;
        ascending.reverse();
        assert_eq!(ascending, read(&database, 1, Order::Descending).await);
    }

    async fn each_experiment_has_its_own_measures(database: Database) {
        store(&database, vec![measure(1, 1, 7, 1.0), measure(2, 1, 7, 2.0), measure(1, 1, 8, 3.0)]).await;
        assert_eq!(read(&database, 1, Order::Descending).await.len(), 2);
        assert_eq!(read(&database, 2, Order::Descending).await.len(), 1);
        assert_eq!(read(&database, 3, Order::Descending).await, []);
    }

    async fn a_page_begins_at_from_and_ends_before_to(database: Database) {
        store(&database, (0..10).map(|nanos| measure(1, 1, nanos, 1.0)).collect()).await;
        for order in [Order::Ascending, Order::Descending] {
            let query = MeasureQuery { from: Some(moment(3)), to: Some(moment(6)), ..all_of(1, order) };
            let page = database.measures.page(&query, None, 100).await.unwrap();
            let mut times: Vec<_> = page.iter().map(|measure| measure.timestamp.unix_nanos()).collect();
            times.sort_unstable();
            assert_eq!(times, [3, 4, 5]);
        }
    }

    async fn a_page_holds_the_first_of_what_follows_and_no_more(database: Database) {
        store(&database, (0..10).map(|nanos| measure(1, 1, nanos / 2, nanos as f64)).collect()).await;
        let query = all_of(1, Order::Descending);
        let values = |page: &[StoredMeasure]| page.iter().map(|measure| measure.value.get()).collect::<Vec<_>>();
        let first = database.measures.page(&query, None, 3).await.unwrap();
        assert_eq!(values(&first), [9.0, 8.0, 7.0]);
        let second = database.measures.page(&query, Some(position(&first[2])), 4).await.unwrap();
        assert_eq!(values(&second), [6.0, 5.0, 4.0, 3.0]);
        assert_eq!(database.measures.page(&query, None, 0).await.unwrap(), []);
    }

    async fn many_measures_of_one_moment_are_paged_without_loss(database: Database) {
        store(&database, (0..1_000).map(|number| measure(1, 1, 7, f64::from(number))).collect()).await;
        for order in [Order::Ascending, Order::Descending] {
            let query = all_of(1, order);
            assert_eq!(in_pages(&database, &query, 37).await, read(&database, 1, order).await);
        }
    }

    async fn a_measure_that_arrives_between_two_pages_disturbs_none_of_them(database: Database) {
        store(&database, (0..10).map(|nanos| measure(1, 1, nanos, 0.0)).collect()).await;
        let query = all_of(1, Order::Descending);
        let first = database.measures.page(&query, None, 5).await.unwrap();
        store(&database, vec![measure(1, 1, 5, 1.0), measure(1, 1, 99, 1.0)]).await;
        let second = database.measures.page(&query, Some(position(&first[4])), 100).await.unwrap();
        let times: Vec<_> = second.iter().map(|measure| measure.timestamp.unix_nanos()).collect();
        assert_eq!(times, [4, 3, 2, 1, 0]);
    }

    async fn a_page_with_its_reader_follows_current_permissions(database: Database) {
        let one = add_experiment(&database, "one").await;
        let two = add_experiment(&database, "two").await;
        let empty = add_experiment(&database, "empty").await;
        let scientist = add_user(&database, "S001", Role::Scientist).await;
        let administrator = add_user(&database, "A001", Role::Admin).await;
        for experiment in [&one, &empty] {
            assert!(database.associations.insert(experiment.experiment_id, &scientist.user_id).await.unwrap());
        }
        let written = |experiment: &Experiment| measure(experiment.experiment_id.get(), 1, 7, 1.0);
        store(&database, vec![written(&one), written(&one), written(&one), written(&two)]).await;
        let first_two = MeasureQuery { experiment_id: one.experiment_id, ..all_of(1, Order::Descending) };
        let page = async |user: &User, experiment_id: ExperimentId| {
            let query = MeasureQuery { experiment_id, ..first_two.clone() };
            database.measures.page_for(&signed_in(user), &query, None, 2).await.unwrap()
        };

        let access = |experiment| access_of(&scientist, Some(experiment));
        let rows = database.measures.page(&first_two, None, 2).await.unwrap();
        assert_eq!(rows.len(), 2);
        let whole = (access(one.name.clone()), rows.clone());
        assert_eq!(page(&scientist, one.experiment_id).await, Some(whole));
        for experiment in [two.experiment_id, empty.experiment_id, ExperimentId::new(99)] {
            assert_eq!(page(&scientist, experiment).await, None);
        }
        assert_eq!(page(&administrator, one.experiment_id).await, None);
        let nobody = by_name("UID-S001");
        assert_eq!(database.measures.page_for(&nobody, &first_two, None, 2).await.unwrap(), None);

        assert!(database.experiments.update(one.experiment_id, &renaming("renamed")).await.unwrap().is_some());
        let whole = (access(experiment_name("renamed")), rows);
        assert_eq!(page(&scientist, one.experiment_id).await, Some(whole.clone()));
        assert!(database.associations.delete(one.experiment_id, &scientist.user_id).await.unwrap());
        assert_eq!(page(&scientist, one.experiment_id).await, None);
        assert!(database.associations.insert(one.experiment_id, &scientist.user_id).await.unwrap());
        assert_eq!(page(&scientist, one.experiment_id).await, Some(whole));
        assert_eq!(database.users.erase(&scientist.user_id).await.unwrap(), Erasure::Erased);
        assert_eq!(page(&scientist, one.experiment_id).await, None);
    }

    async fn a_page_with_its_reader_is_the_page_without(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        let scientist = add_user(&database, "S001", Role::Scientist).await;
        let identity = signed_in(&scientist);
        assert!(database.associations.insert(experiment, &scientist.user_id).await.unwrap());
        let written = (0..60).map(|number| measure(experiment.get(), number % 3 + 1, i64::from(number / 7), 1.0));
        store(&database, written.collect()).await;
        let types = vec![MeasureTypeId::new(1), MeasureTypeId::new(3)];
        for (order, types, size) in [
            (Order::Descending, vec![], 5),
            (Order::Ascending, vec![], 5),
            (Order::Descending, types.clone(), 4),
            (Order::Ascending, types, 100),
        ] {
            let query = MeasureQuery { from: Some(moment(1)), types, ..all_of(experiment.get(), order) };
            let mut after = None;
            loop {
                let page = database.measures.page(&query, after, size).await.unwrap();
                let readers = database.measures.page_for(&identity, &query, after, size);
                match readers.await.unwrap() {
                    Some((_, rows)) => assert_eq!(rows, page),
                    // `None` only if the page has no measure after the timestamp of the previous
                    // page's end.
                    None => assert!(
                        page.last().is_none_or(|last| after.is_some_and(|after| after.timestamp == last.timestamp)),
                        "{query:?} {after:?}"
                    ),
                }
                after = match page.last() {
                    Some(last) => Some(position(last)),
                    None => break,
                };
            }
        }
    }

    async fn pages_put_together_are_the_whole_reading(database: Database) {
        let experiments = AtomicU32::new(1);
        let case = (
            vec(any_measure(0), 0..60),
            option::of(0..7_i64),
            option::of(prop_oneof![4 => 0..7_i64, 1 => Just(i64::MAX)]),
            vec(1..6_u16, 0..4),
            any::<bool>(),
            1..20_u32,
        );
        let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
        block_in_place(|| {
            runner.run(&case, |(mut arrived, from, to, types, ascending, size)| {
                let experiment = experiments.fetch_add(1, Ordering::Relaxed);
                for measure in &mut arrived {
                    measure.experiment_id = mymonit_model::ExperimentId::new(experiment);
                }
                let order = if ascending { Order::Ascending } else { Order::Descending };
                let types = types.into_iter().map(MeasureTypeId::new).collect();
                let query =
                    MeasureQuery { from: from.map(moment), to: to.map(moment), types, ..all_of(experiment, order) };
                let (whole, pages) = Handle::current().block_on(async {
                    // Two messages, so that the order of arrival goes beyond one of them.
                    let half = arrived.len() / 2;
                    store(&database, arrived[..half].to_vec()).await;
                    store(&database, arrived[half..].to_vec()).await;
                    let whole = database.measures.page(&query, None, u32::MAX).await.unwrap();
                    (whole, in_pages(&database, &query, size).await)
                });
                prop_assert_eq!(&pages, &whole);
                prop_assert_eq!(whole.iter().map(bits).collect::<Vec<_>>(), expected(&arrived, &query));
                Ok(())
            })
        })
        .unwrap();
    }
}
