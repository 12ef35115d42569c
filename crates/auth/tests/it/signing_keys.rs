//! Fetching, caching, refreshing and expiry of the signing keys. The tests advance a stopped clock;
//! the server is real and counts the requests.

use std::sync::Arc;
use std::time::Duration;

use mymonit_auth::{CertificateAddress, FirebaseTokenVerifier, ProjectId, SigningKeys};
use mymonit_test_support::tokens::{Answer, FirebaseDouble, TestKey};
use serde_json::{Value, json};
use tokio::task::{JoinSet, yield_now};

use crate::clock::{StoppedClock, at_once};
use crate::firebase::judge_of;
use crate::table::{Verdict, seconds_from_now, verdict, with, without};

const MAX_AGE: u64 = 1000;
const UID: &str = "uid";

fn accepted() -> Verdict {
    Ok(UID.to_owned())
}

fn unknown() -> Verdict {
    Err("its `kid` is not among the current signing keys".to_owned())
}

fn unavailable(because: &str) -> Verdict {
    Err(format!("unavailable: the address of the signing keys {because}"))
}

/// A validly signed token of that test key.
fn token_of(key: &TestKey) -> String {
    key.sign(key.header().to_string().as_bytes(), FirebaseDouble::claims_for(UID).to_string().as_bytes())
}

/// A token with an unknown key id.
fn token_of_nobody(number: usize) -> String {
    let header = with(TestKey::nth(2).header(), "kid", format!("nobody-{number}"));
    TestKey::nth(2)
        .sign(header.to_string().as_bytes(), FirebaseDouble::claims_for(UID).to_string().as_bytes())
}

/// A stopped clock, a double that serves the first test key, and a verifier that has fetched it.
async fn start() -> (StoppedClock, FirebaseDouble, FirebaseTokenVerifier) {
    let clock = StoppedClock::stop();
    let (double, judge) = start_by(&clock).await;
    (clock, double, judge)
}

async fn start_by(_clock: &StoppedClock) -> (FirebaseDouble, FirebaseTokenVerifier) {
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::certificates(&[TestKey::nth(0)], MAX_AGE));
    let judge = judge_of(&double);
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(0))).await, accepted());
    assert_eq!(double.requests(), 1);
    (double, judge)
}

/// Runs everything that needs no clock, to show that nothing happens.
async fn settle() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_thousand_requests_at_once_cause_one_fetch() {
    // With a running clock, a stalled host would time out the only fetch.
    let _clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    let judge = Arc::new(judge_of(&double));
    let token = Arc::new(double.token_for(UID));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (judge, token) = (judge.clone(), token.clone());
        requests.spawn(async move { verdict(&*judge, &token).await });
    }
    assert!(requests.join_all().await.into_iter().all(|seen| seen == accepted()));
    assert_eq!(double.requests(), 1);
}

#[tokio::test]
async fn the_keys_are_fetched_before_the_first_request() {
    let _clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    let judge = judge_of(&double);
    double.requested(1).await;
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, accepted());
    assert_eq!(double.requests(), 1, "the request caused no fetch of its own");
}

#[tokio::test]
async fn known_keys_are_not_fetched_again_while_they_last() {
    let (clock, double, judge) = start().await;
    clock.advance(749.0).await;
    for _ in 0..100 {
        assert_eq!(at_once(verdict(&judge, &token_of(TestKey::nth(0)))), Some(accepted()));
    }
    settle().await;
    assert_eq!(double.requests(), 1);
}

#[tokio::test]
async fn keys_are_refreshed_before_they_run_out_and_no_request_waits_for_it() {
    let (clock, double, judge) = start().await;
    double.answer_with(Answer::Held);
    clock.advance(751.0).await;
    double.requested(2).await;
    assert_eq!(at_once(verdict(&judge, &token_of(TestKey::nth(0)))), Some(accepted()));

    double.answer_with(Answer::certificates(&[TestKey::nth(0), TestKey::nth(1)], MAX_AGE));
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(1))).await, accepted());
    clock.advance(700.0).await;
    assert_eq!(at_once(verdict(&judge, &token_of(TestKey::nth(0)))), Some(accepted()));
    assert_eq!(double.requests(), 2);
}

