//! Concurrent access to a rejected message: it is stored or kept, never both, and at most once.

use std::sync::Arc;

use mymonit_model::Timestamp;
use mymonit_services::ports::{
    IngestMessage, IngestOutcome, NewMeasure, Order, RejectedMessageId, StorageError,
};
use tokio::join;
use tokio::sync::Barrier;

use crate::database::{Database, Stores, on_every_engine};
use crate::fixtures::{REJECTED, measure, message, moment, read, rejected};
use crate::rejected_messages::{all, assert_ids_fit};
use IngestOutcome::{Duplicate, Stored};

const ROUNDS: u32 = 100;

fn measures() -> Vec<NewMeasure> {
    vec![measure(1, 1, 7, 1.0)]
}

fn id(round: u32) -> String {
    format!("message {round}")
}

fn good(round: u32) -> IngestMessage {
    message(&id(round), measures())
}

fn bad(round: u32) -> IngestMessage {
    rejected(&id(round), "x")
}

/// Another process on the same database.
async fn other(database: &Database) -> Stores {
    let other = database.other_process();
    other.prepare().await.unwrap();
    // Both have a connection before they race.
    other.health.check().await.unwrap();
    other
}

/// The rejected message of the round.
async fn reject(stores: &Stores, round: u32) -> RejectedMessageId {
    assert_eq!(stores.ingest.commit(vec![bad(round)]).await.unwrap(), [REJECTED]);
    let kept = all(stores).await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].id
}

async fn deliver(stores: &Stores, message: IngestMessage) -> IngestOutcome {
    stores.ingest.commit(vec![message]).await.unwrap()[0]
}

async fn stored(stores: &Stores) -> usize {
    read(stores, 1, Order::Ascending).await.len()
}

