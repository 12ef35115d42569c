//! Tokens that the emulator's verifier accepts, and those that it refuses with the reason.

use mymonit_auth::{EmulatorTokenVerifier, ProjectId};
use mymonit_test_support::tokens::{TestKey, claims, unsigned_token};
use serde_json::{Value, json};

use crate::table::{Table, base64url, seconds_from_now, verdict, with, without};

const ALG: &str = "its algorithm is not `none`, which the emulator's is";
const SIGNED: &str = "it is signed, which the emulator's tokens are not";
const PROJECT: &str = "demo-mymonit";
const UID: &str = "c1D7ZzWZnXbZnyw2RNyhmzpyyqgS";

fn judge() -> EmulatorTokenVerifier {
    EmulatorTokenVerifier::new(ProjectId::new(PROJECT).unwrap()).unwrap()
}

fn good() -> Value {
    claims(PROJECT, UID)
}

/// Valid claims with another header and signature.
fn headed(header: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", base64url(header.to_string()), base64url(good().to_string()))
}

#[tokio::test]
async fn verdicts_follow_the_rules() {
    let mut table = Table::default();
    shapes(&mut table);
    rules_for_claims(&mut table);
    table.check(&judge(), 55).await;
}

fn shapes(table: &mut Table) {
    let none = json!({"alg": "none", "typ": "JWT"});
    table.accepted("a token as the emulator makes it is accepted", unsigned_token(&good()), UID);
    table.accepted("`typ` is not looked at", headed(&json!({"alg": "none", "typ": 7}), ""), UID);
    table.accepted("a `kid` is not looked at", headed(&json!({"alg": "none", "kid": "x"}), ""), UID);
    table.accepted(
        "other fields are not looked at",
        headed(&json!({"alg": "none", "jwk": 1, "crit": []}), ""),
        UID,
    );
    table.accepted("a custom claim is no matter", unsigned_token(&with(good(), "admin", true)), UID);

    let key = TestKey::nth(0);
    let signed = key.sign(key.header().to_string().as_bytes(), good().to_string().as_bytes());
    table.refused("a signed token is refused, as in the Admin SDK", signed.clone(), ALG);
    let unsigned = &signed[..=signed.rfind('.').unwrap()];
    table.refused("a token that says RS256 and is not signed is refused", unsigned.to_owned(), ALG);
    table.refused("a signature under `none` is refused", headed(&none, "AAAA"), SIGNED);
    table.refused("a blank signature is one", headed(&none, " "), SIGNED);
    table.refused("a padded empty signature is one", headed(&none, "="), SIGNED);
    for alg in [
        json!("None"),
        json!("NONE"),
        json!("none "),
        json!(""),
        json!(null),
        json!(["none"]),
        json!("HS256"),
        json!("RS256"),
    ] {
        table.refused(format!("the algorithm is `none`, not {alg}"), headed(&json!({"alg": alg}), ""), ALG);
    }
    table.refused("an algorithm must be named", headed(&json!({"typ": "JWT"}), ""), ALG);

    let token = unsigned_token(&good());
    table.refused(
        "two segments are too few",
        token.trim_end_matches('.').to_owned(),
        "it has not three segments",
    );
    table.refused("four segments are too many", format!("{token}."), "it has not three segments");
    table.refused("nothing is no token", String::new(), "it has not three segments");
    table.refused("dots are no token", "..".to_owned(), "its header is malformed");
    table.refused(
        "a header alone is no token",
        format!("{}..", base64url(none.to_string())),
        "its payload is malformed",
    );
    table.refused(
        "a megabyte is refused before it is read",
        format!("{}.x.", "x".repeat(1 << 20)),
        "it is too long",
    );
}