#[tokio::test]
async fn a_token_of_a_new_key_is_accepted_at_once() {
    let (_clock, double, judge) = start().await;
    double.rotate_to(TestKey::nth(1));
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, accepted());
    assert_eq!(double.requests(), 2);
}

#[tokio::test]
async fn a_key_that_is_no_longer_served_signs_nothing_any_more() {
    let (clock, double, judge) = start().await;
    double.rotate_to(TestKey::nth(1));
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(0))).await, accepted());
    clock.advance(751.0).await;
    double.requested(2).await;
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(1))).await, accepted());
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(0))).await, unknown());
}

#[tokio::test]
async fn a_token_that_was_accepted_is_refused_once_its_key_id_names_another_key() {
    let (clock, double, judge) = start().await;
    let (old, new) = (TestKey::nth(0), TestKey::nth(1));
    let claims = FirebaseDouble::claims_for(UID).to_string();
    let token_of_new = new.sign(old.header().to_string().as_bytes(), claims.as_bytes());
    let body = json!({ old.kid(): new.certificate() }).to_string();
    double.answer_with(Answer::response("200 OK", &[("Cache-Control", "max-age=1000")], &body));
    let token = token_of(old);
    assert_eq!(verdict(&judge, &token).await, accepted());
    clock.advance(751.0).await;
    while verdict(&judge, &token_of_new).await != accepted() {
        yield_now().await;
    }
    assert_eq!(verdict(&judge, &token).await, Err("its signature does not verify".to_owned()));
}

#[tokio::test]
async fn a_token_that_was_accepted_is_refused_once_it_has_expired() {
    let double = FirebaseDouble::start().await.unwrap();
    let judge = judge_of(&double);
    // The first is enough unless this machine is very busy.
    for lifetime in [2, 10, 60] {
        let token =
            double.token_with(&with(FirebaseDouble::claims_for(UID), "exp", seconds_from_now(lifetime)));
        let mut was_accepted = false;
        let refusal = loop {
            match verdict(&judge, &token).await {
                Ok(_) => was_accepted = true,
                refusal => break refusal,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(refusal, Err("it has expired".to_owned()));
        if was_accepted {
            return;
        }
    }
    panic!("no token was accepted before it expired");
}

#[tokio::test]
async fn a_storm_of_unknown_keys_causes_few_fetches() {
    let (clock, double, judge) = start().await;
    for number in 0..200 {
        assert_eq!(verdict(&judge, &token_of_nobody(number)).await, unknown());
    }
    assert_eq!(double.requests(), 1 + 3);

    clock.advance(9.9).await;
    assert_eq!(verdict(&judge, &token_of_nobody(200)).await, unknown());
    assert_eq!(double.requests(), 4);
    clock.advance(0.2).await;
    for number in 201..300 {
        assert_eq!(verdict(&judge, &token_of_nobody(number)).await, unknown());
    }
    assert_eq!(double.requests(), 5);
}

#[tokio::test]
async fn unknown_keys_that_come_together_share_one_fetch() {
    let (_clock, double, judge) = start().await;
    let judge = Arc::new(judge);
    let mut requests = JoinSet::new();
    for number in 0..300 {
        let judge = judge.clone();
        requests.spawn(async move { verdict(&*judge, &token_of_nobody(number)).await });
    }
    assert!(requests.join_all().await.into_iter().all(|seen| seen == unknown()));
    assert_eq!(double.requests(), 2);
}

#[tokio::test]
async fn a_new_key_that_a_refresh_brings_is_waited_for_even_after_a_storm() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::certificates(&[TestKey::nth(0)], 8));
    let judge = judge_of(&double);
    for number in 0..10 {
        assert_eq!(verdict(&judge, &token_of_nobody(number)).await, unknown());
    }
    assert_eq!(double.requests(), 4);
    double.answer_with(Answer::Held);
    clock.advance(6.1).await;
    double.requested(5).await;
    assert_eq!(at_once(verdict(&judge, &token_of(TestKey::nth(1)))), None, "waits for the refresh");
    double.rotate_to(TestKey::nth(1));
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(1))).await, accepted());
}

