use mymonit_model::{ExperimentId, Role, Timestamp};
use mymonit_services::example_data::{example_data, oven};
use mymonit_services::ports::{Erasure, Order};
use tokio::join;

use crate::database::on_every_engine;
use crate::fixtures::{
    add_experiment, add_user, all_experiments, conflict_of, named, read, renaming, user_id,
};

on_every_engine! {
    async fn an_empty_database_gets_all_of_it(database: Database) {
        let data = example_data().unwrap();
        database.example_data.install(&data).await.unwrap();
        assert_eq!(database.users.list().await.unwrap(), data.users);
        let experiments = all_experiments(&database).await;
        let found: Vec<_> =
            experiments.iter().map(|each| (each.experiment_id.get(), each.name.as_str())).collect();
        assert_eq!(found, [(1, "device-vibrations"), (2, "black-holes")]);
        let associations = database.associations.list().await.unwrap();
        let associations: Vec<_> =
            associations.iter().map(|(experiment, user)| (experiment.get(), user.user_id.as_str())).collect();
        assert_eq!(associations, [(1, "S001"), (2, "S002")]);
        let measures = read(&database, 1, Order::Ascending).await;
        let found: Vec<_> =
            measures.iter().map(|each| (each.measure_type.get(), each.timestamp, each.value)).collect();
        let expected = data.experiments[0].measures.iter().map(|each| (1, each.timestamp, each.value));
        assert_eq!(found, expected.collect::<Vec<_>>());
        // The next experiment gets the next id.
        assert_eq!(add_experiment(&database, "next").await.experiment_id, ExperimentId::new(3));
    }

    async fn it_is_added_once_and_what_was_changed_or_removed_does_not_come_back(database: Database) {
        let data = example_data().unwrap();
        database.example_data.install(&data).await.unwrap();
        assert_eq!(database.users.erase(&user_id("S001")).await.unwrap(), Erasure::Erased);
        assert!(database.associations.delete(ExperimentId::new(2), &user_id("S002")).await.unwrap());
        let renamed = database.experiments.update(ExperimentId::new(1), &renaming("renamed")).await;
        assert!(renamed.unwrap().is_some());

        let other = database.other_process();
        other.prepare().await.unwrap();
        other.example_data.install(&data).await.unwrap();
        assert_eq!(database.users.list().await.unwrap().len(), 2);
        assert_eq!(all_experiments(&database).await.len(), 2);
        assert_eq!(database.associations.list().await.unwrap(), []);
        assert_eq!(read(&database, 1, Order::Ascending).await.len(), 10);
    }

    async fn only_what_is_missing_is_added(database: Database) {
        let data = example_data().unwrap();
        // One user of each kind of overlap, and an experiment of the same name.
        add_user(&database, "S001", Role::Admin).await;
        let mut taken = data.users[2].clone();
        taken.user_id = user_id("X001");
        database.users.insert(&taken).await.unwrap();
        let other = add_experiment(&database, "other").await.experiment_id;
        let existing = add_experiment(&database, "device-vibrations").await.experiment_id;

        database.example_data.install(&data).await.unwrap();
        let users = database.users.list().await.unwrap();
        let ids: Vec<_> = users.iter().map(|user| user.user_id.as_str()).collect();
        assert_eq!(ids, ["A001", "S001", "X001"]);
        let experiments = all_experiments(&database).await;
        let names: Vec<_> = experiments.iter().map(|each| each.name.as_str()).collect();
        assert_eq!(names, ["other", "device-vibrations", "black-holes"]);
        // Existing rows are unchanged; the scientist of the new experiment is missing.
        assert_eq!(read(&database, existing.get(), Order::Ascending).await, []);
        assert_eq!(read(&database, other.get(), Order::Ascending).await, []);
        assert_eq!(database.associations.list().await.unwrap(), []);
    }

    async fn the_ids_begin_at_one_even_after_inserts_that_failed(database: Database) {
        add_experiment(&database, "gone").await;
        conflict_of(database.experiments.insert(&named("gone")).await);
        database.execute("DELETE FROM EXPERIMENTS").await;
        database.example_data.install(&example_data().unwrap()).await.unwrap();
        let experiments = all_experiments(&database).await;
        assert_eq!(experiments.iter().map(|each| each.experiment_id.get()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(read(&database, 1, Order::Ascending).await.len(), 10);
    }

    async fn processes_that_add_it_at_once_add_it_once(database: Database) {
        let (one, two, three) = (database.other_process(), database.other_process(), database.other_process());
        for process in [&one, &two, &three] {
            process.prepare().await.unwrap();
        }
        let data = example_data().unwrap();
        let (one, two, three) = join!(
            one.example_data.install(&data),
            two.example_data.install(&data),
            three.example_data.install(&data),
        );
        one.and(two).and(three).unwrap();
        assert_eq!(database.users.list().await.unwrap().len(), 3);
        assert_eq!(all_experiments(&database).await.len(), 2);
        assert_eq!(read(&database, 1, Order::Ascending).await.len(), 10);
    }

    async fn the_oven_has_described_sensors_and_comes_once(database: Database) {
        database.example_data.install(&example_data().unwrap()).await.unwrap();
        let data = oven(Timestamp::now()).unwrap();
        database.example_data.install(&data).await.unwrap();
        let experiments = all_experiments(&database).await;
        let names: Vec<_> = experiments.iter().map(|each| each.name.as_str()).collect();
        assert_eq!(names, ["device-vibrations", "black-holes", "oven"]);
        assert_eq!(experiments[2].description, data.experiments[0].details.description);
        let id = experiments[2].experiment_id;
        let sensors = database.sensors.list(id).await.unwrap();
        let found: Vec<_> = sensors.into_iter().map(|each| (each.name, each.description)).collect();
        assert_eq!(found, data.experiments[0].sensors);
        assert_eq!(database.sensors.series(id).await.unwrap().len(), 3);
        let count = data.experiments[0].measures.len();
        assert_eq!(read(&database, id.get(), Order::Ascending).await.len(), count);

        let other = database.other_process();
        other.prepare().await.unwrap();
        other.example_data.install(&oven(Timestamp::now()).unwrap()).await.unwrap();
        assert_eq!(read(&database, id.get(), Order::Ascending).await.len(), count);
    }
}
