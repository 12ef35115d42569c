use std::collections::HashMap;

use mymonit_model::{Experiment, ExperimentId, Role, User};
use mymonit_services::ports::{Conflict, Erasure};

use crate::database::on_every_engine;
use crate::fixtures::{add_experiment, add_user, conflict_of, experiment_name, user_id, username};

on_every_engine! {
    async fn experiments_get_ids_from_one_and_are_listed_by_id(database: Database) {
        let mut added = Vec::new();
        for name in ["device-vibrations", "black-holes", "Zoë \u{1f600} 黒穴", "a"] {
            added.push(add_experiment(&database, name).await);
        }
        assert_eq!(added[0].experiment_id, ExperimentId::new(1));
        assert!(added.is_sorted_by_key(|experiment| experiment.experiment_id));
        assert_eq!(database.experiments.list().await.unwrap(), added);
        for experiment in added {
            let found = database.experiments.find(experiment.experiment_id).await.unwrap();
            assert_eq!(found, Some(experiment));
        }
        assert_eq!(database.experiments.find(ExperimentId::new(99)).await.unwrap(), None);
        assert_eq!(database.experiments.find(ExperimentId::new(u32::MAX)).await.unwrap(), None);
    }

    async fn a_name_is_taken_once_to_the_letter(database: Database) {
        add_experiment(&database, "device-vibrations").await;
        let again = database.experiments.insert(&experiment_name("device-vibrations")).await;
        assert_eq!(conflict_of(again), Conflict::ExperimentName);
        for other in ["Device-vibrations", "device-vibratiöns", "device vibrations", "device-vibrations."] {
            add_experiment(&database, other).await;
        }
        assert_eq!(database.experiments.list().await.unwrap().len(), 5);
    }

    async fn a_name_of_the_greatest_length_is_kept(database: Database) {
        let name = "\u{1f600}".repeat(255);
        let added = add_experiment(&database, &name).await;
        assert_eq!(database.experiments.list().await.unwrap(), [added]);
    }

    async fn an_experiment_is_renamed_unless_the_name_is_taken(database: Database) {
        let first = add_experiment(&database, "one").await;
        add_experiment(&database, "two").await;
        let renamed = Experiment { name: experiment_name("three"), ..first.clone() };
        assert!(database.experiments.rename(&renamed).await.unwrap());
        assert!(database.experiments.rename(&renamed).await.unwrap());
        assert_eq!(database.experiments.find(first.experiment_id).await.unwrap(), Some(renamed));
        let taken = Experiment { name: experiment_name("two"), ..first };
        assert_eq!(conflict_of(database.experiments.rename(&taken).await), Conflict::ExperimentName);
        let absent = Experiment { experiment_id: ExperimentId::new(99), name: experiment_name("four") };
        assert!(!database.experiments.rename(&absent).await.unwrap());
        // The old name is free.
        add_experiment(&database, "one").await;
    }

    async fn names_are_resolved_exactly_and_only_those_asked_for(database: Database) {
        let one = add_experiment(&database, "Experiment").await;
        let two = add_experiment(&database, "\u{1f600}").await;
        add_experiment(&database, "unasked").await;
        let names = ["Experiment", "experiment", "\u{1f600}", "\u{1f601}", "missing"].map(experiment_name);
        let ids = database.experiments.ids_by_name(&names).await.unwrap();
        let expected = HashMap::from([(one.name, one.experiment_id), (two.name, two.experiment_id)]);
        assert_eq!(ids, expected);
        assert_eq!(database.experiments.ids_by_name(&[]).await.unwrap(), HashMap::new());
    }

    async fn very_many_names_are_resolved_at_once(database: Database) {
        let mut names = vec![experiment_name("last")];
        names.extend((0..3_000).map(|number| experiment_name(&format!("missing {number}"))));
        names.push(experiment_name("first"));
        add_experiment(&database, "first").await;
        add_experiment(&database, "last").await;
        assert_eq!(database.experiments.ids_by_name(&names).await.unwrap().len(), 2);
    }

    async fn a_scientist_finds_the_associated_experiments_only(database: Database) {
        let one = add_experiment(&database, "one").await;
        let two = add_experiment(&database, "two").await;
        let three = add_experiment(&database, "three").await;
        for id in ["S001", "S002"] {
            add_user(&database, id, Role::Scientist).await;
        }
        let scientist = user_id("S001");
        for experiment in [&three, &one] {
            assert!(database.associations.insert(experiment.experiment_id, &scientist).await.unwrap());
        }
        let experiments = &database.experiments;
        assert_eq!(experiments.list_of(&scientist).await.unwrap(), [one.clone(), three]);
        assert_eq!(experiments.list_of(&user_id("S002")).await.unwrap(), []);
        assert_eq!(experiments.list_of(&user_id("S999")).await.unwrap(), []);
        assert_eq!(experiments.find_of(&scientist, one.experiment_id).await.unwrap(), Some(one.clone()));
        assert_eq!(experiments.find_of(&scientist, two.experiment_id).await.unwrap(), None);
        assert_eq!(experiments.find_of(&user_id("S002"), one.experiment_id).await.unwrap(), None);
        assert_eq!(experiments.find_of(&user_id("s001"), one.experiment_id).await.unwrap(), None);
    }

    async fn a_user_is_found_with_the_experiment_if_the_two_are_associated(database: Database) {
        let one = add_experiment(&database, "one").await;
        let two = add_experiment(&database, "two").await;
        let first = add_user(&database, "S001", Role::Scientist).await;
        let second = add_user(&database, "S002", Role::Scientist).await;
        let administrator = add_user(&database, "A001", Role::Admin).await;
        assert!(database.associations.insert(one.experiment_id, &first.user_id).await.unwrap());
        assert!(database.associations.insert(two.experiment_id, &second.user_id).await.unwrap());
        let found = async |user: &User, experiment: ExperimentId| {
            database.users.find_with_experiment(user.username.reveal(), experiment).await.unwrap()
        };
        assert_eq!(found(&first, one.experiment_id).await, Some((first.clone(), Some(one.clone()))));
        assert_eq!(found(&first, two.experiment_id).await, Some((first.clone(), None)));
        assert_eq!(found(&first, ExperimentId::new(99)).await, Some((first.clone(), None)));
        assert_eq!(found(&administrator, one.experiment_id).await, Some((administrator.clone(), None)));

        let renamed = Experiment { name: experiment_name("renamed"), ..one };
        assert!(database.experiments.rename(&renamed).await.unwrap());
        assert_eq!(found(&first, renamed.experiment_id).await, Some((first.clone(), Some(renamed.clone()))));
        assert!(database.associations.delete(renamed.experiment_id, &first.user_id).await.unwrap());
        assert_eq!(found(&first, renamed.experiment_id).await, Some((first.clone(), None)));
        assert_eq!(database.users.erase(&first.user_id).await.unwrap(), Erasure::Erased);
        assert_eq!(found(&first, renamed.experiment_id).await, None);
        let shouted = username("UID-S002");
        assert_eq!(database.users.find_with_experiment(&shouted, two.experiment_id).await.unwrap(), None);
    }
}
