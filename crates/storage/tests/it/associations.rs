use mymonit_model::{ExperimentId, Role};
use mymonit_services::ports::{Conflict, Replacement};
use tokio::join;

use crate::database::on_every_engine;
use crate::fixtures::{add_experiment, add_user, conflict_of, user_id};

on_every_engine! {
    async fn associations_are_listed_by_experiment_and_then_by_user(database: Database) {
        let one = add_experiment(&database, "one").await.experiment_id;
        let two = add_experiment(&database, "two").await.experiment_id;
        let b = add_user(&database, "b", Role::Scientist).await;
        let a = add_user(&database, "a", Role::Scientist).await;
        for (experiment, user) in [(two, &b), (one, &b), (two, &a)] {
            assert!(database.associations.insert(experiment, &user.user_id).await.unwrap());
        }
        let listed = database.associations.list().await.unwrap();
        assert_eq!(listed, [(one, b.clone()), (two, a), (two, b)]);
    }

    async fn an_association_exists_once(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        let scientist = add_user(&database, "S001", Role::Scientist).await.user_id;
        assert!(database.associations.insert(experiment, &scientist).await.unwrap());
        let again = database.associations.insert(experiment, &scientist).await;
        assert_eq!(conflict_of(again), Conflict::Association);
        assert!(database.associations.delete(experiment, &scientist).await.unwrap());
        assert!(!database.associations.delete(experiment, &scientist).await.unwrap());
        assert_eq!(database.associations.list().await.unwrap(), []);
        assert!(database.associations.insert(experiment, &scientist).await.unwrap());
    }

    async fn only_scientists_and_experiments_that_exist_are_associated(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        let scientist = add_user(&database, "S001", Role::Scientist).await.user_id;
        let administrator = add_user(&database, "A001", Role::Admin).await.user_id;
        for (experiment, user) in [
            (experiment, user_id("S999")),
            (experiment, user_id("s001")),
            (experiment, administrator),
            (ExperimentId::new(99), scientist),
            (ExperimentId::new(99), user_id("S999")),
        ] {
            assert!(!database.associations.insert(experiment, &user).await.unwrap());
        }
        assert_eq!(database.associations.list().await.unwrap(), []);
    }

    async fn the_scientists_of_an_experiment_are_replaced_at_once(database: Database) {
        let one = add_experiment(&database, "one").await.experiment_id;
        let two = add_experiment(&database, "two").await.experiment_id;
        let mut users = Vec::new();
        for id in ["a", "b", "c"] {
            users.push(add_user(&database, id, Role::Scientist).await);
        }
        let ids = |texts: &[&str]| texts.iter().map(|text| user_id(text)).collect::<Vec<_>>();
        for experiment in [one, two] {
            assert!(database.associations.insert(experiment, &user_id("a")).await.unwrap());
        }
        let replace = async |wanted: &[&str]| database.associations.replace(one, &ids(wanted)).await.unwrap();
        let replaced = |added: &[&str], removed: &[&str]| Replacement::Replaced {
            added: ids(added),
            removed: ids(removed),
        };
        assert_eq!(replace(&["c", "b", "b"]).await, replaced(&["b", "c"], &["a"]));
        assert_eq!(database.associations.scientists_of(one).await.unwrap(), users[1..]);
        assert_eq!(replace(&["b", "c"]).await, replaced(&[], &[]));
        assert_eq!(replace(&[]).await, replaced(&[], &["b", "c"]));
        assert_eq!(database.associations.scientists_of(one).await.unwrap(), []);
        assert_eq!(database.associations.scientists_of(two).await.unwrap(), users[..1]);
    }

    async fn a_replacement_with_one_who_cannot_be_associated_changes_nothing(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        let scientist = add_user(&database, "S001", Role::Scientist).await;
        add_user(&database, "A001", Role::Admin).await;
        add_user(&database, "gone", Role::Scientist).await;
        database.users.erase(&user_id("gone")).await.unwrap();
        assert!(database.associations.insert(experiment, &scientist.user_id).await.unwrap());
        for other in ["A001", "gone", "nobody", "s001"] {
            let wanted = [user_id(other), scientist.user_id.clone()];
            let refused = database.associations.replace(experiment, &wanted).await.unwrap();
            assert_eq!(refused, Replacement::NotScientists);
        }
        let unknown = database.associations.replace(ExperimentId::new(99), &[]).await.unwrap();
        assert_eq!(unknown, Replacement::NoSuchExperiment);
        assert_eq!(database.associations.scientists_of(experiment).await.unwrap(), [scientist]);
    }

    async fn concurrent_replacements_leave_the_result_of_one(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        let mut ids = Vec::new();
        for number in 0..40 {
            ids.push(add_user(&database, &format!("S{number:02}"), Role::Scientist).await.user_id);
        }
        for round in 0..10 {
            let late = add_user(&database, &format!("T{round}"), Role::Scientist).await.user_id;
            let (one, two, three, _) = join!(
                database.associations.replace(experiment, &ids[..30]),
                database.associations.replace(experiment, &ids[10..]),
                database.users.erase(&late),
                database.associations.insert(experiment, &late),
            );
            assert!(matches!(one.unwrap(), Replacement::Replaced { .. }));
            assert!(matches!(two.unwrap(), Replacement::Replaced { .. }));
            three.unwrap();
            let left = database.associations.scientists_of(experiment).await.unwrap();
            let left: Vec<_> = left.into_iter().map(|user| user.user_id).collect();
            assert!(left == ids[..30] || left == ids[10..], "{left:?}");
        }
    }

    async fn of_two_concurrent_associations_one_conflicts(database: Database) {
        let experiment = add_experiment(&database, "one").await.experiment_id;
        for round in 0..20 {
            let scientist = add_user(&database, &format!("S{round}"), Role::Scientist).await.user_id;
            let (one, two) = join!(
                database.associations.insert(experiment, &scientist),
                database.associations.insert(experiment, &scientist),
            );
            let (added, refused) = if one.is_ok() { (one, two) } else { (two, one) };
            assert!(added.unwrap());
            assert_eq!(conflict_of(refused), Conflict::Association);
        }
    }
}
