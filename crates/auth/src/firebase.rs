use std::sync::Arc;

use async_trait::async_trait;
use mymonit_services::ports::{TokenClaims, TokenError, TokenVerifier};
use shaku::Component;

use crate::claims::{self, Expected};
use crate::jws::Jws;
use crate::{ProjectId, SigningKeys, TokenMetrics};

/// Verifies the ID tokens of one Firebase project locally, with Google's current signing keys.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub struct FirebaseTokenVerifier {
    /// The project whose users sign in.
    project_id: ProjectId,
    /// The keys that sign the project's tokens.
    keys: Arc<SigningKeys>,
    /// Counts accepted tokens.
    metrics: TokenMetrics,
}

impl FirebaseTokenVerifier {
    /// A verifier of that project's tokens.
    pub fn new(project_id: ProjectId, keys: Arc<SigningKeys>) -> Self {
        Self { project_id, keys, metrics: TokenMetrics::default() }
    }
}

#[async_trait]
impl TokenVerifier for FirebaseTokenVerifier {
    async fn claims(&self, token: &str) -> Result<TokenClaims, TokenError> {
        let jws = Jws::parse(token)?;
        if jws.alg() != Some("RS256") {
            return Err(TokenError::Invalid("its algorithm is not RS256"));
        }
        let kid = jws.kid().ok_or(TokenError::Invalid("it names no `kid`"))?;
        let expected = Expected { audience: self.project_id.as_str(), issuer: self.project_id.issuer() };
        // Before the keys: a token with wrong claims fetches no keys.
        let claims = claims::check(jws.claims(), expected, claims::unix_now())?;
        let unknown = TokenError::Invalid("its `kid` is not among the current signing keys");
        let key = self.keys.find(kid).await?.ok_or(unknown)?;
        if self.keys.has_signed(&key, &jws) {
            Ok(self.metrics.accept(claims))
        } else {
            Err(TokenError::Invalid("its signature does not verify"))
        }
    }
}
