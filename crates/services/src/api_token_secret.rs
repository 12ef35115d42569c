//! The secret of an API token. It is shown once; the database keeps its SHA-256, by which the token
//! is found. So the program compares no secrets, and a look-up reveals nothing about one.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mymonit_model::Faceted;

use crate::ServiceError;
use crate::ports::TokenDigest;

/// The default of `API_TOKEN_MAX_DAYS`.
pub const DEFAULT_API_TOKEN_MAX_DAYS: u32 = 365;
/// How every secret begins. No ID token does: this is no beginning of a JSON object in base64.
const PREFIX: &str = "mymonit_";
/// The random bytes of a secret: 43 characters of base64url.
const RANDOM_BYTES: usize = 32;

/// Whether the credentials are meant to be an API token.
pub(crate) fn is_api_token(credentials: &str) -> bool {
    credentials.starts_with(PREFIX)
}

/// By what the token of that secret is found; `None` if the text is no secret.
pub(crate) fn digest_of(secret: &str) -> Option<TokenDigest> {
    let random = URL_SAFE_NO_PAD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    (random.len() == RANDOM_BYTES).then(|| sha256(secret))
}

/// A new secret, and by what its token is found.
pub(crate) fn generate() -> Result<(Faceted<String>, TokenDigest), ServiceError> {
    let mut random = [0; RANDOM_BYTES];
    rand::fill(&mut random).map_err(|_| {
        let cause = "the system gives no random numbers";
        ServiceError::Internal(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(cause)))
    })?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let digest = sha256(&secret);
    Ok((Faceted::new(secret), digest))
}

fn sha256(secret: &str) -> TokenDigest {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    Faceted::new(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_found_by_their_digest() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        for (secret, digest) in [&one, &other] {
            let text = secret.reveal();
            assert_eq!(text.len(), PREFIX.len() + 43);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert!(is_api_token(text));
            assert_eq!(digest_of(text).as_ref(), Some(digest));
            assert_eq!(format!("{secret:?} {digest:?}"), "*** ***");
        }
    }

    #[test]
    fn a_text_of_another_form_is_no_secret() {
        let of = |random: &str| digest_of(&format!("{PREFIX}{random}"));
        assert!(of(&"A".repeat(43)).is_some());
        let (short, long, odd) = ("A".repeat(42), "A".repeat(44), "A".repeat(42) + "B");
        for random in ["", &short, &long, &odd, &("=".to_owned() + &short), &("+".to_owned() + &short)] {
            assert_eq!(of(random), None, "{random}");
        }
        assert_eq!(digest_of(&"A".repeat(43)), None);
    }
}
