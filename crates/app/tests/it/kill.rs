//! `kill -9` in the middle of consumption: nothing is lost, and what carries a message id is stored once.
//!
//! After each kill the books are balanced: what is stored and what is back in the queue must together be all that
//! was published. What is more than that is stored and will be delivered again; it can only be what was in flight
//! at the kill.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use crate::house::{Books, Engine, House, PREFETCH, SCIENTIST, Service, message};

#[tokio::test]
async fn ten_kills_lose_and_double_none_of_100_000_messages_with_ids() {
    let killing = Killing { engine: Engine::MySql, messages: 100_000, kills: 10, with_ids: true };
    assert_eq!(killing.run().await, 0);
}

#[tokio::test]
async fn ten_kills_lose_none_of_100_000_messages_without_ids_and_double_only_what_was_in_flight() {
    let killing = Killing { engine: Engine::MySql, messages: 100_000, kills: 10, with_ids: false };
    println!("{} messages without an id are stored twice after ten kills", killing.run().await);
}

#[tokio::test]
async fn four_kills_lose_and_double_none_of_20_000_messages_with_ids_on_sqlite() {
    let killing = Killing { engine: Engine::Sqlite, messages: 20_000, kills: 4, with_ids: true };
    assert_eq!(killing.run().await, 0);
}

#[tokio::test]
async fn four_kills_lose_none_of_20_000_messages_without_ids_on_sqlite() {
    let killing = Killing { engine: Engine::Sqlite, messages: 20_000, kills: 4, with_ids: false };
    println!("{} messages without an id are stored twice after four kills", killing.run().await);
}

/// What is published, and how often the service is killed while it consumes it.
struct Killing {
    engine: Engine,
    /// In as many portions as there are kills.
    messages: u32,
    kills: u32,
    with_ids: bool,
}

impl Killing {
    /// Gives how many measures are there beyond one for each message.
    async fn run(self) -> i64 {
        let house = House::new(self.engine).await.unwrap();
        let mut books = Books::open(&house).await.unwrap();
        let portion = self.messages / self.kills;
        let (mut published, mut kills) = (0, 0);
        let mut running: Option<Service> = None;
        while kills < self.kills {
            books
                .publish((published..published + portion).map(|number| self.message(number)).collect())
                .await;
            published += portion;
            assert!(published <= 10 * self.messages, "only {kills} kills came in the middle of consumption");
            let service = match running.take() {
                Some(service) => {
                    service.process.start_again().await.unwrap();
                    service
                }
                None => house.ready_service().await.unwrap(),
            };
            books.wait_until_few_are_left(rand::rng().random_range(portion / 4..portion)).await;
            // A moment that no batch knows of.
            sleep(Duration::from_micros(rand::rng().random_range(0..20_000))).await;
            service.process.kill9().await.unwrap();
            let excess = books.excess;
            books.balance().await;
            // One that came too late, on a machine on which this test stood still for a while, does not count.
            kills += u32::from(books.waiting > 0);
            // Doubles stay, and messages with an id are not doubled.
            let least = if self.with_ids { 0 } else { excess };
            let possible = least..=least + i64::from(PREFETCH);
            assert!(
                possible.contains(&books.excess),
                "{} beyond the published; {least} before",
                books.excess
            );
            running = Some(service);
        }
        let service = running.unwrap();
        service.process.start_again().await.unwrap();
        service.wait_until_ready().await.unwrap();
        house.wait_until_all_is_acknowledged().await;
        // What was to be stored twice is, and nothing more.
        let doubled = if self.with_ids { 0 } else { books.excess };
        books.waiting = 0;
        assert_eq!(books.excess().await, doubled);

        let path = "/measures/1?from=1700000000";
        let measures = house.client(&service, SCIENTIST).measures(path).await.unwrap();
        let values: Vec<_> = measures.iter().map(|measure| measure["value"].as_f64().unwrap()).collect();
        check(published, &values);
        i64::try_from(values.len()).unwrap() - i64::from(published)
    }

    /// Each message is told from all others by its value, and by its time, which grows with the value.
    fn message(&self, number: u32) -> (Vec<u8>, Option<String>) {
        let body = message("device-vibrations", "hertz", number.into(), 1_700_000_000 + i64::from(number));
        (body, self.with_ids.then(|| format!("measure {number}")))
    }
}

/// The values of all measures, newest first, must be those of all messages, from the last to the first.
fn check(published: u32, values: &[f64]) {
    let mut distinct = values.to_vec();
    distinct.dedup();
    let expected = (0..published).rev().map(f64::from);
    let differing = distinct.iter().copied().zip(expected).find(|(stored, published)| stored != published);
    assert_eq!(differing, None, "the first of the stored that differs from the published");
    assert_eq!(distinct.len(), usize::try_from(published).unwrap());
}