on_every_engine! {
    async fn of_two_replays_one_stores_the_message(database: Database) {
        let other = other(&database).await;
        for round in 0..ROUNDS {
            let kept = reject(&database, round).await;
            let one_measure = measures();
            let (here, there) =
                join!(database.rejected.replay(kept, &one_measure), other.rejected.replay(kept, &one_measure));
            assert!(here.unwrap() != there.unwrap());
            assert_eq!(stored(&database).await, round as usize + 1);
        }
        assert_ids_fit(&database).await;
    }

    async fn of_a_replay_and_a_discard_one_happens(database: Database) {
        let other = other(&database).await;
        let mut expected = 0;
        for round in 0..ROUNDS {
            let kept = reject(&database, round).await;
            let one_measure = measures();
            let (replayed, discarded) =
                join!(database.rejected.replay(kept, &one_measure), other.rejected.discard(kept));
            let replayed = replayed.unwrap();
            assert!(replayed != discarded.unwrap());
            expected += usize::from(replayed);
            assert_eq!(stored(&database).await, expected);
            // Stored ids are known; discarded ones are not.
            let again = deliver(&database, bad(round)).await;
            assert_eq!(again, if replayed { Duplicate } else { REJECTED });
            for kept in all(&database).await {
                assert!(database.rejected.discard(kept.id).await.unwrap());
            }
        }
        assert_ids_fit(&database).await;
    }

    async fn of_a_replay_and_a_delivery_that_can_be_stored_one_stores_the_message(database: Database) {
        let other = other(&database).await;
        for round in 0..ROUNDS {
            let kept = reject(&database, round).await;
            let one_measure = measures();
            let (replayed, delivered) =
                join!(database.rejected.replay(kept, &one_measure), deliver(&other, good(round)));
            assert_eq!(delivered, if replayed.unwrap() { Duplicate } else { Stored });
            assert_eq!(stored(&database).await, round as usize + 1);
            assert_eq!(all(&database).await, []);
        }
        assert_ids_fit(&database).await;
    }

    async fn a_delivery_that_cannot_be_stored_takes_nothing_from_a_replay(database: Database) {
        let other = other(&database).await;
        for round in 0..ROUNDS {
            let kept = reject(&database, round).await;
            let one_measure = measures();
            let (replayed, delivered) =
                join!(database.rejected.replay(kept, &one_measure), deliver(&other, bad(round)));
            assert_eq!((replayed.unwrap(), delivered), (true, Duplicate));
            assert_eq!(stored(&database).await, round as usize + 1);
            assert_eq!(all(&database).await, []);
        }
        assert_ids_fit(&database).await;
    }

    async fn a_delivery_that_can_be_stored_is_stored_whenever_its_rejected_copy_is_discarded(database: Database) {
        let other = other(&database).await;
        for round in 0..ROUNDS * 2 {
            let kept = reject(&database, round).await;
            // The delivery supersedes the copy or finds it discarded, and is never a duplicate of a
            // missing message.
            let (_, delivered) = join!(database.rejected.discard(kept), deliver(&other, good(round)));
            assert_eq!(delivered, Stored);
            assert_eq!(stored(&database).await, round as usize + 1);
            assert_eq!(all(&database).await, []);
        }
        assert_ids_fit(&database).await;
    }

    async fn a_delivery_that_cannot_be_stored_is_discarded_with_its_copy_or_kept_anew(database: Database) {
        let other = other(&database).await;
        for round in 0..ROUNDS {
            let kept = reject(&database, round).await;
            let (discarded, delivered) = join!(database.rejected.discard(kept), deliver(&other, bad(round)));
            assert!(discarded.unwrap());
            let left = all(&database).await;
            match delivered {
                Duplicate => assert_eq!(left, []),
                IngestOutcome::Rejected(_) => assert!(left.len() == 1 && left[0].id > kept),
                Stored => panic!("a message that cannot be stored was"),
            }
            for kept in left {
                assert!(database.rejected.discard(kept.id).await.unwrap());
            }
        }
        assert_eq!(stored(&database).await, 0);
        assert_ids_fit(&database).await;
    }

    async fn a_message_is_found_whole_or_not_at_all_while_it_is_removed(database: Database) {
        let other = other(&database).await;
        for _ in 0..ROUNDS / 4 {
            let body = vec![b'x'; 3 * 1024 * 1024];
            database.ingest.commit(vec![rejected("a", body.clone())]).await.unwrap();
            let kept = all(&database).await[0].id;
            let (discarded, found) = join!(database.rejected.discard(kept), other.rejected.find(kept));
            assert!(discarded.unwrap());
            assert!(found.unwrap().is_none_or(|(_, found)| found == body));
        }
    }

    async fn whatever_four_processes_do_at_once_each_success_is_one_stored_message(database: Database) {
        const MESSAGES: u32 = 6;
        let start = Arc::new(Barrier::new(4));
        let mut processes = Vec::new();
        for seed in 0..4_u64 {
            let process = other(&database).await;
            let start = start.clone();
            processes.push(tokio::spawn(async move {
                start.wait().await;
                let mut dice = Dice(seed);
                let mut stored = 0;
                for _ in 0..150 {
                    let number = dice.below(MESSAGES);
                    stored += usize::from(act(&process, dice.below(6), number).await);
                }
                stored
            }));
        }
        let mut expected = 0;
        for process in processes {
            expected += process.await.unwrap();
        }
        assert!(expected > 0);
        assert_eq!(stored(&database).await, expected);
        assert_ids_fit(&database).await;
    }
}

/// Performs one random operation on a message; returns whether it reports the message as stored.
async fn act(stores: &Stores, action: u32, number: u32) -> bool {
    match action {
        0 => deliver(stores, good(number)).await == Stored,
        // Two in one batch, in an order that another process may reverse.
        1 => {
            let batch = [bad(number), bad((number * 5 + 1) % 6)];
            assert!(!stores.ingest.commit(batch.to_vec()).await.unwrap().contains(&Stored));
            false
        }
        2 => {
            // A conflict with a delivery of the same ids is no fault: expiry runs again later.
            let forgotten = stores.ingest.forget_message_ids(moment(Timestamp::now().unix_nanos()), 3).await;
            assert!(matches!(forgotten, Ok(_) | Err(StorageError::Unavailable(_))), "{forgotten:?}");
            false
        }
        _ => match all(stores).await.get(number as usize) {
            None => false,
            Some(kept) if action == 3 => {
                stores.rejected.discard(kept.id).await.unwrap();
                false
            }
            Some(kept) => stores.rejected.replay(kept.id, &measures()).await.unwrap(),
        },
    }
}

/// Deterministic pseudo-random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        u32::try_from((mixed ^ (mixed >> 27)) >> 40).unwrap() % limit
    }
}
