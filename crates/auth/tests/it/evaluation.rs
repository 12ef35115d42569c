//! Tokens that evaluation mode accepts, and those that it refuses with the reason.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mymonit_auth::{EvaluationKey, EvaluationTokenVerifier};
use mymonit_model::Username;
use mymonit_test_support::tokens::{TestKey, claims, unsigned_token};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::table::{Table, base64url, seconds_from_now, verdict, with, without};

const ALG: &str = "its algorithm is not HS256";
const AUD: &str = "its `aud` is not the expected one";
const SIGNATURE: &str = "its signature does not verify";
const UID: &str = "uJayGH994iVa2TY5auSNYZoUpwk1";

/// A key file, and a signer with its key.
struct Evaluation {
    _folder: TempDir,
    key: EvaluationKey,
    secret: EncodingKey,
}

impl Evaluation {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluation.key");
        let key = EvaluationKey::read_or_create(&path).unwrap();
        let secret = URL_SAFE_NO_PAD.decode(std::fs::read_to_string(&path).unwrap().trim_end()).unwrap();
        assert_eq!(secret.len(), 32);
        Self { _folder: folder, key, secret: EncodingKey::from_secret(&secret).unwrap() }
    }

    fn judge(&self) -> EvaluationTokenVerifier {
        EvaluationTokenVerifier::new(self.key.clone())
    }

    fn token(&self, valid_for_s: u64) -> String {
        self.key.sign(&Username::new(UID).unwrap(), Duration::from_secs(valid_for_s)).unwrap()
    }

    fn signed(&self, claims: &Value) -> String {
        self.signed_by(Algorithm::HS256, claims)
    }

    fn signed_by(&self, algorithm: Algorithm, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &self.secret).unwrap()
    }
}

fn good() -> Value {
    let now = seconds_from_now(0);
    json!({
        "iss": "mymonit-evaluation", "aud": "mymonit-evaluation", "sub": UID,
        "iat": now, "auth_time": now, "exp": now + 3600,
    })
}

#[tokio::test]
async fn verdicts_follow_the_rules() {
    let evaluation = Evaluation::start();
    let mut table = Table::default();
    table.accepted("a token of this machine's key is accepted", evaluation.token(60), UID);
    table.accepted("a token of years is accepted", evaluation.token(10 * 365 * 24 * 60 * 60), UID);
    table.accepted("a token until the end of time is accepted", evaluation.token(u64::MAX), UID);
    table.accepted("what counts is what is signed", evaluation.signed(&good()), UID);
    table.refused("a token of no time has expired", evaluation.token(0), "it has expired");
    signatures(&evaluation, &mut table);
    rules_for_claims(&evaluation, &mut table);
    table.check(&evaluation.judge(), 45).await;
}

fn signatures(evaluation: &Evaluation, table: &mut Table) {
    let other = Evaluation::start();
    table.refused("a token of another machine's key is refused", other.token(60), SIGNATURE);
    let token = evaluation.token(60);
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    table.refused("a signature must be there", format!("{header}.{payload}."), SIGNATURE);
    table.refused("a signature must be whole", token[..token.len() - 4].to_owned(), SIGNATURE);
    table.refused("a signature ends where it ends", format!("{token}AAAA"), SIGNATURE);
    table.refused(
        "a signature belongs to its payload",
        format!("{header}.{}.{signature}", base64url(with(good(), "sub", "somebody").to_string())),
        SIGNATURE,
    );
    table.refused(
        "an empty secret is not the key",
        {
            let signed = format!("{header}.{payload}");
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"");
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
        },
        SIGNATURE,
    );
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        table.refused(format!("{algorithm:?} is refused"), evaluation.signed_by(algorithm, &good()), ALG);
    }
    table.refused("an unsigned token is refused", unsigned_token(&good()), ALG);
    table.refused(
        "RS256 is refused",
        TestKey::nth(0).sign(br#"{"alg":"RS256"}"#, good().to_string().as_bytes()),
        ALG,
    );
    for alg in [json!("hs256"), json!(null), json!(["HS256"]), json!("none")] {
        let header = base64url(json!({"alg": alg}).to_string());
        table.refused(
            format!("the algorithm is HS256, not {alg}"),
            format!("{header}.{payload}.{signature}"),
            ALG,
        );
    }
    table.refused("nothing is no token", String::new(), "it has not three segments");
    table.refused("a fourth segment is too many", format!("{token}.x"), "it has not three segments");
    table.refused("a token is not to be padded", format!("{token}="), SIGNATURE);
}

fn rules_for_claims(evaluation: &Evaluation, table: &mut Table) {
    table.refused(
        "a Firebase token is refused, whatever its signature",
        evaluation.signed(&claims("mymonit", UID)),
        AUD,
    );
    table.refused(
        "a project named as the audience gives no way in",
        evaluation.signed(&claims("mymonit-evaluation", UID)),
        "its `iss` is not the expected one",
    );
    for (name, value, reason) in [
        ("aud", json!("mymonit"), AUD),
        ("aud", json!(["mymonit-evaluation"]), AUD),
        ("iss", json!("mymonit"), "its `iss` is not the expected one"),
        ("iss", json!(["mymonit-evaluation"]), "its `iss` is not the expected one"),
        ("sub", json!(""), "its `sub` is no username"),
        ("sub", json!("u".repeat(129)), "its `sub` is no username"),
        ("sub", json!(7), "its `sub` is no username"),
        ("exp", json!(seconds_from_now(-1)), "it has expired"),
        ("exp", json!(seconds_from_now(-59)), "it has expired"),
        ("exp", json!("9999999999"), "its `exp` is absent or no number"),
        ("iat", json!(seconds_from_now(90)), "it was issued in the future"),
        ("iat", json!(true), "its `iat` is absent or no number"),
        ("auth_time", json!(seconds_from_now(90)), "its `auth_time` is in the future"),
        ("auth_time", json!(null), "its `auth_time` is absent or no number"),
        ("nbf", json!(seconds_from_now(30)), "it is not valid yet"),
        ("nbf", json!("0"), "its `nbf` is no number"),
    ] {
        let start: String = value.to_string().chars().take(40).collect();
        table.refused(
            format!("`{name}` must not be {start}"),
            evaluation.signed(&with(good(), name, value)),
            reason,
        );
    }
    for (name, reason) in [
        ("aud", AUD),
        ("iss", "its `iss` is not the expected one"),
        ("sub", "its `sub` is no username"),
        ("exp", "its `exp` is absent or no number"),
        ("iat", "its `iat` is absent or no number"),
        ("auth_time", "its `auth_time` is absent or no number"),
    ] {
        table.refused(format!("`{name}` must be there"), evaluation.signed(&without(good(), name)), reason);
    }
}

#[tokio::test]
async fn a_token_that_differs_in_any_one_character_is_refused() {
    let evaluation = Evaluation::start();
    let (judge, good) = (evaluation.judge(), evaluation.token(60));
    for position in 0..good.len() {
        for char in ['A', 'B', '_', '.'] {
            let mut other = good.clone().into_bytes();
            other[position] = u8::try_from(char).unwrap();
            let other = String::from_utf8(other).unwrap();
            assert!(
                other == good || verdict(&judge, &other).await.is_err(),
                "character {position} as {char}"
            );
        }
    }
}