#[tokio::test]
async fn a_storm_of_unknown_keys_delays_no_other_caller() {
    let (_clock, double, judge) = start().await;
    double.answer_with(Answer::Held);
    let judge = Arc::new(judge);
    let mut storm = JoinSet::new();
    for number in 0..100 {
        let judge = judge.clone();
        storm.spawn(async move { verdict(&*judge, &token_of_nobody(number)).await });
    }
    double.requested(2).await;
    assert_eq!(at_once(verdict(&*judge, &token_of(TestKey::nth(0)))), Some(accepted()));
    double.answer_with(Answer::certificates(&[TestKey::nth(0)], MAX_AGE));
    assert!(storm.join_all().await.into_iter().all(|seen| seen == unknown()));
}

#[tokio::test]
async fn a_token_that_is_wrong_anyway_fetches_nothing() {
    let (_clock, double, judge) = start().await;
    let key = TestKey::nth(2);
    let claims = FirebaseDouble::claims_for(UID);
    for claims in [with(claims.clone(), "exp", 1), with(claims.clone(), "aud", "x"), without(claims, "sub")] {
        let token = key.sign(key.header().to_string().as_bytes(), claims.to_string().as_bytes());
        assert!(verdict(&judge, &token).await.is_err());
    }
    settle().await;
    assert_eq!(double.requests(), 1);
}

#[tokio::test]
async fn known_keys_serve_through_an_outage_until_they_run_out() {
    let (clock, double, judge) = start().await;
    double.stop_listening().await;
    for _ in 0..9 {
        clock.advance(110.0).await;
        settle().await;
        assert_eq!(at_once(verdict(&judge, &token_of(TestKey::nth(0)))), Some(accepted()));
    }
    assert_eq!(verdict(&judge, &token_of_nobody(0)).await, unknown(), "known keys still say who is unknown");

    clock.advance(11.0).await;
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(0))).await, unavailable("cannot be reached"));
    assert_eq!(double.requests(), 1);
}

#[tokio::test]
async fn after_an_outage_the_first_request_finds_the_keys_again() {
    let (clock, double, judge) = start().await;
    double.stop_listening().await;
    clock.advance(2000.0).await;
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(0))).await, unavailable("cannot be reached"));
    double.listen().await.unwrap();
    clock.advance(1.1).await;
    assert_eq!(verdict(&judge, &token_of(TestKey::nth(0))).await, accepted());
}

#[tokio::test]
async fn an_unreachable_address_at_the_start_does_not_invalidate_the_token() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::unreachable().unwrap();
    let judge = judge_of(&double);
    let good = double.token_for(UID);
    assert_eq!(verdict(&judge, &good).await, unavailable("cannot be reached"));
    let expired = double.token_with(&with(FirebaseDouble::claims_for(UID), "exp", 1));
    assert_eq!(verdict(&judge, &expired).await, Err("it has expired".to_owned()));

    double.listen().await.unwrap();
    clock.advance(1.1).await;
    assert_eq!(verdict(&judge, &good).await, accepted());
}

#[tokio::test]
async fn the_keys_come_back_without_any_request() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::unreachable().unwrap();
    let judge = judge_of(&double);
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, unavailable("cannot be reached"));
    double.listen().await.unwrap();
    clock.advance(1.1).await;
    double.requested(1).await;
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, accepted());
    assert_eq!(double.requests(), 1, "the request caused no fetch of its own");
}

#[tokio::test]
async fn failed_fetches_are_repeated_at_growing_intervals() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::HangUp);
    let judge = judge_of(&double);
    let token = double.token_for(UID);
    for (failures, pause) in (1..).zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]) {
        double.requested(failures).await;
        // Waits for the current fetch and causes none.
        assert_eq!(verdict(&judge, &token).await, unavailable("cannot be reached"));
        clock.advance(pause - 0.1).await;
        settle().await;
        assert_eq!(double.requests(), failures, "not before {pause} s");
        clock.advance(0.2).await;
    }
}

