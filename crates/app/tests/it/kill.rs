//! `kill -9` during consumption on SQLite: nothing is lost, messages with an id are stored once.
//!
//! After each kill, stored and requeued messages must add up to the published ones.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use crate::environment::{Engine, MessageBalance, PREFETCH, SCIENTIST, Service, TestEnvironment, message};

#[tokio::test]
async fn four_kills_lose_and_double_none_of_20_000_messages_with_ids_on_sqlite() {
    let killing = Killing { messages: 20_000, kills: 4, with_ids: true };
    assert_eq!(killing.run().await, 0);
}

#[tokio::test]
async fn four_kills_lose_none_of_20_000_messages_without_ids_on_sqlite() {
    let killing = Killing { messages: 20_000, kills: 4, with_ids: false };
    println!("{} messages without an id are stored twice after four kills", killing.run().await);
}

/// The messages, and the number of kills.
struct Killing {
    /// One part of the messages per kill.
    messages: u32,
    kills: u32,
    with_ids: bool,
}

impl Killing {
    /// Returns the number of duplicate measures.
    async fn run(self) -> i64 {
        let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
        let mut message_balance = MessageBalance::open(&environment).await.unwrap();
        let part = self.messages / self.kills;
        let (mut published, mut kills) = (0, 0);
        let mut running: Option<Service> = None;
        while kills < self.kills {
            message_balance
                .publish((published..published + part).map(|number| self.message(number)).collect())
                .await;
            published += part;
            assert!(published <= 10 * self.messages, "only {kills} kills came in the middle of consumption");
            let service = match running.take() {
                Some(service) => {
                    service.process.start_again().await.unwrap();
                    service
                }
                None => environment.ready_service().await.unwrap(),
            };
            message_balance.wait_until_few_are_left(rand::rng().random_range(part / 4..part)).await;
            // A moment independent of batches.
            sleep(Duration::from_micros(rand::rng().random_range(0..20_000))).await;
            service.process.kill9().await.unwrap();
            let excess = message_balance.excess;
            message_balance.balance().await;
            // A kill after the last message does not count.
            kills += u32::from(message_balance.waiting > 0);
            // Doubles stay, and messages with an id are not doubled.
            let least = if self.with_ids { 0 } else { excess };
            let possible = least..=least + i64::from(PREFETCH);
            assert!(
                possible.contains(&message_balance.excess),
                "{} beyond the published; {least} before",
                message_balance.excess
            );
            running = Some(service);
        }
        let service = running.unwrap();
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
        environment.wait_until_all_is_acknowledged().await;
        // Exactly the expected duplicates are stored.
        let doubled = if self.with_ids { 0 } else { message_balance.excess };
        message_balance.waiting = 0;
        assert_eq!(message_balance.excess().await, doubled);

        let path = "/measures/1?from=1700000000";
        let measures = environment.client(&service, SCIENTIST).measures(path).await.unwrap();
        let values: Vec<_> = measures.iter().map(|measure| measure["value"].as_f64().unwrap()).collect();
        check(published, &values);
        i64::try_from(values.len()).unwrap() - i64::from(published)
    }

    /// Each message has its own value, and a time that grows with it.
    fn message(&self, number: u32) -> (Vec<u8>, Option<String>) {
        let body = message("device-vibrations", "hertz", number.into(), 1_700_000_000 + i64::from(number));
        (body, self.with_ids.then(|| format!("measure {number}")))
    }
}

/// The values of all measures, newest first, must be those of all messages, from the last to the
/// first.
fn check(published: u32, values: &[f64]) {
    let mut distinct = values.to_vec();
    distinct.dedup();
    let expected = (0..published).rev().map(f64::from);
    let differing = distinct.iter().copied().zip(expected).find(|(stored, published)| stored != published);
    assert_eq!(differing, None, "the first of the stored that differs from the published");
    assert_eq!(distinct.len(), usize::try_from(published).unwrap());
}
