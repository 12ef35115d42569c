use mymonit_model::{
    ExperimentId, FlagFilter, FlagId, FlagRange, FlagReason, Flagged, MeasureTypeId, Role, SensorId,
    Timestamp, User, UserId,
};
use mymonit_services::ports::{Conflict, Erasure, MeasureQuery, NewFlag, Order};
use tokio::join;

use crate::database::{Stores, on_every_engine};
use crate::fixtures::{
    add_experiment, add_user, all_of, conflict_of, measure, moment, of_sensor, signed_in, store,
};

const LIMIT: u32 = 3;

fn range(from: i64, to: i64, sensor: Option<Option<SensorId>>, kind: Option<u16>) -> FlagRange {
    FlagRange::new(moment(from), moment(to), sensor, kind.map(MeasureTypeId::new)).unwrap()
}

fn flag(experiment_id: ExperimentId, user_id: &UserId, range: FlagRange) -> NewFlag {
    let reason = FlagReason::new("Deckel offen 🔥").unwrap();
    NewFlag { experiment_id, range, reason, user_id: user_id.clone(), created_at: Timestamp::now() }
}

async fn add(stores: &Stores, flag: &NewFlag) -> FlagId {
    stores.flags.insert(flag, LIMIT).await.unwrap().unwrap()
}

/// Two experiments of a scientist.
async fn scene(stores: &Stores) -> (User, ExperimentId, ExperimentId) {
    let user = add_user(stores, "S001", Role::Scientist).await;
    let [one, two] = [add_experiment(stores, "one").await, add_experiment(stores, "two").await];
    for experiment in [&one, &two] {
        assert!(stores.associations.insert(experiment.experiment_id, &user.user_id).await.unwrap());
    }
    (user, one.experiment_id, two.experiment_id)
}

/// What [`Stores`] return with the user and with a page.
async fn is_flagged(stores: &Stores, user: &User, experiment_id: ExperimentId) -> [bool; 2] {
    let identity = signed_in(user);
    let access = stores.users.access(&identity, experiment_id).await.unwrap().unwrap();
    let query = all_of(experiment_id.get(), Order::Descending);
    let (with_page, _) = stores.measures.page_for(&identity, &query, None, 1).await.unwrap().unwrap();
    [access.is_flagged, with_page.is_flagged]
}

