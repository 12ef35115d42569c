use std::collections::BTreeSet;

use mymonit_model::{ExperimentId, Publisher, PublisherName, Timestamp};
use mymonit_services::ports::{IngestMessage, IngestOutcome, NewMeasure, Order};
use tokio::join;

use crate::database::{Stores, on_every_engine};
use crate::fixtures::{REJECTED, add_experiment, measure, message, read, rejected, renaming};
use crate::rejected_messages::{all, assert_ids_fit};
use IngestOutcome::{Duplicate, Stored};

const ROUNDS: u32 = 50;

fn name(text: &str) -> PublisherName {
    PublisherName::from_user_id(text.as_bytes()).unwrap()
}

fn publisher(text: &str, experiments: Option<&[u32]>) -> Publisher {
    let experiments = experiments.map(|ids| ids.iter().copied().map(ExperimentId::new).collect());
    Publisher { name: name(text), experiments }
}

fn by(text: &str, message: IngestMessage) -> IngestMessage {
    IngestMessage { publisher: Some(name(text)), ..message }
}

fn one() -> Vec<NewMeasure> {
    vec![measure(1, 1, 7, 1.0)]
}

async fn commit(stores: &Stores, batch: Vec<IngestMessage>) -> Vec<IngestOutcome> {
    stores.ingest.commit(batch).await.unwrap()
}

async fn stored(stores: &Stores) -> usize {
    read(stores, 1, Order::Ascending).await.len()
}

