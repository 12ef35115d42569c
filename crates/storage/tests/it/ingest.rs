use mymonit_model::{MeasureValue, Timestamp};
use mymonit_services::message::MessageId;
use mymonit_services::ports::{IngestContent, IngestMessage, IngestOutcome, NewMeasure, Order, StorageError};
use tokio::join;

use crate::database::{Database, KeptMessage, on_every_engine};
use crate::fixtures::{REJECTED, measure, message, moment, read, rejected, rejection};
use IngestOutcome::{Duplicate, Stored};

fn one(value: f64) -> Vec<NewMeasure> {
    vec![measure(1, 1, 7, value)]
}

/// The values of experiment 1 in the order of arrival.
async fn values(database: &Database) -> Vec<f64> {
    let mut stored = read(database, 1, Order::Ascending).await;
    stored.sort_by_key(|measure| measure.id);
    stored.iter().map(|measure| measure.value.get()).collect()
}

async fn rows(database: &Database) -> [i64; 4] {
    let mut probe = database.probe().await;
    let mut counts = [0; 4];
    let tables = ["MEASURES", "MESSAGE_IDS", "REJECTED_MESSAGES", "REJECTED_MESSAGE_BODIES"];
    for (count, table) in counts.iter_mut().zip(tables) {
        *count = probe.number(&format!("SELECT COUNT(*) FROM {table}")).await;
    }
    counts
}

/// Makes the database refuse the value 13 for its data, in the middle of a batch.
const REFUSE_13: &str = "CREATE TABLE LUCKY (N DOUBLE PRECISION CHECK (N <> 13)); \
    CREATE TRIGGER LUCKY_ONLY AFTER INSERT ON MEASURES FOR EACH ROW ";

pub(crate) async fn refuse_13(database: &Database) {
    let insert = "INSERT INTO LUCKY (N) VALUES (NEW.MEASURE_VALUE)";
    match database.probe().await {
        crate::database::Probe::MySql(_) => database.execute(&format!("{REFUSE_13} {insert}")).await,
        crate::database::Probe::Sqlite(_) => {
            database.execute(&format!("{REFUSE_13} BEGIN {insert}; END")).await;
        }
    }
}

