use async_trait::async_trait;
use mymonit_model::Username;
use mymonit_services::ports::{TokenError, TokenVerifier};
use shaku::Component;

use crate::EvaluationKey;
use crate::claims;
use crate::evaluation_key::EXPECTED;
use crate::jws::Jws;

/// Judges the tokens of evaluation mode (specification §12), which [`EvaluationKey::sign`] makes.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub struct EvaluationTokenVerifier {
    /// The key of this machine.
    key: EvaluationKey,
}

impl EvaluationTokenVerifier {
    /// A judge of the tokens that `key` signed.
    pub const fn new(key: EvaluationKey) -> Self {
        Self { key }
    }
}

#[async_trait]
impl TokenVerifier for EvaluationTokenVerifier {
    async fn verify(&self, token: &str) -> Result<Username, TokenError> {
        let jws = Jws::parse(token)?;
        if jws.alg() != Some("HS256") {
            return Err(TokenError::Invalid("its algorithm is not HS256"));
        }
        let username = claims::check(jws.claims(), EXPECTED, claims::unix_now())?;
        if self.key.has_signed(&jws) {
            Ok(username)
        } else {
            Err(TokenError::Invalid("its signature does not verify"))
        }
    }
}
