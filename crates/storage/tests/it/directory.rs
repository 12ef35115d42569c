//! Changes of users, experiments, associations and measure types in one transaction.

use futures::future::join_all;
use mymonit_model::{
    Description, Experiment, ExperimentDetails, ExperimentId, Quantity, Role, SensorName, Timestamp,
    UnitSymbol,
};
use mymonit_services::directory::{Change, DescribedSensor, ErasedUser, ExperimentChange};
use mymonit_services::ports::{StorageError, UserProfile};

use crate::database::on_every_engine;
use crate::fixtures::{add_user, all_experiments, experiment_name, named, profile, user, user_id};

fn added(name: &str) -> Change {
    Change::Experiment(ExperimentChange::Add(None, named(name)))
}

on_every_engine! {
    async fn all_changes_are_made_and_read_back(database: Database) {
        add_user(&database, "S001", Role::Scientist).await;
        database.experiments.insert(&named("old")).await.unwrap();
        let erased = ErasedUser {
            user_id: user_id("S009"),
            role: Role::Scientist,
            erased_at: Timestamp::from_unix_nanos(1_700_000_000_000_000_001).unwrap(),
        };
        let measure_type = mymonit_model::MeasureTypeName::new("bit").unwrap();
        let given = ExperimentDetails {
            description: Description::new("since 2022").unwrap(),
            archived: true,
            ..named("given")
        };
        let renamed = Experiment { archived: true, ..named("renamed").numbered(ExperimentId::new(1)) };
        let changes = [
            Change::Associate(experiment_name("numbered"), user_id("S002")),
            added("numbered"),
            Change::AddUser(user("S002", Role::Scientist)),
            Change::UpdateUser(user_id("S001"), profile("New", "new", "new@home.cern")),
            Change::AddErasedUser(erased.clone()),
            Change::Experiment(ExperimentChange::Add(Some(ExperimentId::new(40)), given.clone())),
            Change::Experiment(ExperimentChange::Update(renamed.clone())),
            Change::AddMeasureType(measure_type, UnitSymbol::new("bit").unwrap(), Quantity::new("information").unwrap()),
            Change::AddSensor(experiment_name("numbered"), SensorName::new("left").unwrap(), Description::new("PT100").unwrap()),
        ];
        let seen = database.directory.read().await.unwrap();
        let experiments = database.directory.apply(&seen, &changes).await.unwrap().unwrap();
        let mut directory = database.directory.read().await.unwrap();
        directory.sort();
        assert_eq!(directory.users.len(), 2);
        assert_eq!(directory.users[0].email.reveal().as_str(), "new@home.cern");
        assert_eq!(directory.erased_users, [erased]);
        let named: Vec<_> =
            directory.experiments.iter().map(|each| (each.experiment_id.get(), each.name.as_str())).collect();
        assert_eq!(named, [(1, "renamed"), (40, "given"), (41, "numbered")]);
        assert_eq!(directory.experiments[..2], [renamed, given.numbered(ExperimentId::new(40))]);
        assert_eq!(experiments.len(), 3);
        assert_eq!(directory.associations, [(ExperimentId::new(41), user_id("S002"))]);
        assert_eq!(directory.measure_types.len(), 39);
        let sensor = DescribedSensor {
            experiment_id: ExperimentId::new(41),
            name: SensorName::new("left").unwrap(),
            description: Description::new("PT100").unwrap(),
        };
        assert_eq!(directory.sensors, [sensor]);
        // The imported erased id is refused like one that was erased here.
        assert!(database.users.insert(&user("S009", Role::Scientist)).await.is_err());
    }

    async fn unique_values_are_swapped_in_one_transaction(database: Database) {
        let ids = ["S001", "S002", "S003"];
        for id in ids {
            add_user(&database, id, Role::Scientist).await;
            database.experiments.insert(&named(id)).await.unwrap();
        }
        let seen = database.directory.read().await.unwrap();
        let of = |id: &str| seen.users.iter().find(|user| user.user_id.as_str() == id).unwrap().clone();
        // In a circle: each user takes the value of the next one.
        let mut changes = vec![added("S004")];
        for (number, (id, next)) in (1..).zip(ids.into_iter().zip(["S002", "S003", "S001"])) {
            let next_one = of(next);
            changes.push(Change::UpdateUser(user_id(id), UserProfile {
                name: of(id).name, username: next_one.username, email: next_one.email,
            }));
            let renamed = named(next).numbered(ExperimentId::new(number));
            changes.push(Change::Experiment(ExperimentChange::Update(renamed)));
        }
        // A new user may take a name that another one gives up.
        changes.push(Change::AddUser(user("S004", Role::Scientist)));
        assert!(database.directory.apply(&seen, &changes).await.unwrap().is_some());
        for (id, next) in ids.into_iter().zip(["S002", "S003", "S001"]) {
            let found = database.users.find(&user_id(id)).await.unwrap().unwrap();
            let next = of(next);
            assert_eq!((found.username, found.email), (next.username.clone(), next.email));
            assert_eq!(database.users.find_by_username(next.username.reveal()).await.unwrap().unwrap().user_id, user_id(id));
        }
        let mut names: Vec<_> = all_experiments(&database).await;
        names.sort_by_key(|each| each.experiment_id);
        let names: Vec<_> = names.iter().map(|each| each.name.as_str()).collect();
        assert_eq!(names, ["S002", "S003", "S001", "S004"]);
        // The comparison keys of the addresses were changed, too.
        let mut taken = user("S005", Role::Scientist);
        taken.email = of("S001").email;
        assert!(database.users.insert(&taken).await.is_err());
    }

    async fn nothing_is_written_if_something_has_changed_since_it_was_seen(database: Database) {
        let seen = database.directory.read().await.unwrap();
        add_user(&database, "S001", Role::Scientist).await;
        assert_eq!(database.directory.apply(&seen, &[added("x")]).await.unwrap(), None);
        assert_eq!(all_experiments(&database).await, []);
    }

    async fn a_refused_change_rolls_all_changes_back(database: Database) {
        let seen = database.directory.read().await.unwrap();
        let refused = database.directory.apply(&seen, &[added("x"), added("y"), added("x")]).await;
        assert!(matches!(refused, Err(StorageError::Conflict(_))), "{refused:?}");
        assert_eq!(all_experiments(&database).await, []);
        let nobody = Change::UpdateUser(user_id("S001"), profile("New", "new", "new@home.cern"));
        assert!(database.directory.apply(&seen, &[added("x"), nobody]).await.is_err());
        assert_eq!(all_experiments(&database).await, []);
    }

    async fn of_several_who_have_seen_the_same_each_change_is_made_once(database: Database) {
        let seen = database.directory.read().await.unwrap();
        let processes = (0..6).map(|_| {
            let (process, seen) = (database.other_process(), seen.clone());
            tokio::spawn(async move {
                process.prepare().await.unwrap();
                let changes = [added("x"), Change::AddUser(user("S001", Role::Scientist))];
                matches!(process.directory.apply(&seen, &changes).await, Ok(Some(_)))
            })
        });
        let made = join_all(processes).await.into_iter().filter(|made| *made.as_ref().unwrap()).count();
        assert_eq!(made, 1);
        assert_eq!(all_experiments(&database).await.len(), 1);
    }
}