fn rules_for_claims(table: &mut Table) {
    let real = claims("mymonit-production", UID);
    table.refused(
        "a real project's token is refused",
        unsigned_token(&real),
        "its `aud` is not the expected one",
    );
    for (name, value, reason) in [
        ("aud", json!("demo-other"), "its `aud` is not the expected one"),
        ("aud", json!([PROJECT]), "its `aud` is not the expected one"),
        ("iss", json!("https://securetoken.google.com/demo-other"), "its `iss` is not the expected one"),
        (
            "iss",
            json!([format!("https://securetoken.google.com/{PROJECT}")]),
            "its `iss` is not the expected one",
        ),
        ("sub", json!(""), "its `sub` is no username"),
        ("sub", json!("u".repeat(129)), "its `sub` is no username"),
        ("sub", json!(7), "its `sub` is no username"),
        ("sub", json!(" uid"), "its `sub` is no username"),
        ("exp", json!(seconds_from_now(-1)), "it has expired"),
        ("exp", json!(seconds_from_now(-59)), "it has expired"),
        ("exp", json!("9999999999"), "its `exp` is absent or no number"),
        ("iat", json!(seconds_from_now(90)), "it was issued in the future"),
        ("iat", json!("0"), "its `iat` is absent or no number"),
        ("auth_time", json!(seconds_from_now(90)), "its `auth_time` is in the future"),
        ("auth_time", json!(null), "its `auth_time` is absent or no number"),
        ("nbf", json!(seconds_from_now(30)), "it is not valid yet"),
        ("nbf", json!("0"), "its `nbf` is no number"),
    ] {
        let start: String = value.to_string().chars().take(40).collect();
        table.refused(
            format!("`{name}` must not be {start}"),
            unsigned_token(&with(good(), name, value)),
            reason,
        );
    }
    for (name, reason) in [
        ("aud", "its `aud` is not the expected one"),
        ("iss", "its `iss` is not the expected one"),
        ("sub", "its `sub` is no username"),
        ("exp", "its `exp` is absent or no number"),
        ("iat", "its `iat` is absent or no number"),
        ("auth_time", "its `auth_time` is absent or no number"),
    ] {
        table.refused(format!("`{name}` must be there"), unsigned_token(&without(good(), name)), reason);
    }
    for (name, value) in [
        ("sub", json!("u".repeat(128))),
        ("sub", json!("Zoë 黒穴")),
        ("exp", json!(seconds_from_now(30))),
        ("exp", json!(9e9 + 0.5)),
        ("iat", json!(seconds_from_now(0))),
        ("auth_time", json!(0)),
        ("nbf", json!(seconds_from_now(-1))),
    ] {
        let username = if name == "sub" { value.as_str().unwrap().to_owned() } else { UID.to_owned() };
        let start: String = value.to_string().chars().take(40).collect();
        table.accepted(
            format!("`{name}` may be {start}"),
            unsigned_token(&with(good(), name, value)),
            &username,
        );
    }
}

#[test]
fn a_judge_of_unsigned_tokens_is_not_to_be_had_for_a_real_project() {
    for project in ["mymonit-production", "demo", "my-demo-project", "Demo-mymonit"] {
        let Err(error) = EmulatorTokenVerifier::new(ProjectId::new(project).unwrap()) else {
            panic!("{project} is no demo project");
        };
        let message = error.to_string();
        assert!(message.contains(project) && message.contains("`demo-`"), "{message}");
    }
}

#[tokio::test]
async fn the_emulators_own_bytes_are_accepted() {
    // The emulator's claims for a sign-up, except the times.
    let now = seconds_from_now(0);
    let payload = format!(
        r#"{{"email":"someone@home.cern","email_verified":false,"auth_time":{now},"user_id":"{UID}","firebase":{{"identities":{{"email":["someone@home.cern"]}},"sign_in_provider":"password"}},"iat":{now},"exp":{},"aud":"{PROJECT}","iss":"https://securetoken.google.com/{PROJECT}","sub":"{UID}"}}"#,
        now + 3600
    );
    let token = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", base64url(payload));
    assert_eq!(verdict(&judge(), &token).await, Ok(UID.to_owned()));
}
