use mymonit_model::{ExperimentId, Role};
use mymonit_services::ports::Conflict;
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

    async fn of_two_that_associate_at_once_one_is_told_of_the_conflict(database: Database) {
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
