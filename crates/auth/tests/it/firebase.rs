//! Tokens that the Firebase verifier accepts, and those that it refuses with the reason.
//!
//! Compared with the Firebase Admin SDK for Python 7.7.0 and Node 13.10.0. Both accept what is
//! accepted here, except an `iat` up to 60 s ahead. At least one refuses what is refused here,
//! except: the rules for `auth_time` of Firebase's documentation, a `sub` that is no valid user id,
//! an `exp` of 1e400, and a token of more than 16 KiB.

mod accepted;
mod claims;
mod form;
mod other_kinds;
mod signatures;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mymonit_auth::{CertificateAddress, FirebaseTokenVerifier, ProjectId, SigningKeys};
use mymonit_test_support::tokens::{Answer, FirebaseDouble, TestKey, unsigned_token};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::table::{Table, base64url, seconds_from_now, verdict, with, without};

const ALG: &str = "its algorithm is not RS256";
const AUD: &str = "its `aud` is not the expected one";
const AUTH_TIME_ABSENT: &str = "its `auth_time` is absent or no number";
const AUTH_TIME_FUTURE: &str = "its `auth_time` is in the future";
const EXP_ABSENT: &str = "its `exp` is absent or no number";
const EXPIRED: &str = "it has expired";
const HEADER: &str = "its header is malformed";
const IAT_ABSENT: &str = "its `iat` is absent or no number";
const IAT_FUTURE: &str = "it was issued in the future";
const ISS: &str = "its `iss` is not the expected one";
const KID_ABSENT: &str = "it names no `kid`";
const KID_UNKNOWN: &str = "its `kid` is not among the current signing keys";
const NBF: &str = "its `nbf` is no number";
const NBF_FUTURE: &str = "it is not valid yet";
const PAYLOAD: &str = "its payload is malformed";
const SEGMENTS: &str = "it has not three segments";
const SIGNATURE: &str = "its signature does not verify";
const SUB: &str = "its `sub` is no username";
const TOO_LONG: &str = "it is too long";

const DAY: i64 = 24 * 60 * 60;
const UID: &str = "uJayGH994iVa2TY5auSNYZoUpwk1";

/// A verifier of the double's tokens.
pub(crate) fn judge_of(double: &FirebaseDouble) -> FirebaseTokenVerifier {
    let address = CertificateAddress::new(Some(&double.certs_url())).unwrap();
    let keys = SigningKeys::start(address).unwrap();
    FirebaseTokenVerifier::new(ProjectId::new(FirebaseDouble::PROJECT_ID).unwrap(), Arc::new(keys))
}

/// A double with the first two test keys, which signs with the first, and a verifier of its tokens.
/// The third test key is unknown to both.
async fn start() -> (FirebaseDouble, FirebaseTokenVerifier) {
    let double = FirebaseDouble::start().await.unwrap();
    double.answer_with(Answer::certificates(&[TestKey::nth(0), TestKey::nth(1)], 3600));
    let judge = judge_of(&double);
    (double, judge)
}

fn claims() -> Value {
    FirebaseDouble::claims_for(UID)
}

/// Validly signed claims.
fn signed(claims: &Value) -> String {
    signed_text(claims.to_string())
}

/// A validly signed payload of any text.
fn signed_text(payload: impl AsRef<[u8]>) -> String {
    let key = TestKey::nth(0);
    key.sign(key.header().to_string().as_bytes(), payload.as_ref())
}

/// Valid claims with another header, validly signed with RS256.
fn headed(header: &Value) -> String {
    headed_text(&header.to_string())
}

fn headed_text(header: &str) -> String {
    TestKey::nth(0).sign(header.as_bytes(), claims().to_string().as_bytes())
}

fn good_header(name: &str, value: impl Into<Value>) -> Value {
    with(TestKey::nth(0).header(), name, value)
}

/// Three segments of any texts, validly signed.
fn segments(header: &str, payload: &str) -> String {
    let text = format!("{header}.{payload}");
    format!("{text}.{}", TestKey::nth(0).signature(&text))
}

