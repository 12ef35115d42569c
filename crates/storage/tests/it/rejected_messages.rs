use mymonit_model::Timestamp;
use mymonit_services::message::{MessageId, Rejection, RejectionReason};
use mymonit_services::ports::{
    IngestContent, IngestMessage, IngestOutcome, NewRejectedMessage, Order, RejectedMessage,
    RejectedMessageFilter, RejectedMessageId, StorageError,
};

use crate::database::{Database, Stores, on_every_engine};
use crate::fixtures::{REJECTED, measure, message, moment, read, rejected, rejection};
use crate::ingest::refuse_13;
use IngestOutcome::{Duplicate, Stored};

const ABSENT: [RejectedMessageId; 3] =
    [RejectedMessageId::new(0), RejectedMessageId::new(4_711), RejectedMessageId::new(u64::MAX)];

/// All rejected messages of the filter, in pages of that size.
async fn walked(stores: &Stores, filter: &RejectedMessageFilter, limit: u32) -> Vec<RejectedMessage> {
    let mut messages = Vec::new();
    let mut after = None;
    loop {
        let page = stores.rejected.page(filter, after, limit).await.unwrap();
        assert!(page.messages.len() <= limit as usize);
        assert!(!page.has_more || !page.messages.is_empty());
        messages.extend(page.messages);
        after = messages.last().map(RejectedMessage::position);
        if !page.has_more {
            return messages;
        }
    }
}

/// Every rejected message, last received first.
pub(crate) async fn all(stores: &Stores) -> Vec<RejectedMessage> {
    walked(stores, &RejectedMessageFilter::default(), 1_000).await
}

