use std::collections::HashSet;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mymonit_services::ports::{TokenError, TokenVerifier};
use serde_json::Value;

/// The username, or the reason for the refusal.
pub(crate) type Verdict = Result<String, String>;

/// Rules for tokens, each with an example and its expected result.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, String, Verdict)>,
}

impl Table {
    pub(crate) fn accepted(&mut self, fact: impl Into<String>, token: String, username: &str) {
        self.rows.push((fact.into(), token, Ok(username.to_owned())));
    }

    pub(crate) fn refused(&mut self, fact: impl Into<String>, token: String, reason: &str) {
        self.rows.push((fact.into(), token, Err(reason.to_owned())));
    }

    /// Fails with all rows whose result differs, and if there are fewer rows.
    pub(crate) async fn check(self, verifier: &dyn TokenVerifier, at_least: usize) {
        let mut wrong = Vec::new();
        let mut facts = HashSet::new();
        for (fact, token, expected) in &self.rows {
            let seen = verdict(verifier, token).await;
            if seen != *expected {
                wrong.push(format!("{fact}: expected {expected:?}, seen {seen:?}"));
            }
            if !facts.insert(fact) {
                wrong.push(format!("{fact}: occurs twice"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {} rows are wrong:\n{}",
            wrong.len(),
            self.rows.len(),
            wrong.join("\n")
        );
        assert!(self.rows.len() >= at_least, "only {} rows", self.rows.len());
    }
}

pub(crate) async fn verdict(verifier: &dyn TokenVerifier, token: &str) -> Verdict {
    match verifier.verify(token).await {
        Ok(username) => Ok(username.to_string()),
        Err(TokenError::Invalid(reason)) => Err(reason.to_owned()),
        Err(TokenError::Unavailable(cause)) => Err(format!("unavailable: {cause}")),
    }
}

/// The claims with one of them replaced.
pub(crate) fn with(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

/// The claims without one of them.
pub(crate) fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

/// Unix seconds, `offset` from now.
pub(crate) fn seconds_from_now(offset: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + offset
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
