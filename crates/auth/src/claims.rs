use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mymonit_model::{Timestamp, Username};
use mymonit_services::ports::{TokenClaims, TokenError};
use serde_json::{Map, Value};

/// The expected `aud` and `iss`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) audience: &'a str,
    pub(crate) issuer: &'a str,
}

/// The leeway for `iat` and `auth_time`: this clock may be behind that of the issuer.
const CLOCK_LEEWAY_SECONDS: f64 = 60.0;

/// The content of valid claims.
#[derive(Debug, PartialEq)]
pub(crate) struct ValidClaims {
    pub(crate) claims: TokenClaims,
    /// Whether `iat` or `auth_time` is ahead of this clock, within the leeway.
    pub(crate) is_from_future: bool,
}

/// The system's clock in whole Unix seconds, which the Firebase Admin SDK compares the claims with.
pub(crate) fn unix_now() -> f64 {
    // A clock before 1970 gives 0, with which every token is from the future.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor()
}

/// Checks the claims by the strictest rules of the Firebase Admin SDKs.
///
/// `auth_time` is Firebase's published rule. Only `iat` and `auth_time` have a leeway. The checks
/// of jsonwebtoken are looser: arrays for `aud` and `iss`, absent `iat`, an expiry a minute ago.
pub(crate) fn check(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    now: f64,
) -> Result<ValidClaims, TokenError> {
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
    if iat > now + CLOCK_LEEWAY_SECONDS {
        return Err(TokenError::Invalid("it was issued in the future"));
    }
    let auth_time =
        number("auth_time").ok_or(TokenError::Invalid("its `auth_time` is absent or no number"))?;
    if auth_time > now + CLOCK_LEEWAY_SECONDS {
        return Err(TokenError::Invalid("its `auth_time` is in the future"));
    }
    if claims.contains_key("nbf") {
        let nbf = number("nbf").ok_or(TokenError::Invalid("its `nbf` is no number"))?;
        if nbf > now {
            return Err(TokenError::Invalid("it is not valid yet"));
        }
    }
    let claims = TokenClaims { username, signed_in_at: timestamp(auth_time) };
    Ok(ValidClaims { claims, is_from_future: iat > now || auth_time > now })
}

/// Unix seconds as a timestamp; 1970 for any earlier time.
fn timestamp(seconds: f64) -> Timestamp {
    let nanos = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_nanos();
    i64::try_from(nanos).ok().and_then(Timestamp::from_unix_nanos).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The username in `sub`, which must be one without trimming: trimmed it may be another user's.
fn username(sub: &str) -> Option<Username> {
    Username::existing(sub).ok().filter(|username| username.as_str() == sub)
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
            Ok(valid) => Ok(valid.claims.username.to_string()),
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
    fn iat_and_auth_time_may_be_a_minute_ahead_and_nbf_may_not() {
        for (name, leeway, refusal) in [
            ("iat", 60, "it was issued in the future"),
            ("auth_time", 60, "its `auth_time` is in the future"),
            ("nbf", 0, "it is not valid yet"),
        ] {
            let latest = 1_700_000_000 + leeway;
            assert_eq!(verdict(name, json!(latest)), Ok("uid".to_owned()), "{name}");
            assert_eq!(verdict(name, json!(f64::from(latest) + 0.5)), Err(refusal), "{name}");
            assert_eq!(verdict(name, json!(latest + 1)), Err(refusal), "{name}");
        }
    }

    #[test]
    fn a_username_is_accepted_unchanged_or_refused() {
        assert_eq!(verdict("sub", json!("é".repeat(128))), Ok("é".repeat(128)));
        for sub in [" uid", "uid ", "uid\n", "\u{a0}uid", "u\u{0}id", " "] {
            assert_eq!(verdict("sub", json!(sub)), Err("its `sub` is no username"), "{sub:?}");
        }
    }
}
