use std::sync::atomic::Ordering;

use reqwest::Method;

use crate::memory::ChunkFault;
use crate::site::{Site, Who};

#[tokio::test]
async fn a_panic_is_500_and_the_service_continues() {
    let site = Site::start().await;
    site.memory.panics.store(true, Ordering::SeqCst);
    let answer = site.get("/measure-types/", Who::Peter).await;
    assert_eq!(answer.problem(500, "internal"), "internal error");
    answer.header("x-request-id");
    site.memory.panics.store(false, Ordering::SeqCst);
    assert_eq!(site.get("/measure-types/", Who::Peter).await.status, 200);
}

#[tokio::test]
async fn a_panic_half_way_through_a_reading_breaks_the_connection() {
    let site = Site::start().await;
    *site.memory.long_reading.measures.lock().unwrap() = 100_000;
    *site.memory.long_reading.chunk_fault.lock().unwrap() = Some((4, ChunkFault::Panics));
    let response = site.request(Method::GET, "/measures/1", Who::Peter).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap_err();
    assert_eq!(site.get("/users/me", Who::Peter).await.status, 200);
}
