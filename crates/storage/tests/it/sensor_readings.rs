//! Measures of sensors are read back from rows and blocks.

use std::collections::BTreeMap;

use mymonit_model::{ExperimentId, SensorId, SensorName};
use mymonit_services::ports::{MeasureQuery, Order, Series};
use proptest::test_runner::{Config, TestRunner};

use crate::database::{Database, in_every_state};
use crate::fixtures::{add_experiment, all_experiments, all_of, measure, of_sensor, store};

in_every_state! {
    async fn measures_are_filtered_by_sensor(database: Database) {
        add_experiment(&database, "one").await;
        // More than a page of one sensor is between measures of another.
        let measures = (0..300).map(|number| {
            let measure = measure(1, 1, number / 7, f64::from(u32::try_from(number).unwrap()));
            match number % 50 {
                0 => measure,
                1 => of_sensor("rare", measure),
                _ => of_sensor("common", measure),
            }
        });
        store(&database, measures.collect()).await;
        let names = ["rare", "none"].map(|name| SensorName::new(name).unwrap());
        let ids = database.sensors.ids_by_name(ExperimentId::new(1), &names).await.unwrap();
        assert_eq!(ids.len(), 1);
        let rare = ids.values().copied().next();
        for (sensors, expected) in [(vec![rare], 6), (vec![None], 6), (vec![None, rare], 12), (vec![], 300)] {
            for order in [Order::Ascending, Order::Descending] {
                let query = MeasureQuery { sensors: sensors.clone(), ..all_of(1, order) };
                let found = database.measures.page(&query, None, u32::MAX).await.unwrap();
                assert_eq!(found.len(), expected);
                assert!(sensors.is_empty() || found.iter().all(|measure| sensors.contains(&measure.sensor)));
            }
        }
    }

    async fn any_measures_are_read_back_with_their_sensors(database: Database) {
        add_experiment(&database, "one").await;
        let one = (0..4_usize, 1..4_u16, 0..6_i64, -1e6..1e6_f64);
        let any = (proptest::collection::vec(one, 1..60), 1..20_u32, proptest::collection::vec(0..4_usize, 0..3));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            let mut runner = TestRunner::new(Config::with_cases(24));
            let tested = runner.run(&any, |(given, limit, filter)| {
                runtime.block_on(round_trip(&database, &given, limit, &filter));
                Ok(())
            });
            tested.unwrap();
        });
    }
}

const SENSORS: [Option<&str>; 4] = [None, Some("left"), Some("rechts ü"), Some("=1+1, \"x\"")];

/// Stores measures in a separate experiment and reads them in pages, in both orders.
async fn round_trip(database: &Database, given: &[(usize, u16, i64, f64)], limit: u32, filter: &[usize]) {
    let number = all_experiments(database).await.len();
    let experiment = add_experiment(database, &format!("round {number}")).await.experiment_id;
    let new = given.iter().map(|(sensor, kind, nanos, value)| {
        let measure = measure(experiment.get(), *kind, *nanos, *value);
        SENSORS[*sensor].map_or(measure.clone(), |name| of_sensor(name, measure))
    });
    store(database, new.collect()).await;
    let known: BTreeMap<_, _> = database
        .sensors
        .list(experiment)
        .await
        .unwrap()
        .into_iter()
        .map(|sensor| (sensor.name.to_string(), sensor.id))
        .collect();
    let id = |sensor: usize| SENSORS[sensor].map(|name| known.get(name).copied());
    // A sensor without measures is not known and cannot be asked for.
    let mut sensors: Vec<Option<SensorId>> = filter
        .iter()
        .filter_map(|sensor| match id(*sensor) {
            None => Some(None),
            Some(known) => known.map(Some),
        })
        .collect();
    sensors.sort_unstable();
    sensors.dedup();
    let mut expected: Vec<_> = given
        .iter()
        .map(|(sensor, kind, nanos, value)| (*nanos, *kind, id(*sensor).flatten(), value.to_bits()))
        .filter(|(_, _, sensor, _)| sensors.is_empty() || sensors.contains(sensor))
        .collect();
    assert_series(database, experiment, given, id).await;
    // Of equal timestamps in the order of arrival.
    expected.sort_by_key(|(nanos, ..)| *nanos);
    for order in [Order::Ascending, Order::Descending] {
        let query = MeasureQuery { sensors: sensors.clone(), ..all_of(experiment.get(), order) };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = database.measures.page(&query, after, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.into());
            found.extend(page.iter().map(|measure| {
                let (kind, nanos) = (measure.measure_type.get(), measure.timestamp.unix_nanos());
                (nanos, kind, measure.sensor, measure.value.get().to_bits())
            }));
        }
        assert_eq!(found, expected);
        expected.reverse();
    }
}

/// Checks the series of the experiment, which sealing does not change.
async fn assert_series(
    database: &Database,
    experiment: ExperimentId,
    given: &[(usize, u16, i64, f64)],
    id: impl Fn(usize) -> Option<Option<SensorId>>,
) {
    let mut given = given.to_vec();
    given.sort_by_key(|(_, _, nanos, _)| *nanos);
    let mut expected = BTreeMap::new();
    for (sensor, kind, nanos, value) in given {
        let series = expected.entry((kind, id(sensor).flatten())).or_insert((nanos, nanos, value));
        (series.1, series.2) = (nanos, value);
    }
    let found = database.sensors.series(experiment).await.unwrap().into_iter().map(|series| {
        let Series { sensor, measure_type, first, last, latest_value } = series;
        ((measure_type.get(), sensor), (first.unix_nanos(), last.unix_nanos(), latest_value.get()))
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
}
