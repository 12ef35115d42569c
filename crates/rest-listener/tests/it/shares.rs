use tokio::time::timeout;

use crate::memory::ChunkFault;
use crate::raw::RawClient;
use crate::site::{Site, TIMEOUT, Who};

/// How many long readings a user may have open (crates/services/src/reading/slots.rs).
const READINGS_OF_A_USER: usize = 200;

#[tokio::test]
async fn no_user_takes_the_readings_of_others() {
    let site = Site::start().await;
    let long = &site.memory.long_reading;
    *long.measures.lock().unwrap() = 10;
    *long.chunk_fault.lock().unwrap() = Some((1, ChunkFault::Hangs));
    let mut open = Vec::new();
    for number in 0..READINGS_OF_A_USER {
        // Reduced or not: either reads the database for as long as its client stays.
        let query = if number % 2 == 0 { "" } else { "?window=1d" };
        let token = Who::Peter.token().unwrap();
        let head =
            format!("GET /measures/1{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        let mut raw = RawClient::connect(&site).await;
        raw.send(&head).await;
        open.push(raw);
    }
    let all = |chunks: &usize| *chunks == READINGS_OF_A_USER;
    timeout(TIMEOUT, long.chunks.subscribe().wait_for(all)).await.expect("a reading was refused").unwrap();
    *long.chunk_fault.lock().unwrap() = None;

    for query in ["", "?window=1d", "?limit=100000"] {
        let refused = site.get(&format!("/measures/1{query}"), Who::Peter).await;
        let detail = refused.problem(429, "too_many_requests");
        assert!(detail.contains("200 readings open"), "{detail}");
    }
    assert_eq!(site.get("/measures/1?limit=10", Who::Peter).await.status, 200, "a small page is no burden");
    assert_eq!(site.get("/users/me", Who::Peter).await.status, 200);
    assert_eq!(site.get("/measures/2?limit=1000", Who::Katie).await.status, 200, "others are refused");

    open.pop();
    let accepted = async { while site.get("/measures/1", Who::Peter).await.status != 200 {} };
    timeout(TIMEOUT, accepted).await.expect("a reading that has ended is free for another");
}