#[tokio::test]
async fn requests_without_keys_cause_one_fetch_a_second_at_most() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::HangUp);
    let judge = judge_of(&double);
    let token = double.token_for(UID);
    assert_eq!(verdict(&judge, &token).await, unavailable("cannot be reached"));
    for second in 1..=20 {
        for _ in 0..50 {
            assert_eq!(verdict(&judge, &token).await, unavailable("cannot be reached"));
        }
        assert_eq!(double.requests(), second);
        clock.advance(1.01).await;
    }
}

#[tokio::test]
async fn a_slow_address_is_waited_for_five_seconds() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::Held);
    let judge = Arc::new(judge_of(&double));
    double.requested(1).await;
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (judge, token) = (judge.clone(), double.token_for(UID));
        requests.spawn(async move { verdict(&*judge, &token).await });
    }
    clock.advance(4.9).await;
    settle().await;
    assert!(requests.try_join_next().is_none());
    clock.advance(0.2).await;
    assert!(requests.join_all().await.into_iter().all(|seen| seen == unavailable("cannot be reached")));
    assert_eq!(double.requests(), 1);
}

#[tokio::test]
async fn a_request_that_is_given_up_cancels_no_fetch() {
    let _clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::Held);
    let judge = judge_of(&double);
    double.requested(1).await;
    for _ in 0..100 {
        assert_eq!(at_once(verdict(&judge, &double.token_for(UID))), None, "waits, and is given up");
    }
    double.answer_with(Answer::certificates(&[TestKey::nth(0)], MAX_AGE));
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, accepted());
    assert_eq!(double.requests(), 1);
}

#[tokio::test]
async fn fetching_ends_with_the_keys_owner() {
    let (clock, double, judge) = start().await;
    drop(judge);
    for _ in 0..10 {
        clock.advance(1000.0).await;
        settle().await;
    }
    assert_eq!(double.requests(), 1);
}

fn ok(body: &str) -> Answer {
    Answer::response("200 OK", &[("Cache-Control", "max-age=1000")], body)
}