on_every_engine! {
    async fn a_batch_is_stored_in_its_order(database: Database) {
        let batch = [message("a", one(1.0)), message("", vec![measure(1, 1, 3, 2.0), measure(1, 1, 5, 3.0)]),
            message("", Vec::new()), message("b", one(4.0))];
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Stored; 4]);
        assert_eq!(values(&database).await, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(rows(&database).await, [4, 2, 0, 0]);
    }

    async fn an_empty_batch_is_nothing(database: Database) {
        assert_eq!(database.ingest.commit(vec![]).await.unwrap(), []);
        assert_eq!(rows(&database).await, [0; 4]);
    }

    async fn batches_of_any_size_are_stored_whole(database: Database) {
        let mut expected = Vec::new();
        for size in [1, 2, 9, 10, 11, 99, 1_023, 1_024, 1_025, 2_047, 10_000] {
            let first = expected.len();
            let new: Vec<_> = (first..first + size).map(|number| number as f64).collect();
            let measures = new.iter().map(|value| measure(1, 1, 7, *value)).collect();
            database.ingest.commit(vec![message("", measures)]).await.unwrap();
            expected.extend(new);
        }
        assert_eq!(values(&database).await, expected);
    }

    async fn very_many_messages_are_committed_at_once(database: Database) {
        let batch: Vec<_> =
            (0..5_000).map(|number| message(&format!("id {number}"), one(f64::from(number)))).collect();
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), vec![Stored; 5_000]);
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), vec![Duplicate; 5_000]);
        assert_eq!(rows(&database).await, [5_000, 5_000, 0, 0]);
        assert!(values(&database).await.is_sorted());
    }

    async fn of_copies_in_one_batch_the_first_is_stored(database: Database) {
        let batch = [message("a", one(1.0)), message("a", one(2.0)), message("b", one(3.0)), rejected("a", "x"),
            message("b", one(4.0))];
        let outcomes = database.ingest.commit(batch.to_vec()).await.unwrap();
        assert_eq!(outcomes, [Stored, Duplicate, Stored, Duplicate, Duplicate]);
        assert_eq!(values(&database).await, [1.0, 3.0]);
        assert_eq!(rows(&database).await, [2, 2, 0, 0]);
    }

    async fn a_redelivered_message_is_a_duplicate_and_the_rest_of_its_batch_is_stored(database: Database) {
        database.ingest.commit(vec![message("a", one(1.0)), message("b", one(2.0))]).await.unwrap();
        let batch = [message("b", one(9.0)), message("c", one(3.0)), message("", one(4.0)), message("a", one(9.0))];
        let outcomes = database.ingest.commit(batch.to_vec()).await.unwrap();
        assert_eq!(outcomes, [Duplicate, Stored, Stored, Duplicate]);
        assert_eq!(values(&database).await, [1.0, 2.0, 3.0, 4.0]);
    }

    async fn ids_are_compared_byte_by_byte(database: Database) {
        let ids: [&[u8]; 9] = [b"a", b"A", b"a ", b"a\0", b" a", b"\xff", b"\xff\xfe", &[b'x'; 255], &[b'x'; 254]];
        let batch: Vec<_> = ids
            .iter()
            .map(|id| {
                let content = IngestContent::Measures(one(1.0));
                IngestMessage { publisher: None, message_id: MessageId::new(id), content }
            })
            .collect();
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Stored; 9]);
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Duplicate; 9]);
    }

    async fn messages_without_an_id_are_stored_each_time(database: Database) {
        let batch = [message("", one(1.0)), message("", one(1.0))];
        for _ in 0..2 {
            assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Stored, Stored]);
        }
        assert_eq!(rows(&database).await, [4, 0, 0, 0]);
    }

    async fn of_copies_that_reach_two_processes_at_once_one_is_stored(database: Database) {
        let other = database.other_process();
        other.prepare().await.unwrap();
        for round in 0..200 {
            let id = |number: usize| format!("round {round} message {number}");
            let copy = |number: usize| message(&id(number), one(number as f64));
            // The same messages in opposite orders, which could deadlock.
            let forward: Vec<_> = (0..6).map(copy).collect();
            let backward: Vec<_> = (0..6).rev().map(copy).collect();
            let (here, there) = join!(database.ingest.commit(forward.to_vec()), other.ingest.commit(backward.to_vec()));
            let (here, mut there) = (here.unwrap(), there.unwrap());
            there.reverse();
            for (here, there) in here.into_iter().zip(there) {
                assert!([(Stored, Duplicate), (Duplicate, Stored)].contains(&(here, there)), "{here:?} {there:?}");
            }
        }
        assert_eq!(rows(&database).await, [1_200, 1_200, 0, 0]);
    }

    async fn four_processes_share_a_stream_full_of_copies_without_loss(database: Database) {
        let mut processes = Vec::new();
        for offset in 0..4_u32 {
            let process = database.other_process();
            process.prepare().await.unwrap();
            processes.push(tokio::spawn(async move {
                let mut stored = 0;
                for batch in 0..25 {
                    // Each batch overlaps with those of the others.
                    let first = batch * 40 + offset * 10;
                    let messages: Vec<_> =
                        (first..first + 40).map(|number| message(&number.to_string(), one(f64::from(number)))).collect();
                    let outcomes = process.ingest.commit(messages.to_vec()).await.unwrap();
                    stored += outcomes.iter().filter(|outcome| **outcome == Stored).count();
                }
                stored
            }));
        }
        let mut stored = 0;
        for process in processes {
            stored += process.await.unwrap();
        }
        let mut found = values(&database).await;
        found.sort_by(f64::total_cmp);
        assert_eq!(found, (0..1_030).map(f64::from).collect::<Vec<_>>());
        assert_eq!(stored, found.len());
    }

    async fn a_rejected_message_is_kept_whole(database: Database) {
        let mut given = rejection(vec![0, 255, 10, 13, 0]);
        given.rejection.detail = format!("`{}` occurs twice \u{1f600}", "x".repeat(200_000));
        given.properties = serde_json::json!({ "headers": { "k\"\\\n": [1.5, null, "\u{1f600}"] }, "long": "y".repeat(100_000) });
        let id = [255; 255];
        let batch = [
            IngestMessage { publisher: None, message_id: MessageId::new(&id), content: IngestContent::Rejected(Box::new(given.clone())) },
            rejected("", ""),
            message("", one(1.0)),
        ];
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [REJECTED, REJECTED, Stored]);
        let kept = database.probe().await.rejected_messages().await;
        let expected = KeptMessage {
            reason: "unknown_experiment".to_owned(),
            detail: given.rejection.detail.clone(),
            received_at: given.received_at.unix_nanos(),
            message_id: Some(id.to_vec()),
            properties: given.properties.to_string(),
            size: 5,
            body: given.body.to_vec(),
        };
        assert_eq!(kept[0], expected);
        assert_eq!((kept[1].message_id.clone(), kept[1].size, kept[1].body.len()), (None, 0, 0));
        assert_eq!(kept.len(), 2);
    }

    async fn a_body_of_20_mib_is_kept_byte_for_byte(database: Database) {
        let body: Vec<u8> = (0..251).cycle().step_by(31).take(20 * 1024 * 1024 + 7).collect();
        let outcomes = database.ingest.commit(vec![rejected("large", body.clone())]).await.unwrap();
        assert_eq!(outcomes, [REJECTED]);
        let kept = database.probe().await.rejected_messages().await;
        assert!(kept.len() == 1 && kept[0].body == body);
        assert_eq!(usize::try_from(kept[0].size).unwrap(), body.len());
    }

    async fn each_of_very_many_rejected_messages_is_kept_with_its_own_body(database: Database) {
        let body = |number: usize| match number {
            7 | 1_900 => vec![7; 1_200_000],
            number if number % 100 == 50 => Vec::new(),
            number => format!("body {number}").into_bytes(),
        };
        let batch: Vec<_> = (0..2_500).map(|number| rejected(&format!("id {number}"), body(number))).collect();
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), vec![REJECTED; 2_500]);
        let kept = database.probe().await.rejected_messages().await;
        assert_eq!(kept.len(), 2_500);
        for (number, kept) in kept.into_iter().enumerate() {
            assert_eq!(kept.message_id.unwrap(), format!("id {number}").into_bytes());
            assert!(kept.body == body(number), "{number}");
        }
    }

    async fn a_rejected_message_is_kept_once_if_it_has_an_id(database: Database) {
        let batch = [rejected("a", "first"), rejected("", "none"), rejected("a", "second")];
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [REJECTED, REJECTED, Duplicate]);
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Duplicate, REJECTED, Duplicate]);
        let kept = database.probe().await.rejected_messages().await;
        let bodies: Vec<_> = kept.iter().map(|message| &*message.body).collect();
        assert_eq!(bodies, [&b"first"[..], b"none", b"none"]);
    }

    async fn a_stored_message_that_comes_again_and_cannot_be_stored_any_more_is_a_duplicate(database: Database) {
        database.ingest.commit(vec![message("a", one(1.0))]).await.unwrap();
        assert_eq!(database.ingest.commit(vec![rejected("a", "x")]).await.unwrap(), [Duplicate]);
        assert_eq!(rows(&database).await, [1, 1, 0, 0]);
    }

    async fn a_rejected_message_that_comes_again_and_can_be_stored_is_stored(database: Database) {
        database.ingest.commit(vec![rejected("a", "body"), rejected("b", "body"), rejected("", "body")]).await.unwrap();
        assert_eq!(rows(&database).await, [0, 2, 3, 3]);
        let batch = [message("c", one(1.0)), message("a", one(2.0)), message("a", one(3.0)), rejected("b", "x")];
        let outcomes = database.ingest.commit(batch.to_vec()).await.unwrap();
        assert_eq!(outcomes, [Stored, Stored, Duplicate, Duplicate]);
        assert_eq!(values(&database).await, [1.0, 2.0]);
        assert_eq!(rows(&database).await, [2, 3, 2, 2]);
        // From now on it is like any stored message.
        assert_eq!(database.ingest.commit(batch[1..2].to_vec()).await.unwrap(), [Duplicate]);
    }

    async fn a_rejected_message_that_is_repeated_and_can_be_stored_within_its_batch_is_stored(database: Database) {
        let batch = [rejected("a", "x"), message("a", one(1.0))];
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Duplicate, Stored]);
        assert_eq!(rows(&database).await, [1, 1, 0, 0]);
    }

    async fn a_rejected_message_is_stored_once_if_two_processes_can_store_it_at_once(database: Database) {
        let other = database.other_process();
        other.prepare().await.unwrap();
        for round in 0..50 {
            let id = round.to_string();
            database.ingest.commit(vec![rejected(&id, "x")]).await.unwrap();
            let copy = [message(&id, one(1.0))];
            let (here, there) = join!(database.ingest.commit(copy.to_vec()), other.ingest.commit(copy.to_vec()));
            let mut outcomes = [here.unwrap()[0], there.unwrap()[0]];
            outcomes.sort_by_key(|outcome| *outcome == Duplicate);
            assert_eq!(outcomes, [Stored, Duplicate]);
        }
        assert_eq!(rows(&database).await, [50, 50, 0, 0]);
    }

    async fn a_batch_that_fails_leaves_nothing(database: Database) {
        refuse_13(&database).await;
        let batch = [message("a", one(1.0)), rejected("b", "x"), rejected("", "y"), message("c", one(13.0))];
        let failure = database.ingest.commit(batch.to_vec()).await.unwrap_err();
        assert!(matches!(failure, StorageError::Data(_)), "{failure:?}");
        assert_eq!(rows(&database).await, [0; 4]);
        // The connection is still usable.
        assert_eq!(database.ingest.commit(batch[..3].to_vec()).await.unwrap(), [Stored, REJECTED, REJECTED]);
        assert_eq!(rows(&database).await, [1, 2, 2, 2]);
    }

    async fn a_failed_batch_does_not_take_away_the_rejected_copy(database: Database) {
        refuse_13(&database).await;
        database.ingest.commit(vec![rejected("a", "body")]).await.unwrap();
        let again = [message("a", one(1.0)), message("b", one(13.0))];
        database.ingest.commit(again.to_vec()).await.unwrap_err();
        assert_eq!(rows(&database).await, [0, 1, 1, 1]);
        assert_eq!(database.ingest.commit(again[..1].to_vec()).await.unwrap(), [Stored]);
    }

    async fn ids_are_forgotten_by_age_but_not_those_of_rejected_messages(database: Database) {
        let before = Timestamp::now();
        let batch = [message("a", one(1.0)), message("b", one(1.0)), message("c", one(1.0)), rejected("r", "x")];
        database.ingest.commit(batch.to_vec()).await.unwrap();
        assert_eq!(database.ingest.forget_message_ids(before, 100).await.unwrap(), 0);
        let later = moment(Timestamp::now().unix_nanos() + 1);
        assert_eq!(database.ingest.forget_message_ids(later, 2).await.unwrap(), 2);
        assert_eq!(database.ingest.forget_message_ids(later, 100).await.unwrap(), 1);
        assert_eq!(database.ingest.forget_message_ids(later, 100).await.unwrap(), 0);
        // Forgotten ids are new; ids of rejected messages are not.
        assert_eq!(database.ingest.commit(batch.to_vec()).await.unwrap(), [Stored, Stored, Stored, Duplicate]);
    }

    async fn the_id_of_a_replayed_message_expires(database: Database) {
        database.ingest.commit(vec![rejected("r", "x")]).await.unwrap();
        database.ingest.commit(vec![message("r", one(1.0))]).await.unwrap();
        let later = moment(Timestamp::now().unix_nanos() + 1);
        assert_eq!(database.ingest.forget_message_ids(later, 100).await.unwrap(), 1);
    }

    async fn a_rejected_message_whose_id_went_missing_is_neither_doubled_nor_stuck(database: Database) {
        database.ingest.commit(vec![rejected("a", "x"), rejected("b", "x")]).await.unwrap();
        database.execute("DELETE FROM MESSAGE_IDS").await;
        assert_eq!(database.ingest.commit(vec![rejected("a", "x")]).await.unwrap(), [Duplicate]);
        assert_eq!(database.ingest.commit(vec![message("b", one(1.0))]).await.unwrap(), [Stored]);
        assert_eq!(database.ingest.commit(vec![message("b", one(1.0))]).await.unwrap(), [Duplicate]);
        assert_eq!(values(&database).await, [1.0]);
    }

    async fn every_finite_value_passes_unchanged_through_a_batch(database: Database) {
        let pattern = |number: u64| f64::from_bits(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let given: Vec<_> = (0..3_000).map(pattern).filter(|value| value.is_finite()).collect();
        let measures = given.iter().map(|value| NewMeasure { value: MeasureValue::new(*value).unwrap(), ..one(0.0)[0].clone() });
        database.ingest.commit(vec![message("", measures.collect())]).await.unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values(&database).await), bits(&given));
    }
}
