use std::collections::HashMap;

use mymonit_model::{Description, Experiment, ExperimentDetails, ExperimentId, Role, User};
use mymonit_services::ports::{
    Archived, Conflict, Erasure, ExperimentChanges, ExperimentFilter, NamedExperiment,
};

use crate::database::on_every_engine;
use crate::fixtures::{
    access_of, add_experiment, add_user, all_experiments, by_name, conflict_of, experiment_name,
    experiments_of, named, renaming, signed_in, user_id,
};

on_every_engine! {
    async fn experiments_get_ids_from_one_and_are_listed_by_id(database: Database) {
        let mut added = Vec::new();
        for name in ["device-vibrations", "black-holes", "Zoë \u{1f600} 黒穴", "a"] {
            added.push(add_experiment(&database, name).await);
        }
        assert_eq!(added[0].experiment_id, ExperimentId::new(1));
        assert!(added.is_sorted_by_key(|experiment| experiment.experiment_id));
        assert_eq!(all_experiments(&database).await, added);
        for experiment in added {
            let found = database.experiments.find(experiment.experiment_id).await.unwrap();
            assert_eq!(found, Some(experiment));
        }
        assert_eq!(database.experiments.find(ExperimentId::new(99)).await.unwrap(), None);
        assert_eq!(database.experiments.find(ExperimentId::new(u32::MAX)).await.unwrap(), None);
    }

    async fn a_name_is_taken_once_to_the_letter(database: Database) {
        add_experiment(&database, "device-vibrations").await;
        let again = database.experiments.insert(&named("device-vibrations")).await;
        assert_eq!(conflict_of(again), Conflict::ExperimentName);
        for other in ["Device-vibrations", "device-vibratiöns", "device vibrations", "device-vibrations."] {
            add_experiment(&database, other).await;
        }
        assert_eq!(all_experiments(&database).await.len(), 5);
    }

    async fn a_name_of_the_greatest_length_is_kept(database: Database) {
        let name = "\u{1f600}".repeat(255);
        let added = add_experiment(&database, &name).await;
        assert_eq!(all_experiments(&database).await, [added]);
    }

    async fn an_experiment_is_renamed_unless_the_name_is_taken(database: Database) {
        let first = add_experiment(&database, "one").await;
        add_experiment(&database, "two").await;
        let id = first.experiment_id;
        let renamed = Experiment { name: experiment_name("three"), ..first.clone() };
        let experiments = &database.experiments;
        assert_eq!(experiments.update(id, &renaming("three")).await.unwrap(), Some(first));
        assert_eq!(experiments.update(id, &renaming("three")).await.unwrap(), Some(renamed.clone()));
        assert_eq!(experiments.find(id).await.unwrap(), Some(renamed));
        let taken = experiments.update(id, &renaming("two")).await;
        assert_eq!(conflict_of(taken), Conflict::ExperimentName);
        assert_eq!(experiments.update(ExperimentId::new(99), &renaming("four")).await.unwrap(), None);
        // The old name is free.
        add_experiment(&database, "one").await;
    }

    async fn a_description_and_the_archive_are_kept_unless_they_are_changed(database: Database) {
        let long = Description::new(&"\u{1f600}".repeat(2_000)).unwrap();
        let described = ExperimentDetails { description: long.clone(), ..named("one") };
        let id = database.experiments.insert(&described).await.unwrap().experiment_id;
        let update = async |description: Option<&str>, archived| {
            let description = description.map(|text| Description::new(text).unwrap());
            let changes = ExperimentChanges { description, archived, ..renaming("one") };
            let before = database.experiments.update(id, &changes).await.unwrap().unwrap();
            let after = database.experiments.find(id).await.unwrap().unwrap();
            assert_eq!(after, changes.applied_to(&before));
            (after.description, after.archived)
        };
        assert_eq!(update(None, None).await, (long.clone(), false));
        assert_eq!(update(None, Some(true)).await, (long, true));
        assert_eq!(update(Some("over"), None).await, (Description::new("over").unwrap(), true));
        assert_eq!(update(Some(""), Some(false)).await, (Description::default(), false));
    }

    async fn pages_of_experiments_go_on_after_an_id(database: Database) {
        let scientist = add_user(&database, "S001", Role::Scientist).await.user_id;
        let mut added = Vec::new();
        for number in 0..5 {
            let experiment = add_experiment(&database, &format!("e{number}")).await;
            assert!(database.associations.insert(experiment.experiment_id, &scientist).await.unwrap());
            added.push(experiment);
        }
        for of in [None, Some(scientist)] {
            let filter = ExperimentFilter { of, archived: Archived::Exclude };
            let page = async |after, limit| database.experiments.page(&filter, after, limit).await.unwrap();
            assert_eq!(page(None, 2).await, added[..2]);
            assert_eq!(page(Some(added[1].experiment_id), 2).await, added[2..4]);
            assert_eq!(page(Some(added[3].experiment_id), 2).await, added[4..]);
            assert_eq!(page(Some(added[4].experiment_id), 2).await, []);
        }
    }

    async fn archived_experiments_are_listed_as_asked_for(database: Database) {
        let present = add_experiment(&database, "present").await;
        let archived = ExperimentDetails { archived: true, ..named("archived") };
        let archived = database.experiments.insert(&archived).await.unwrap();
        let scientist = add_user(&database, "S001", Role::Scientist).await.user_id;
        for experiment in [&present, &archived] {
            assert!(database.associations.insert(experiment.experiment_id, &scientist).await.unwrap());
        }
        for (which, expected) in [
            (Archived::Exclude, vec![present.clone()]),
            (Archived::Include, vec![present.clone(), archived.clone()]),
            (Archived::Only, vec![archived.clone()]),
        ] {
            for of in [None, Some(scientist.clone())] {
                let filter = ExperimentFilter { of, archived: which };
                assert_eq!(database.experiments.page(&filter, None, u32::MAX).await.unwrap(), expected);
            }
        }
        assert_eq!(database.experiments.names().await.unwrap().len(), 2);
        let names = [present.name, archived.name.clone()];
        let named = database.experiments.ids_by_name(&names).await.unwrap();
        assert!(named[&names[1]].archived && !named[&names[0]].archived);
        let found = database.experiments.find_of(&scientist, archived.experiment_id).await.unwrap();
        assert_eq!(found, Some(archived));
    }

    async fn names_are_resolved_exactly_and_only_those_asked_for(database: Database) {
        let one = add_experiment(&database, "Experiment").await;
        let two = add_experiment(&database, "\u{1f600}").await;
        add_experiment(&database, "unasked").await;
        let names = ["Experiment", "experiment", "\u{1f600}", "\u{1f601}", "missing"].map(experiment_name);
        let ids = database.experiments.ids_by_name(&names).await.unwrap();
        let found = |experiment: Experiment| {
            let Experiment { experiment_id, name, archived, .. } = experiment;
            (name, NamedExperiment { experiment_id, archived })
        };
        let expected = HashMap::from([found(one), found(two)]);
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
        assert_eq!(experiments_of(&database, &scientist).await, [one.clone(), three]);
        assert_eq!(experiments_of(&database, &user_id("S002")).await, []);
        assert_eq!(experiments_of(&database, &user_id("S999")).await, []);
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
            database.users.access(&signed_in(user), experiment).await.unwrap()
        };
        assert_eq!(found(&first, one.experiment_id).await, Some(access_of(&first, Some(one.name.clone()))));
        assert_eq!(found(&first, two.experiment_id).await, Some(access_of(&first, None)));
        assert_eq!(found(&first, ExperimentId::new(99)).await, Some(access_of(&first, None)));
        assert_eq!(found(&administrator, one.experiment_id).await, Some(access_of(&administrator, None)));

        let id = one.experiment_id;
        assert!(database.experiments.update(id, &renaming("renamed")).await.unwrap().is_some());
        let renamed = Some(experiment_name("renamed"));
        assert_eq!(found(&first, id).await, Some(access_of(&first, renamed)));
        assert!(database.associations.delete(id, &first.user_id).await.unwrap());
        assert_eq!(found(&first, id).await, Some(access_of(&first, None)));
        assert_eq!(database.users.erase(&first.user_id).await.unwrap(), Erasure::Erased);
        assert_eq!(found(&first, id).await, None);
        assert_eq!(database.users.access(&by_name("UID-S002"), two.experiment_id).await.unwrap(), None);
    }
}
