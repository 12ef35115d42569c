//! Sensors are created by their first measures.

use futures::future::join_all;
use mymonit_model::{Description, ExperimentId, MAX_SENSORS, SensorId, SensorName};
use mymonit_services::ports::{IngestOutcome, NewMeasure, Order, StorageError};

use crate::database::{Stores, on_every_engine};
use crate::fixtures::{add_experiment, measure, message, of_sensor, read, rejected, store};
use crate::ingest::refuse_13;
use crate::series::assert_series_are_right;

fn name(name: &str) -> SensorName {
    SensorName::new(name).unwrap()
}

/// The names of an experiment's sensors, in the order of their ids.
async fn names(stores: &Stores, experiment: u32) -> Vec<String> {
    let sensors = stores.sensors.list(ExperimentId::new(experiment)).await.unwrap();
    sensors.into_iter().map(|sensor| sensor.name.to_string()).collect()
}

/// The sensor's name and the value of each measure, oldest first.
async fn measures(stores: &Stores, experiment: u32) -> Vec<(Option<String>, f64)> {
    let measures = read(stores, experiment, Order::Ascending).await;
    let ids: Vec<_> = measures.iter().filter_map(|measure| measure.sensor).collect();
    let names = stores.sensors.names_by_id(&ids).await.unwrap();
    let of = |id: SensorId| names[&id].to_string();
    measures.iter().map(|measure| (measure.sensor.map(of), measure.value.get())).collect()
}

/// A message with that many sensors, numbered from the first.
fn many(first: usize, count: usize) -> Vec<NewMeasure> {
    (first..first + count).map(|number| of_sensor(&format!("s{number}"), measure(1, 1, 5, 1.0))).collect()
}

