use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use hashlink::LruCache;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::jws::Jws;

/// Cached signatures: a few thousand users, one token an hour each; below 100 bytes an entry.
const CAPACITY: usize = 8_192;

/// Verifies signatures and caches the valid ones: verification is the slowest part of a request's
/// authentication, and most tokens are sent repeatedly.
///
/// An entry is the digest of a whole token and the key that signed it. Claims, and whether the key
/// is current, are checked for each request.
pub(crate) struct Signatures(Mutex<LruCache<Digest, Arc<DecodingKey>>>);

type Digest = [u8; SHA256_OUTPUT_LEN];

impl Signatures {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    /// Whether the token is signed with that key, by RS256.
    pub(crate) fn is_signed_with(&self, jws: &Jws<'_>, key: &Arc<DecodingKey>) -> bool {
        let mut of_token = Digest::default();
        of_token.copy_from_slice(digest(&SHA256, jws.token().as_bytes()).as_ref());
        if self.remembers(&of_token, key) {
            return true;
        }
        let is_signed = jws.is_signed_with(key, Algorithm::RS256);
        if is_signed {
            self.with(|known| known.insert(of_token, key.clone()));
        }
        is_signed
    }

    /// Refetched keys count as different, even if they are equal.
    fn remembers(&self, of_token: &Digest, key: &Arc<DecodingKey>) -> bool {
        self.with(|known| known.get(of_token).is_some_and(|signer| Arc::ptr_eq(signer, key)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut LruCache<Digest, Arc<DecodingKey>>) -> T) -> T {
        // After a panic of a holder, at worst a signature is verified again.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Arc<DecodingKey> {
        Arc::new(DecodingKey::from_secret(b"any").unwrap())
    }

    fn token(number: usize) -> Digest {
        let mut token = Digest::default();
        token[..8].copy_from_slice(&number.to_be_bytes());
        token
    }

    #[test]
    fn those_seen_last_are_remembered_and_no_more_than_there_is_room_for() {
        let (signatures, key) = (Signatures::new(), key());
        for number in 0..=CAPACITY {
            signatures.with(|known| known.insert(token(number), key.clone()));
            assert!(signatures.remembers(&token(1.min(number)), &key), "seen again after each");
        }
        assert!(!signatures.remembers(&token(0), &key));
        assert!(signatures.remembers(&token(CAPACITY), &key));
        assert_eq!(signatures.with(|known| known.len()), CAPACITY);
    }

    #[test]
    fn a_signature_is_remembered_for_the_very_key_alone() {
        let (signatures, key_that_signed) = (Signatures::new(), key());
        signatures.with(|known| known.insert(token(1), key_that_signed.clone()));
        assert!(signatures.remembers(&token(1), &key_that_signed));
        assert!(!signatures.remembers(&token(1), &key()));
        assert!(!signatures.remembers(&token(2), &key_that_signed));
    }
}