on_every_engine! {
    async fn a_publisher_is_added_replaced_and_removed(database: Database) {
        let publishers = &database.publishers;
        for name in ["one", "two", "three"] {
            add_experiment(&database, name).await;
        }
        let (bound, any, none) = (publisher("b", Some(&[1, 3])), publisher("a ", None), publisher("a", Some(&[])));
        for each in [&bound, &any, &none] {
            publishers.put(each).await.unwrap();
        }
        assert_eq!(publishers.list().await.unwrap(), [none.clone(), any.clone(), bound.clone()]);
        assert_eq!(publishers.find(&name("a ")).await.unwrap(), Some(any.clone()));
        assert_eq!(publishers.find(&name("A")).await.unwrap(), None);

        let replaced = publisher("b", Some(&[2]));
        publishers.put(&replaced).await.unwrap();
        publishers.put(&publisher("a", None)).await.unwrap();
        assert_eq!(publishers.find(&name("b")).await.unwrap(), Some(replaced));
        assert_eq!(publishers.find(&name("a")).await.unwrap(), Some(publisher("a", None)));

        assert!(publishers.delete(&name("b")).await.unwrap());
        assert!(!publishers.delete(&name("b")).await.unwrap());
        assert_eq!(publishers.list().await.unwrap(), [publisher("a", None), any]);
        assert_eq!(database.number("SELECT COUNT(*) FROM PUBLISHER_EXPERIMENTS").await, 0);
    }

    async fn bindings_have_the_names_of_the_experiments_as_they_are_now(database: Database) {
        let one = add_experiment(&database, "one").await;
        add_experiment(&database, "two").await;
        for each in [publisher("bound", Some(&[1, 2])), publisher("any", None), publisher("none", Some(&[]))] {
            database.publishers.put(&each).await.unwrap();
        }
        let renamed = database.experiments.update(one.experiment_id, &renaming("first")).await.unwrap();
        assert!(renamed.is_some());
        let asked = ["bound", "any", "none", "unknown", "BOUND", "bound "].map(name);
        let bindings = database.publishers.bindings(&asked).await.unwrap();
        let names: BTreeSet<_> = bindings.keys().map(PublisherName::as_str).collect();
        assert_eq!(names, ["bound", "none"].into());
        let bound: BTreeSet<_> =
            bindings[&name("bound")].iter().map(|(name, id)| (name.as_str(), id.get())).collect();
        assert_eq!(bound, [("first", 1), ("two", 2)].into());
        assert!(bindings[&name("none")].is_empty());
        assert!(database.publishers.bindings(&[]).await.unwrap().is_empty());
    }

    async fn equal_ids_of_two_publishers_are_two_messages(database: Database) {
        let batch = || vec![message("a", one()), by("p", message("a", one())), by("q", message("a", one()))];
        assert_eq!(commit(&database, batch()).await, [Stored; 3]);
        assert_eq!(commit(&database, batch()).await, [Duplicate; 3]);
        assert_eq!(commit(&database, vec![by("r", message("a", one())), by("p", message("b", one()))]).await, [Stored; 2]);
        assert_eq!(stored(&database).await, 5);
        assert_eq!(database.ingest.forget_message_ids(Timestamp::now(), 3).await.unwrap(), 3);
        assert_eq!(database.ingest.forget_message_ids(Timestamp::now(), 3).await.unwrap(), 2);
        assert_eq!(commit(&database, batch()).await, [Stored; 3]);
    }

    async fn another_publisher_supersedes_no_rejected_message(database: Database) {
        assert_eq!(commit(&database, vec![by("p", rejected("a", "x"))]).await, [REJECTED]);
        assert_eq!(commit(&database, vec![by("q", rejected("a", "y")), rejected("a", "z")]).await, [REJECTED; 2]);
        assert_eq!(commit(&database, vec![by("q", message("a", one()))]).await, [Stored]);
        let kept = all(&database).await;
        let publishers: Vec<_> = kept.iter().map(|kept| kept.publisher.as_ref().map(PublisherName::as_str)).collect();
        assert_eq!(publishers, [None, Some("p")]);
        assert_ids_fit(&database).await;

        // Replay and discard concern the publisher's own id.
        assert!(database.rejected.replay(kept[1].id, &one()).await.unwrap());
        assert!(database.rejected.discard(kept[0].id).await.unwrap());
        assert_ids_fit(&database).await;
        let again = vec![by("p", message("a", one())), by("q", message("a", one())), message("a", one())];
        assert_eq!(commit(&database, again).await, [Duplicate, Duplicate, Stored]);
        assert_eq!(stored(&database).await, 3);
    }

    async fn ids_of_before_match_any_publisher_until_they_expire(database: Database) {
        commit(&database, vec![message("stored", one()), rejected("kept", "x"), rejected("again", "x")]).await;
        for table in ["MESSAGE_IDS", "REJECTED_MESSAGES"] {
            database.execute(&format!("UPDATE {table} SET PUBLISHER = X'FF'")).await;
        }
        // Another process has seen nothing yet.
        let other = database.other_process();
        other.prepare().await.unwrap();
        let batch = vec![
            by("p", message("stored", one())),
            message("stored", one()),
            by("p", rejected("kept", "y")),
            by("p", message("kept", one())),
            by("q", message("kept", one())),
            message("new", one()),
        ];
        assert_eq!(commit(&other, batch.clone()).await, [Duplicate, Duplicate, Duplicate, Stored, Duplicate, Stored]);
        assert_eq!(commit(&other, batch).await, [Duplicate; 6]);
        assert_ids_fit(&database).await;
        let kept = all(&database).await;
        assert!(database.rejected.replay(kept[0].id, &one()).await.unwrap());
        assert_eq!(commit(&other, vec![by("p", message("again", one()))]).await, [Duplicate]);
        assert_eq!(stored(&database).await, 4);

        while database.ingest.forget_message_ids(Timestamp::now(), 10).await.unwrap() > 0 {}
        assert_eq!(commit(&other, vec![by("p", message("stored", one()))]).await, [Stored]);
        assert_eq!(commit(&database, vec![by("p", message("stored", one()))]).await, [Duplicate]);
    }

    async fn two_publishers_with_the_same_ids_race_in_two_processes(database: Database) {
        let other = database.other_process();
        other.prepare().await.unwrap();
        for round in 0..ROUNDS {
            let id = format!("message {round}");
            if round % 2 == 0 {
                commit(&database, vec![by("p", rejected(&id, "x")), by("q", rejected(&id, "x"))]).await;
            }
            let batch = || vec![by("q", message(&id, one())), by("p", message(&id, one())), message(&id, one())];
            let (here, there) = join!(commit(&database, batch()), commit(&other, batch()));
            for (here, there) in here.into_iter().zip(there) {
                assert!((here == Stored) != (there == Stored), "{here:?} {there:?}");
            }
            assert_eq!(stored(&database).await, (round as usize + 1) * 3);
        }
        assert_eq!(all(&database).await, []);
        assert_ids_fit(&database).await;
    }
}