/// Valid claims, with header and signature of another algorithm.
fn by(algorithm: Algorithm, key: &EncodingKey) -> String {
    let mut header = Header::new(algorithm);
    header.kid = Some(TestKey::nth(0).kid().to_owned());
    jsonwebtoken::encode(&header, &claims(), key).unwrap()
}

fn rsa_key(number: usize) -> EncodingKey {
    EncodingKey::from_rsa_pem(TestKey::nth(number).private_key().as_bytes()).unwrap()
}

#[tokio::test]
async fn verdicts_follow_the_rules() {
    let (_double, judge) = start().await;
    let mut table = Table::default();
    accepted::accepted_tokens(&mut table);
    form::malformed_tokens(&mut table);
    form::headers(&mut table);
    signatures::signatures(&mut table);
    claims::audiences(&mut table);
    claims::issuers(&mut table);
    claims::subjects(&mut table);
    claims::expiries(&mut table);
    claims::past_moments(&mut table);
    other_kinds::tokens_of_other_kinds(&mut table);
    table.check(&judge, 200).await;
}

#[tokio::test]
async fn a_token_that_differs_in_any_one_character_is_refused() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (_double, judge) = start().await;
    let good = signed(&claims());
    assert!(verdict(&judge, &good).await.is_ok());
    for position in 0..good.len() {
        let mut other = good.clone().into_bytes();
        // The next character of the alphabet differs in the lowest bit, which lax decoders ignore
        // at the end of a segment.
        other[position] = match ALPHABET.iter().position(|&char| char == other[position]) {
            Some(index) => ALPHABET[index ^ 1],
            None => b'A',
        };
        let other = String::from_utf8(other).unwrap();
        assert!(verdict(&judge, &other).await.is_err(), "character {position}");
    }
}

#[tokio::test]
async fn a_token_that_is_cut_off_anywhere_is_refused() {
    let (_double, judge) = start().await;
    let good = signed(&claims());
    for length in 0..good.len() {
        assert!(verdict(&judge, &good[..length]).await.is_err(), "{length} characters");
        assert!(verdict(&judge, &good[good.len() - length..]).await.is_err(), "the last {length} characters");
    }
}

#[tokio::test]
async fn an_address_in_a_header_is_never_visited() {
    let (_double, judge) = start().await;
    let foreign = TestKey::nth(2);
    let bait = FirebaseDouble::start().await.unwrap();
    bait.rotate_to(foreign);
    for name in ["jku", "x5u"] {
        let header = good_header(name, bait.certs_url());
        let token = foreign.sign(header.to_string().as_bytes(), claims().to_string().as_bytes());
        assert_eq!(verdict(&judge, &token).await, Err(SIGNATURE.to_owned()));
    }
    assert_eq!(bait.requests(), 0);
}

#[tokio::test]
async fn a_refusal_holds_nothing_of_the_token() {
    let (_double, judge) = start().await;
    for token in ["canary", "canary.canary.canary", &signed(&with(claims(), "sub", "canary\n"))] {
        let error = mymonit_services::ports::TokenVerifier::verify(&judge, token).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[test]
fn garbage_is_refused_and_never_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_double, judge) = runtime.block_on(start());
    let segment = prop_oneof![any::<String>(), any::<Vec<u8>>().prop_map(base64url), "[A-Za-z0-9_=-]{0,60}"];
    let garbage = prop_oneof![
        any::<String>(),
        proptest::collection::vec(segment, 0..5).prop_map(|segments| segments.join(".")),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(signed_text),
        (proptest::collection::vec(any::<u8>(), 0..100))
            .prop_map(|header| TestKey::nth(0).sign(&header, b"{}")),
    ];
    TestRunner::default()
        .run(&garbage, |token| {
            prop_assert!(runtime.block_on(verdict(&judge, &token)).is_err());
            Ok(())
        })
        .unwrap();
}