on_every_engine! {
    async fn a_sensor_is_created_once_and_belongs_to_its_experiment(database: Database) {
        add_experiment(&database, "one").await;
        add_experiment(&database, "two").await;
        let batch = vec![
            of_sensor("left", measure(1, 1, 1, 1.0)),
            measure(1, 1, 2, 2.0),
            of_sensor("Left", measure(1, 1, 3, 3.0)),
            of_sensor("left", measure(2, 1, 1, 4.0)),
        ];
        store(&database, batch.clone()).await;
        store(&database, batch).await;
        assert_eq!(names(&database, 1).await, ["Left", "left"]);
        assert_eq!(names(&database, 2).await, ["left"]);
        let (left, upper) = (Some("left".to_owned()), Some("Left".to_owned()));
        let twice = |sensor: &Option<String>, value| [(sensor.clone(), value), (sensor.clone(), value)];
        let expected = [twice(&left, 1.0), twice(&None, 2.0), twice(&upper, 3.0)].concat();
        assert_eq!(measures(&database, 1).await, expected);
        // Another process has nothing in memory.
        let process = database.other_process();
        process.prepare().await.unwrap();
        assert_eq!(measures(&process, 1).await, expected);
        store(&process, vec![of_sensor("left", measure(1, 1, 4, 5.0))]).await;
        assert_eq!(names(&database, 1).await.len(), 2);
        assert_series_are_right(&database).await;
    }

    async fn processes_that_meet_a_new_sensor_at_once_create_it_once(database: Database) {
        add_experiment(&database, "one").await;
        add_experiment(&database, "two").await;
        let processes = [(); 4].map(|()| database.other_process());
        for process in &processes {
            process.prepare().await.unwrap();
        }
        for round in 0..10 {
            let writing = processes.iter().enumerate().map(|(number, process)| async move {
                // In different orders.
                let mut measures: Vec<_> = (0..6)
                    .map(|sensor| {
                        let experiment = sensor % 2 + 1;
                        of_sensor(&format!("{round} {}", sensor / 2), measure(experiment, 1, 1, 1.0))
                    })
                    .collect();
                measures.rotate_left(number);
                store(process, measures).await;
            });
            join_all(writing).await;
        }
        assert_eq!(names(&database, 1).await.len(), 30);
        assert_eq!(database.number("SELECT COUNT(*) FROM SENSORS").await, 60);
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 240);
        assert_series_are_right(&database).await;
    }

    async fn a_batch_that_is_not_stored_creates_none_and_keeps_none_in_memory(database: Database) {
        add_experiment(&database, "one").await;
        refuse_13(&database).await;
        let refused = message("", vec![of_sensor("new", measure(1, 1, 1, 13.0))]);
        database.ingest.commit(vec![refused]).await.unwrap_err();
        assert_eq!(names(&database, 1).await, [""; 0]);
        store(&database, vec![of_sensor("other", measure(1, 1, 1, 1.0))]).await;
        store(&database, vec![of_sensor("new", measure(1, 1, 2, 2.0))]).await;
        let expected = [(Some("other".to_owned()), 1.0), (Some("new".to_owned()), 2.0)];
        assert_eq!(measures(&database, 1).await, expected);
    }

    async fn a_duplicate_creates_none(database: Database) {
        add_experiment(&database, "one").await;
        for sensor in ["first", "second"] {
            let measures = vec![of_sensor(sensor, measure(1, 1, 1, 1.0))];
            database.ingest.commit(vec![message("a", measures)]).await.unwrap();
        }
        assert_eq!(names(&database, 1).await, ["first"]);
    }

    async fn an_experiment_has_no_more_than_the_limit_and_messages_are_refused_whole(database: Database) {
        add_experiment(&database, "one").await;
        store(&database, many(0, MAX_SENSORS - 3)).await;
        let batch = vec![
            message("a", many(MAX_SENSORS - 3, 2)),
            // Two more do not fit, one does.
            message("b", [many(MAX_SENSORS - 2, 3), many(0, 1)].concat()),
            message("c", many(MAX_SENSORS, 1)),
            message("d", many(MAX_SENSORS + 1, 1)),
            message("e", many(0, 1)),
        ];
        let excess = match database.ingest.commit(batch.clone()).await {
            Err(StorageError::TooManySensors(excess)) => excess,
            other => panic!("{other:?}"),
        };
        let experiment = ExperimentId::new(1);
        assert_eq!(excess, [(1, experiment), (3, experiment)]);
        assert_eq!(names(&database, 1).await.len(), MAX_SENSORS - 3);
        let kept = [0, 2, 4].map(|index| batch[index].clone());
        assert_eq!(database.ingest.commit(kept.to_vec()).await.unwrap(), [IngestOutcome::Stored; 3]);
        assert_eq!(names(&database, 1).await.len(), MAX_SENSORS);
        // A replay is refused likewise.
        database.ingest.commit(vec![rejected("f", "x")]).await.unwrap();
        let page = database.rejected.page(&Default::default(), None, 1).await.unwrap();
        let replayed = database.rejected.replay(page.messages[0].id, &many(MAX_SENSORS + 1, 1)).await;
        assert!(matches!(replayed, Err(StorageError::TooManySensors(_))), "{replayed:?}");
        assert!(database.rejected.replay(page.messages[0].id, &many(7, 1)).await.unwrap());
    }

    async fn processes_at_once_do_not_exceed_the_limit(database: Database) {
        add_experiment(&database, "one").await;
        store(&database, many(0, MAX_SENSORS - 5)).await;
        let processes = [(); 4].map(|()| database.other_process());
        for process in &processes {
            process.prepare().await.unwrap();
        }
        let writing = processes.iter().enumerate().map(|(number, process)| async move {
            let mut stored = 0;
            for round in 0..5 {
                let new = many(MAX_SENSORS + 10 * number + round, 1);
                match process.ingest.commit(vec![message("", new)]).await {
                    Ok(_) => stored += 1,
                    Err(StorageError::TooManySensors(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            stored
        });
        assert_eq!(join_all(writing).await.iter().sum::<usize>(), 5);
        assert_eq!(names(&database, 1).await.len(), MAX_SENSORS);
    }

    async fn a_description_is_replaced_and_nothing_else(database: Database) {
        add_experiment(&database, "one").await;
        store(&database, vec![of_sensor("left", measure(1, 1, 1, 1.0))]).await;
        let (experiment, description) = (ExperimentId::new(1), Description::new("PT100").unwrap());
        for _ in 0..2 {
            assert!(database.sensors.describe(experiment, &name("left"), &description).await.unwrap());
        }
        assert!(!database.sensors.describe(experiment, &name("right"), &description).await.unwrap());
        assert!(!database.sensors.describe(ExperimentId::new(2), &name("left"), &description).await.unwrap());
        let sensors = database.sensors.list(experiment).await.unwrap();
        assert_eq!((sensors.len(), &sensors[0].description), (1, &description));
    }

    async fn series_come_by_type_then_without_a_sensor_then_by_sensor(database: Database) {
        add_experiment(&database, "one").await;
        let batch = vec![
            of_sensor("b", measure(1, 2, 9, 1.0)),
            of_sensor("a", measure(1, 1, 5, 2.0)),
            measure(1, 2, 7, 3.0),
            of_sensor("b", measure(1, 1, 5, 4.0)),
            of_sensor("a", measure(1, 1, 3, 5.0)),
            // Of equal timestamps the one that arrived last.
            of_sensor("b", measure(1, 2, 9, -0.0)),
            measure(2, 1, 1, 6.0),
        ];
        store(&database, batch).await;
        let sensors = database.sensors.list(ExperimentId::new(1)).await.unwrap();
        let name = |id: SensorId| sensors.iter().find(|sensor| sensor.id == id).unwrap().name.to_string();
        let series = database.sensors.series(ExperimentId::new(1)).await.unwrap();
        let found: Vec<_> = series
            .iter()
            .map(|each| {
                let times = (each.first.unix_nanos(), each.last.unix_nanos());
                (each.measure_type.get(), each.sensor.map(name), times, each.latest_value.get().to_bits())
            })
            .collect();
        let named = |name: &str| Some(name.to_owned());
        let expected = [
            (1, named("a"), (3, 5), 2.0_f64.to_bits()),
            (1, named("b"), (5, 5), 4.0_f64.to_bits()),
            (2, None, (7, 7), 3.0_f64.to_bits()),
            (2, named("b"), (9, 9), (-0.0_f64).to_bits()),
        ];
        assert_eq!(found, expected);
    }
}
