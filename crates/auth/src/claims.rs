use std::time::{SystemTime, UNIX_EPOCH};

use mymonit_model::Username;
use mymonit_services::ports::TokenError;
use serde_json::{Map, Value};

/// What `aud` and `iss` must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) audience: &'a str,
    pub(crate) issuer: &'a str,
}

/// The present moment of the system's clock in whole Unix seconds, which is what the Firebase Admin SDK
/// compares the claims with.
pub(crate) fn unix_now() -> f64 {
    // A clock before 1970 gives 0, which makes every token one from the future.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor()
}

/// Holds the claims to the rules of specification §6 and returns the username that they name.
///
/// The rules are the Firebase Admin SDK's, with no leeway; where its languages differ, the strictest one's.
/// `auth_time` is Firebase's published rule. jsonwebtoken's own checks accept far more: arrays for `aud` and
/// `iss`, absent or future `iat` and `auth_time`, an expiry a minute ago.
pub(crate) fn check(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    now: f64,
) -> Result<Username, TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // A number may have a fraction (RFC 7519 §2, NumericDate); JSON's numbers are all finite here.
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);

    if text("aud") != Some(expected.audience) {
        return Err(TokenError::Invalid("its `aud` is not the expected one"));
    }
    if text("iss") != Some(expected.issuer) {
        return Err(TokenError::Invalid("its `iss` is not the expected one"));
    }
    let username = text("sub").and_then(username).ok_or(TokenError::Invalid("its `sub` is no username"))?;
    let exp = number("exp").ok_or(TokenError::Invalid("its `exp` is absent or no number"))?;
    if exp <= now {
        return Err(TokenError::Invalid("it has expired"));
    }
    let iat = number("iat").ok_or(TokenError::Invalid("its `iat` is absent or no number"))?;
    if iat > now {
        return Err(TokenError::Invalid("it was issued in the future"));
    }
    let auth_time =
        number("auth_time").ok_or(TokenError::Invalid("its `auth_time` is absent or no number"))?;
    if auth_time > now {
        return Err(TokenError::Invalid("its `auth_time` is in the future"));
    }
    if claims.contains_key("nbf") {
        let nbf = number("nbf").ok_or(TokenError::Invalid("its `nbf` is no number"))?;
        if nbf > now {
            return Err(TokenError::Invalid("it is not valid yet"));
        }
    }
    Ok(username)
}

/// The username that `sub` is, if it can be one. It must be one as it stands: what only becomes one by
/// trimming names somebody else.
fn username(sub: &str) -> Option<Username> {
    Username::new(sub).ok().filter(|username| username.as_str() == sub)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: f64 = 1_700_000_000.0;

    fn verdict(name: &str, value: Value) -> Result<String, &'static str> {
        let mut claims = json!({
            "aud": "project", "iss": "issuer", "sub": "uid",
            "iat": 1_699_999_000, "auth_time": 1_699_990_000, "exp": 1_700_003_600,
        });
        claims[name] = value;
        let expected = Expected { audience: "project", issuer: "issuer" };
        match check(claims.as_object().unwrap(), expected, NOW) {
            Ok(username) => Ok(username.to_string()),
            Err(TokenError::Invalid(reason)) => Err(reason),
            Err(TokenError::Unavailable(_)) => unreachable!("claims need no keys"),
        }
    }

    #[test]
    fn a_token_ends_in_the_very_second_that_it_names() {
        let expired = Err("it has expired");
        assert_eq!(verdict("exp", json!(1_700_000_001)), Ok("uid".to_owned()));
        assert_eq!(verdict("exp", json!(1_700_000_000.5)), Ok("uid".to_owned()));
        assert_eq!(verdict("exp", json!(1_700_000_000)), expired);
        assert_eq!(verdict("exp", json!(1_699_999_999)), expired);
    }

    #[test]
    fn what_happened_in_this_second_is_in_the_past() {
        for (name, refusal) in [
            ("iat", "it was issued in the future"),
            ("auth_time", "its `auth_time` is in the future"),
            ("nbf", "it is not valid yet"),
        ] {
            assert_eq!(verdict(name, json!(1_700_000_000)), Ok("uid".to_owned()), "{name}");
            assert_eq!(verdict(name, json!(1_700_000_000.5)), Err(refusal), "{name}");
            assert_eq!(verdict(name, json!(1_700_000_001)), Err(refusal), "{name}");
        }
    }

    #[test]
    fn a_username_is_taken_as_it_stands_or_not_at_all() {
        assert_eq!(verdict("sub", json!("é".repeat(128))), Ok("é".repeat(128)));
        for sub in [" uid", "uid ", "uid\n", "\u{a0}uid", "u\u{0}id", " "] {
            assert_eq!(verdict("sub", json!(sub)), Err("its `sub` is no username"), "{sub:?}");
        }
    }
}
