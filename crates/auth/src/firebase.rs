use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::Username;
use mymonit_services::ports::{TokenError, TokenVerifier};
use shaku::Component;

use crate::claims::{self, Expected};
use crate::jws::Jws;
use crate::{ProjectId, SigningKeys};

/// Judges the ID tokens of one Firebase project, locally, by Google's current signing keys.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub struct FirebaseTokenVerifier {
    /// The project whose users may come in.
    project_id: ProjectId,
    /// The keys that sign the project's tokens.
    keys: Arc<SigningKeys>,
}

impl FirebaseTokenVerifier {
    /// A judge of that project's tokens.
    pub const fn new(project_id: ProjectId, keys: Arc<SigningKeys>) -> Self {
        Self { project_id, keys }
    }
}

#[async_trait]
impl TokenVerifier for FirebaseTokenVerifier {
    async fn verify(&self, token: &str) -> Result<Username, TokenError> {
        let jws = Jws::parse(token)?;
        if jws.alg() != Some("RS256") {
            return Err(TokenError::Invalid("its algorithm is not RS256"));
        }
        let kid = jws.kid().ok_or(TokenError::Invalid("it names no `kid`"))?;
        let expected = Expected { audience: self.project_id.as_str(), issuer: self.project_id.issuer() };
        // Before the keys are asked for: a token that is wrong anyway fetches no keys.
        let username = claims::check(jws.claims(), expected, claims::unix_now())?;
        let unknown = TokenError::Invalid("its `kid` is not among the current signing keys");
        let key = self.keys.find(kid).await?.ok_or(unknown)?;
        if self.keys.has_signed(&key, &jws) {
            Ok(username)
        } else {
            Err(TokenError::Invalid("its signature does not verify"))
        }
    }
}
