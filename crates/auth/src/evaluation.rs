use async_trait::async_trait;
use mymonit_services::ports::{TokenClaims, TokenError, TokenVerifier};
use shaku::Component;

use crate::claims;
use crate::evaluation_key::EXPECTED;
use crate::jws::Jws;
use crate::{EvaluationKey, TokenMetrics};

/// Verifies the tokens of evaluation mode, which [`EvaluationKey::sign`] makes.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub struct EvaluationTokenVerifier {
    /// The key of this machine.
    key: EvaluationKey,
    /// Counts accepted tokens.
    metrics: TokenMetrics,
}

impl EvaluationTokenVerifier {
    /// A verifier of the tokens that `key` signed.
    pub fn new(key: EvaluationKey) -> Self {
        Self { key, metrics: TokenMetrics::default() }
    }
}

#[async_trait]
impl TokenVerifier for EvaluationTokenVerifier {
    async fn claims(&self, token: &str) -> Result<TokenClaims, TokenError> {
        let jws = Jws::parse(token)?;
        if jws.alg() != Some("HS256") {
            return Err(TokenError::Invalid("its algorithm is not HS256"));
        }
        let claims = claims::check(jws.claims(), EXPECTED, claims::unix_now())?;
        if self.key.has_signed(&jws) {
            Ok(self.metrics.accept(claims))
        } else {
            Err(TokenError::Invalid("its signature does not verify"))
        }
    }
}
