use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use mymonit_services::ports::TokenError;
use serde_json::{Map, Value};

/// Firebase's tokens have 1 to 4 KiB. Longer ones are refused unparsed.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A parsed, unverified token (JWS compact serialisation, RFC 7515 §7.1).
///
/// Only `alg` and `kid` of the header are read, so a token cannot bring its own key (`jwk`, `jku`,
/// `x5c`, `x5u`). The last of duplicate names counts (RFC 7515 §4), as in the Firebase Admin SDK.
pub(crate) struct Jws<'a> {
    token: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid("it is too long"));
        }
        let mut segments = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(TokenError::Invalid("it has not three segments"));
        };
        Ok(Self {
            token,
            signed: &token[..header.len() + 1 + claims.len()],
            header: object(header).ok_or(TokenError::Invalid("its header is malformed"))?,
            claims: object(claims).ok_or(TokenError::Invalid("its payload is malformed"))?,
            signature,
        })
    }

    /// The whole token, unchanged.
    pub(crate) const fn token(&self) -> &'a str {
        self.token
    }

    /// The algorithm, if it is named by a text.
    pub(crate) fn alg(&self) -> Option<&str> {
        self.header.get("alg")?.as_str()
    }

    /// The id of the key, if it is named by a text.
    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    pub(crate) const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(crate) const fn is_unsigned(&self) -> bool {
        self.signature.is_empty()
    }

    /// Whether `key` and `algorithm` verify the signature. The token does not choose the algorithm.
    pub(crate) fn is_signed_with(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm).unwrap_or(false)
    }
}

/// The JSON object in a segment: base64url without padding, in its one canonical spelling.
fn object(segment: &str) -> Option<Map<String, Value>> {
    let text = URL_SAFE_NO_PAD.decode(segment).ok()?;
    serde_json::from_slice(&text).ok()
}