/// The only rejected message.
async fn the_one(stores: &Stores) -> RejectedMessage {
    let mut all = all(stores).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// A message that was rejected for that reason at that moment, with an id of that text unless it is
/// empty.
fn rejected_at(id: &str, reason: RejectionReason, nanos: i64) -> IngestMessage {
    let received_at = moment(nanos);
    let rejected =
        NewRejectedMessage { received_at, rejection: Rejection::new(reason, "why"), ..rejection("x") };
    IngestMessage {
        publisher: None,
        message_id: MessageId::new(id.as_bytes()),
        content: IngestContent::Rejected(Box::new(rejected)),
    }
}

async fn values(stores: &Stores) -> Vec<f64> {
    read(stores, 1, Order::Ascending).await.iter().map(|measure| measure.value.get()).collect()
}

/// Checks that ids of rejected messages have no time, and all others have one.
pub(crate) async fn assert_ids_fit(database: &Database) {
    let orphans = "SELECT COUNT(*) FROM MESSAGE_IDS I LEFT JOIN REJECTED_MESSAGES R ON R.MESSAGE_ID = I.MESSAGE_ID \
        AND R.PUBLISHER = I.PUBLISHER WHERE (I.SEEN_AT IS NULL) <> (R.ID IS NOT NULL)";
    assert_eq!(database.number(orphans).await, 0, "ids without a time and without a message, or the reverse");
    let unregistered = "SELECT COUNT(*) FROM REJECTED_MESSAGES R LEFT JOIN MESSAGE_IDS I \
        ON R.MESSAGE_ID = I.MESSAGE_ID AND R.PUBLISHER = I.PUBLISHER WHERE R.MESSAGE_ID IS NOT NULL AND I.MESSAGE_ID IS NULL";
    assert_eq!(database.number(unregistered).await, 0, "rejected messages whose ids are not registered");
    let bodies = "SELECT COUNT(*) FROM REJECTED_MESSAGE_BODIES B LEFT JOIN REJECTED_MESSAGES R \
        ON R.ID = B.REJECTED_MESSAGE_ID WHERE R.ID IS NULL";
    assert_eq!(database.number(bodies).await, 0, "bodies without a message");
}

on_every_engine! {
    async fn a_rejected_message_round_trips(database: Database) {
        let mut given = rejection(vec![0, 255, 10, 13, 0]);
        given.rejection = Rejection::new(RejectionReason::MalformedJson, "`k\u{1f600}` \u{0} occurs twice");
        given.properties = serde_json::json!({
            "headers": { "k\"\\\n\u{0}": [1.5, -0.0, null, "\u{1f600}", u64::MAX, i64::MIN, {"$base64": "/w=="}] },
            "delivery_mode": 2
        });
        given.received_at = moment(i64::MAX);
        let id = MessageId::new(&[0, 255, b' ']).unwrap();
        let content = IngestContent::Rejected(Box::new(given.clone()));
        database.ingest.commit(vec![IngestMessage { publisher: None, message_id: Some(id.clone()), content }]).await.unwrap();
        let listed = the_one(&database).await;
        let expected = RejectedMessage {
            id: listed.id,
            rejection: given.rejection,
            received_at: given.received_at,
            publisher: None,
            message_id: Some(id),
            properties: given.properties,
            size: 5,
        };
        assert_eq!(listed, expected);
        assert_eq!(database.rejected.find(listed.id).await.unwrap(), Some((expected, given.body)));
    }

    async fn bodies_of_every_size_are_found_byte_for_byte(database: Database) {
        let sizes = [0, 1, 511 * 1024, 512 * 1024, 512 * 1024 + 1, 20 * 1024 * 1024 + 7];
        for size in sizes {
            let body: Vec<u8> = (0..=255).cycle().step_by(31).take(size).collect();
            database.ingest.commit(vec![rejected("", body.clone())]).await.unwrap();
            let listed = all(&database).await;
            let last = listed.iter().max_by_key(|message| message.id).unwrap();
            let (message, found) = database.rejected.find(last.id).await.unwrap().unwrap();
            assert_eq!(message, *last);
            assert_eq!(usize::try_from(message.size).unwrap(), size);
            assert!(found == body, "{size} bytes");
        }
    }

    async fn absent_messages_are_neither_found_nor_changed(database: Database) {
        database.ingest.commit(vec![rejected("a", "x")]).await.unwrap();
        for id in ABSENT {
            assert_eq!(database.rejected.find(id).await.unwrap(), None);
            assert!(!database.rejected.replay(id, &[measure(1, 1, 7, 1.0)]).await.unwrap());
            assert!(!database.rejected.discard(id).await.unwrap());
            let rejection = Rejection::new(RejectionReason::Empty, "why");
            assert!(!database.rejected.reject_again(id, &rejection).await.unwrap());
        }
        assert_eq!(values(&database).await, [0.0; 0]);
        assert_eq!(the_one(&database).await.rejection, rejection("x").rejection);
    }

    async fn a_body_of_which_a_part_is_missing_is_a_failure_and_no_answer(database: Database) {
        database.ingest.commit(vec![rejected("a", vec![b'x'; 1024 * 1024])]).await.unwrap();
        database.execute("DELETE FROM REJECTED_MESSAGE_BODIES WHERE CHUNK = 1").await;
        let found = database.rejected.find(the_one(&database).await.id).await;
        assert!(matches!(found, Err(StorageError::Internal(_))), "{found:?}");
    }

    async fn pages_of_every_filter_and_size_are_the_whole_in_order(database: Database) {
        use RejectionReason::{Empty, TooLarge, UnknownExperiment};
        let reasons = [Empty, TooLarge, UnknownExperiment];
        // Neither in the order of time nor at different times.
        let batch: Vec<_> = (0..120_i64)
            .map(|number| rejected_at("", reasons[usize::try_from(number % 3).unwrap()], number * 7 % 11 * 10))
            .collect();
        database.ingest.commit(batch.to_vec()).await.unwrap();
        let mut expected = all(&database).await;
        assert_eq!(expected.len(), 120);
        assert!(expected.is_sorted_by(|one, next| one.position() > next.position()));
        let times = [None, Some(0), Some(50), Some(55), Some(100), Some(101)];
        for from in times {
            for to in times {
                for reason in [None, Some(TooLarge), Some(RejectionReason::InvalidValue)] {
                    let filter = RejectedMessageFilter { reason, from: from.map(moment), to: to.map(moment) };
                    let mut expected = expected.clone();
                    expected.retain(|message| {
                        let at = message.received_at.unix_nanos();
                        from.is_none_or(|from| at >= from)
                            && to.is_none_or(|to| at < to)
                            && reason.is_none_or(|reason| message.rejection.reason == reason)
                    });
                    for limit in [1, 7, 1_000] {
                        assert_eq!(walked(&database, &filter, limit).await, expected, "{filter:?} {limit}");
                    }
                }
            }
        }
        // A page continues from its position, even if the message there is gone.
        let page = database.rejected.page(&RejectedMessageFilter::default(), None, 60).await.unwrap();
        let position = page.messages[59].position();
        assert!(database.rejected.discard(position.id).await.unwrap());
        let rest = database.rejected.page(&RejectedMessageFilter::default(), Some(position), 60).await.unwrap();
        assert_eq!(rest.messages, expected.split_off(60));
        assert!(!rest.has_more);
    }

    async fn pages_of_very_large_messages_are_cut_and_lose_none(database: Database) {
        for number in 0..12 {
            let mut large = rejection("x");
            large.properties = serde_json::json!({ "headers": { "long": "\u{1}".repeat(200_000), "number": number } });
            let content = IngestContent::Rejected(Box::new(large));
            database.ingest.commit(vec![IngestMessage { publisher: None, message_id: None, content }]).await.unwrap();
        }
        let page = database.rejected.page(&RejectedMessageFilter::default(), None, 100).await.unwrap();
        assert!(page.has_more && (1..12).contains(&page.messages.len()), "{}", page.messages.len());
        let numbers: Vec<_> = all(&database)
            .await
            .iter()
            .map(|message| message.properties["headers"]["number"].as_i64().unwrap())
            .collect();
        assert_eq!(numbers, (0..12).rev().collect::<Vec<_>>());
    }

    async fn properties_that_are_no_json_hide_no_other_message(database: Database) {
        database.ingest.commit(vec![rejected("a", "x"), rejected("b", "xx")]).await.unwrap();
        database.execute("UPDATE REJECTED_MESSAGES SET PROPERTIES = '{' WHERE SIZE = 1").await;
        let properties: Vec<_> = all(&database).await.into_iter().map(|message| message.properties).collect();
        assert_eq!(properties, [rejection("").properties, serde_json::Value::from("{")]);
    }

    async fn a_replayed_message_is_stored_whole_and_gone(database: Database) {
        database.ingest.commit(vec![rejected("a", "x"), rejected("", "y")]).await.unwrap();
        for (round, kept) in all(&database).await.iter().enumerate() {
            let measures: Vec<_> = (0..1_500).map(|number| measure(1, 1, number, -0.0)).collect();
            assert!(database.rejected.replay(kept.id, &measures).await.unwrap());
            assert_eq!(values(&database).await.len(), (round + 1) * 1_500);
            assert_eq!(database.rejected.find(kept.id).await.unwrap(), None);
            assert!(!database.rejected.replay(kept.id, &measures).await.unwrap());
        }
        assert!(values(&database).await.iter().all(|value| value.to_bits() == (-0.0_f64).to_bits()));
        assert_eq!(all(&database).await, []);
        assert_ids_fit(&database).await;
    }

    async fn a_replayed_message_that_is_delivered_again_is_a_duplicate_until_its_id_is_forgotten(database: Database) {
        database.ingest.commit(vec![rejected("a", "x")]).await.unwrap();
        let before = Timestamp::now();
        assert_eq!(database.ingest.forget_message_ids(moment(i64::MAX), 10).await.unwrap(), 0);
        let replayed = database.rejected.replay(the_one(&database).await.id, &[measure(1, 1, 7, 1.0)]).await;
        assert!(replayed.unwrap());
        let again = [message("a", vec![measure(1, 1, 7, 1.0)])];
        assert_eq!(database.ingest.commit(again.to_vec()).await.unwrap(), [Duplicate]);
        assert_eq!(database.ingest.commit(vec![rejected("a", "x")]).await.unwrap(), [Duplicate]);
        // The window counts from the replay.
        assert_eq!(database.ingest.forget_message_ids(before, 10).await.unwrap(), 0);
        assert_eq!(database.ingest.forget_message_ids(moment(i64::MAX), 10).await.unwrap(), 1);
        assert_eq!(database.ingest.commit(again.to_vec()).await.unwrap(), [Stored]);
        assert_eq!(values(&database).await, [1.0, 1.0]);
    }

    async fn a_replay_that_the_database_refuses_changes_nothing(database: Database) {
        refuse_13(&database).await;
        database.ingest.commit(vec![rejected("a", "x")]).await.unwrap();
        let kept = the_one(&database).await;
        let measures = [measure(1, 1, 7, 1.0), measure(1, 1, 7, 13.0)];
        let refused = database.rejected.replay(kept.id, &measures).await;
        assert!(matches!(refused, Err(StorageError::Data(_))), "{refused:?}");
        assert_eq!(values(&database).await, [0.0; 0]);
        assert_eq!(the_one(&database).await, kept);
        assert_ids_fit(&database).await;
        assert!(database.rejected.replay(kept.id, &measures[..1]).await.unwrap());
    }

    async fn a_new_reason_is_noted_in_place_of_the_old_one(database: Database) {
        database.ingest.commit(vec![rejected("a", "x")]).await.unwrap();
        let kept = the_one(&database).await;
        let rejection = Rejection::new(RejectionReason::UnknownMeasureType, "`measure`: \u{1f600}");
        for _ in 0..2 {
            assert!(database.rejected.reject_again(kept.id, &rejection).await.unwrap());
        }
        assert_eq!(the_one(&database).await, RejectedMessage { rejection, ..kept });
        let long = Rejection::new(RejectionReason::InvalidValue, "é".repeat(2_000_000));
        assert!(database.rejected.reject_again(the_one(&database).await.id, &long).await.unwrap());
        assert!(the_one(&database).await.rejection.detail.len() < long.detail.len());
    }

    async fn a_discarded_message_is_gone_and_its_publisher_may_send_it_again(database: Database) {
        for (good, outcome) in [(false, REJECTED), (true, Stored)] {
            database.ingest.commit(vec![rejected("a", "x"), rejected("", "y")]).await.unwrap();
            let kept = all(&database).await;
            for message in &kept {
                assert!(database.rejected.discard(message.id).await.unwrap());
                assert!(!database.rejected.discard(message.id).await.unwrap());
                assert_eq!(database.rejected.find(message.id).await.unwrap(), None);
            }
            assert_eq!(database.number("SELECT COUNT(*) FROM MESSAGE_IDS").await, 0);
            let again = if good { message("a", vec![measure(1, 1, 7, 1.0)]) } else { rejected("a", "x") };
            assert_eq!(database.ingest.commit(vec![again]).await.unwrap(), [outcome]);
            assert_ids_fit(&database).await;
            for message in all(&database).await {
                // A number once given is never given again.
                assert!(kept.iter().all(|gone| gone.id < message.id));
                assert!(database.rejected.discard(message.id).await.unwrap());
            }
        }
        assert_eq!(values(&database).await, [1.0]);
    }

    async fn a_message_whose_id_was_removed_past_the_program_is_not_stored_twice(database: Database) {
        database.ingest.commit(vec![rejected("a", "x"), rejected("b", "x")]).await.unwrap();
        let kept = all(&database).await;
        database.execute("DELETE FROM MESSAGE_IDS").await;
        let copies = [message("a", vec![measure(1, 1, 7, 1.0)]), message("b", vec![measure(1, 1, 7, 2.0)])];
        assert_eq!(database.ingest.commit(copies.to_vec()).await.unwrap(), [Stored, Stored]);
        // Whether or not the rejected copies are still there, replaying and discarding them changes
        // nothing.
        assert!(!database.rejected.replay(kept[0].id, &[measure(1, 1, 7, 2.0)]).await.unwrap());
        database.rejected.discard(kept[1].id).await.unwrap();
        assert_eq!(values(&database).await.len(), 2);
        assert_eq!(all(&database).await, []);
        assert_eq!(database.ingest.commit(copies.to_vec()).await.unwrap(), [Duplicate, Duplicate]);
    }

    async fn a_message_that_was_removed_past_the_program_counts_as_new(database: Database) {
        database.ingest.commit(vec![rejected("a", "x"), rejected("b", "x")]).await.unwrap();
        database.execute("DELETE FROM REJECTED_MESSAGE_BODIES").await;
        database.execute("DELETE FROM REJECTED_MESSAGES").await;
        let again = [message("a", vec![measure(1, 1, 7, 1.0)]), rejected("b", "x")];
        assert_eq!(database.ingest.commit(again.to_vec()).await.unwrap(), [Stored, REJECTED]);
        assert_eq!(database.ingest.commit(again.to_vec()).await.unwrap(), [Duplicate, Duplicate]);
        assert_eq!(values(&database).await, [1.0]);
        assert_ids_fit(&database).await;
    }
    async fn the_bytes_of_all_are_summed(database: Database) {
        assert_eq!(database.rejected.total_bytes().await.unwrap(), 0);
        let batch = vec![rejected("a", vec![0; 1_000_000]), rejected("", "é"), message("", vec![measure(1, 1, 7, 1.0)])];
        database.ingest.commit(batch).await.unwrap();
        let text = |message: &RejectedMessage| message.rejection.detail.len() + message.properties.to_string().len();
        let texts: usize = all(&database).await.iter().map(text).sum();
        assert_eq!(database.rejected.total_bytes().await.unwrap(), 1_000_002 + texts as u64);
        for kept in all(&database).await {
            assert!(database.rejected.discard(kept.id).await.unwrap());
        }
        assert_eq!(database.rejected.total_bytes().await.unwrap(), 0);
    }
}
