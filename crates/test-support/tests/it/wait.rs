use std::future::pending;
use std::time::Duration;

use mymonit_test_support::wait_until;

#[tokio::test]
async fn waiting_ends_with_what_was_found() {
    let mut looks = 0;
    let found = wait_until("three looks", Duration::from_secs(5), async || {
        looks += 1;
        if looks == 3 { Ok("found") } else { Err(looks) }
    });
    assert_eq!(found.await.unwrap(), "found");
}

#[tokio::test]
async fn a_wait_that_times_out_reports_the_last_state() {
    let look = async || Err::<(), _>("7 rows");
    let error = wait_until("8 rows", Duration::from_millis(30), look).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("8 rows: not within 30ms; last seen: 7 rows"), "{error}");
}

#[tokio::test]
async fn a_hanging_poll_times_out() {
    let look = async || pending::<Result<(), String>>().await;
    let error = wait_until("an answer", Duration::from_millis(30), look).await.unwrap_err();
    assert!(error.to_string().contains("the first look did not end"), "{error}");
}