/// Answers without keys, and the error of each.
fn answers_without_keys() -> Vec<(Answer, &'static str)> {
    let certificate = json!({TestKey::nth(0).kid(): TestKey::nth(0).certificate()}).to_string();
    let no_json = "answered with something that is no JSON object";
    let no_certificate = "answered without a single usable certificate";
    let html = "<html><title>Log in to this network</title></html>";
    vec![
        (
            Answer::response("500 Internal Server Error", &[], &certificate),
            "answered 500 Internal Server Error instead of 200",
        ),
        (Answer::response("404 Not Found", &[], html), "answered 404 Not Found instead of 200"),
        (Answer::response("204 No Content", &[], ""), "answered 204 No Content instead of 200"),
        (
            Answer::response("206 Partial Content", &[], &certificate),
            "answered 206 Partial Content instead of 200",
        ),
        (ok(html), no_json),
        (ok(""), no_json),
        (ok("null"), no_json),
        (ok(&format!("[{certificate}]")), no_json),
        (ok(&certificate[..certificate.len() / 2]), no_json),
        (ok("{}"), no_certificate),
        (ok(r#"{"error": "invalid_request", "error_description": "no"}"#), no_certificate),
        (ok(&json!({"k": null, "l": 7, "m": [TestKey::nth(0).certificate()]}).to_string()), no_certificate),
        (
            ok(&json!({"k": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}).to_string()),
            no_certificate,
        ),
        (
            ok(&json!({"k": TestKey::nth(0).certificate().replace("CERTIFICATE", "PRIVATE KEY")})
                .to_string()),
            no_certificate,
        ),
        (ok(&json!({"k": elliptic_certificate()}).to_string()), no_certificate),
        (ok(&format!("{{\"k\": \"{}\"}}", "x".repeat(300_000))), "answered with more than 262144 bytes"),
        (Answer::response("200 OK", &[("Content-Length", "100000")], &certificate), "cannot be reached"),
        (Answer::Response("SSH-2.0-OpenSSH_9.2\r\n".to_owned()), "cannot be reached"),
        (Answer::HangUp, "cannot be reached"),
    ]
}

/// A certificate of a key other than RSA.
fn elliptic_certificate() -> String {
    rcgen::generate_simple_self_signed(["elliptic.test".to_owned()]).unwrap().cert.pem()
}

#[tokio::test]
async fn an_answer_without_keys_makes_the_keys_unavailable_and_no_token_invalid() {
    for (answer, because) in answers_without_keys() {
        let double = FirebaseDouble::start().await.unwrap();
        double.answer_with(answer.clone());
        let judge = judge_of(&double);
        let seen = verdict(&judge, &double.token_for(UID)).await;
        assert_eq!(seen, unavailable(because), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_without_keys_keeps_the_known_ones() {
    let clock = StoppedClock::stop();
    for (answer, _) in answers_without_keys() {
        let (double, judge) = start_by(&clock).await;
        double.answer_with(answer.clone());
        clock.advance(751.0).await;
        double.requested(2).await;
        settle().await;
        assert_eq!(at_once(verdict(&judge, &token_of(TestKey::nth(0)))), Some(accepted()), "{answer:?}");
        double.answer_with(Answer::certificates(&[TestKey::nth(1)], MAX_AGE));
        clock.advance(1.1).await;
        assert_eq!(verdict(&judge, &token_of(TestKey::nth(1))).await, accepted(), "{answer:?}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let (double, elsewhere) =
            (FirebaseDouble::start().await.unwrap(), FirebaseDouble::start().await.unwrap());
        double.answer_with(Answer::response(status, &[("Location", &elsewhere.certs_url())], ""));
        let judge = judge_of(&double);
        let seen = verdict(&judge, &double.token_for(UID)).await;
        assert_eq!(seen, unavailable(&format!("answered {status} instead of 200")));
        assert_eq!(elsewhere.requests(), 0);
    }
}

#[tokio::test]
async fn a_bad_certificate_does_not_spoil_the_good_ones() {
    let mut certificates = json!({
        "bad-1": "canary", "bad-2": null, "bad-3": 7, "bad-4": elliptic_certificate(),
        "bad-5": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    });
    for key in [TestKey::nth(0), TestKey::nth(1)] {
        certificates[key.kid()] = Value::from(key.certificate());
    }
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(ok(&certificates.to_string()));
    let judge = judge_of(&double);
    for key in [TestKey::nth(0), TestKey::nth(1)] {
        assert_eq!(verdict(&judge, &token_of(key)).await, accepted());
    }
}

#[tokio::test]
async fn keys_that_may_not_be_kept_serve_the_requests_that_waited_for_them() {
    let _clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::certificates(&[TestKey::nth(0)], 0));
    let judge = judge_of(&double);
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, accepted());
}

#[tokio::test]
async fn a_short_max_age_is_kept_to() {
    let clock = StoppedClock::stop();
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::certificates(&[TestKey::nth(0)], 4));
    let judge = judge_of(&double);
    assert_eq!(verdict(&judge, &double.token_for(UID)).await, accepted());
    double.answer_with(Answer::Held);
    clock.advance(3.9).await;
    assert_eq!(at_once(verdict(&judge, &double.token_for(UID))), Some(accepted()));
    clock.advance(0.2).await;
    assert_eq!(at_once(verdict(&judge, &double.token_for(UID))), None, "waits for the refresh");
}

#[tokio::test]
async fn https_is_not_given_up_where_the_address_speaks_plain_http() {
    let double = FirebaseDouble::start().await.unwrap();
    let address = CertificateAddress::new(Some(&double.certs_url().replace("http://", "https://"))).unwrap();
    let keys = Arc::new(SigningKeys::start(address).unwrap());
    let judge = FirebaseTokenVerifier::new(ProjectId::new(FirebaseDouble::PROJECT_ID).unwrap(), keys);
    let seen = verdict(&judge, &double.token_for(UID)).await;
    assert_eq!(seen, unavailable("cannot be reached"));
    assert_eq!(double.requests(), 0);
}