on_every_engine! {
    async fn flags_are_listed_by_id_as_they_were_set(database: Database) {
        let (user, one, two) = scene(&database).await;
        let ranges = [
            range(0, i64::MAX, None, None),
            range(5, 6, Some(None), Some(1)),
            range(5, 6, Some(SensorId::new(u32::MAX)), None),
        ];
        let mut set = Vec::new();
        for range in ranges {
            let new = flag(one, &user.user_id, range);
            set.push((add(&database, &new).await, new));
        }
        let listed = database.flags.list(one).await.unwrap();
        assert!(listed.is_sorted_by_key(|flag| flag.id));
        for (flag, (id, new)) in listed.iter().zip(&set) {
            assert_eq!((flag.id, flag.range, &flag.reason), (*id, new.range, &new.reason));
            assert_eq!((&flag.user_id, flag.created_at), (&new.user_id, new.created_at));
        }
        let mut about = database.flags.ranges(one).await.unwrap();
        about.sort_unstable_by_key(|range| (range.from(), range.sensor()));
        assert_eq!(about, ranges);
        assert_eq!(database.flags.list(two).await.unwrap(), []);
        assert_eq!(database.flags.ranges(two).await.unwrap(), []);
    }

    async fn a_flag_is_withdrawn_from_its_own_experiment_once(database: Database) {
        let (user, one, two) = scene(&database).await;
        let id = add(&database, &flag(one, &user.user_id, range(1, 2, None, None))).await;
        assert!(!database.flags.delete(two, id).await.unwrap());
        assert!(!database.flags.delete(ExperimentId::new(99), id).await.unwrap());
        assert!(!database.flags.delete(one, FlagId::new(u64::MAX)).await.unwrap());
        assert!(database.flags.delete(one, id).await.unwrap());
        assert!(!database.flags.delete(one, id).await.unwrap());
        let unknown = flag(ExperimentId::new(99), &user.user_id, range(1, 2, None, None));
        assert_eq!(database.flags.insert(&unknown, LIMIT).await.unwrap(), None);
        assert!(add(&database, &flag(one, &user.user_id, range(1, 2, None, None))).await > id);
    }

    async fn an_experiment_is_flagged_while_it_has_flags(database: Database) {
        let (user, one, two) = scene(&database).await;
        store(&database, vec![measure(one.get(), 1, 7, 1.0), measure(two.get(), 1, 7, 1.0)]).await;
        assert_eq!(is_flagged(&database, &user, one).await, [false; 2]);
        let new = flag(one, &user.user_id, range(1, 2, None, None));
        let ids = [add(&database, &new).await, add(&database, &new).await];
        for id in ids {
            assert_eq!(is_flagged(&database, &user, one).await, [true; 2]);
            assert!(database.flags.delete(one, id).await.unwrap());
        }
        for experiment in [one, two] {
            assert_eq!(is_flagged(&database, &user, experiment).await, [false; 2]);
        }
    }

    async fn flags_that_are_set_and_withdrawn_at_once_are_counted_right(database: Database) {
        let (user, one, _) = scene(&database).await;
        store(&database, vec![measure(one.get(), 1, 7, 1.0)]).await;
        let other = database.other_process();
        other.attach().await.unwrap();
        let new = flag(one, &user.user_id, range(1, 2, None, None));
        for _ in 0..20 {
            let id = add(&database, &new).await;
            let (deleted, added) = join!(database.flags.delete(one, id), other.flags.insert(&new, LIMIT));
            assert!(deleted.unwrap());
            assert_eq!(is_flagged(&database, &user, one).await, [true; 2]);
            assert!(database.flags.delete(one, added.unwrap().unwrap()).await.unwrap());
            assert_eq!(is_flagged(&database, &user, one).await, [false; 2]);
        }
        add(&database, &new).await;
        add(&database, &new).await;
        let (first, second) = join!(database.flags.insert(&new, LIMIT), other.flags.insert(&new, LIMIT));
        assert_eq!(conflict_of(if first.is_ok() { second } else { first }), Conflict::TooManyFlags);
        assert_eq!(database.flags.list(one).await.unwrap().len(), 3);
    }

    async fn a_flag_outlives_the_user_who_has_set_it(database: Database) {
        let (user, one, _) = scene(&database).await;
        add(&database, &flag(one, &user.user_id, range(1, 2, None, None))).await;
        assert_eq!(database.users.erase(&user.user_id).await.unwrap(), Erasure::Erased);
        assert_eq!(database.flags.list(one).await.unwrap()[0].user_id, user.user_id);
    }

    async fn a_page_has_the_measures_that_the_filter_keeps(database: Database) {
        let (_, one, _) = scene(&database).await;
        // Three series, so that flags of one of them cover no time.
        let series = |nanos: i64| {
            let value = nanos as f64;
            [
                measure(one.get(), 1, nanos, value),
                of_sensor("left", measure(one.get(), 1, nanos, value)),
                measure(one.get(), 2, nanos, value),
            ]
        };
        store(&database, (0..4_000).flat_map(series).collect()).await;
        let sensor = database.sensors.list(one).await.unwrap()[0].id;
        let ranges = [
            range(100, 3_900, None, Some(1)),
            range(50, 3_950, None, Some(2)),
            range(500, 600, None, None),
            range(3_990, 3_995, Some(Some(sensor)), None),
        ];
        for order in [Order::Ascending, Order::Descending] {
            for sensors in [&[][..], &[None]] {
                let whole = MeasureQuery { sensors: sensors.to_vec(), ..all_of(one.get(), order) };
                let all = database.measures.page(&whole, None, u32::MAX).await.unwrap();
                for flagged in [Flagged::Exclude, Flagged::Only] {
                    let flags = FlagFilter::new(flagged, &ranges, &[], sensors);
                    let expected: Vec<_> = all.iter().filter(|each| flags.keeps(each)).copied().collect();
                    let query = MeasureQuery { flags, ..whole.clone() };
                    for limit in [1, 7, 250, u32::MAX] {
                        let (mut walked, mut after) = (Vec::new(), None);
                        while walked.len() < expected.len().min(300) {
                            let page = database.measures.page(&query, after, limit).await.unwrap();
                            assert!(!page.is_empty() && page.len() <= limit as usize);
                            after = page.last().map(Into::into);
                            walked.extend(page);
                        }
                        assert_eq!(walked, expected[..walked.len()], "{order:?} {flagged:?} {sensors:?} {limit}");
                    }
                }
            }
        }
    }
}
