use async_trait::async_trait;
use mymonit_services::ports::{TokenClaims, TokenError, TokenVerifier};
use shaku::Component;

use crate::claims::{self, Expected};
use crate::jws::Jws;
use crate::{DemoProjectId, ProjectId, ProjectIdError, TokenMetrics};

/// Verifies the unsigned tokens of the Firebase Auth emulator: `alg` is `none`, the signature is
/// empty, the claims obey the rules of signed tokens. Anyone can forge them: demo projects only.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub struct EmulatorTokenVerifier {
    /// The project that exists in the emulator.
    project_id: DemoProjectId,
    /// Counts accepted tokens.
    metrics: TokenMetrics,
}

impl EmulatorTokenVerifier {
    /// A verifier of that project's tokens.
    ///
    /// # Errors
    /// If the id does not begin with `demo-`.
    pub fn new(project_id: ProjectId) -> Result<Self, ProjectIdError> {
        let project_id = DemoProjectId::new(project_id)?;
        Ok(Self { project_id, metrics: TokenMetrics::default() })
    }
}

#[async_trait]
impl TokenVerifier for EmulatorTokenVerifier {
    async fn claims(&self, token: &str) -> Result<TokenClaims, TokenError> {
        let jws = Jws::parse(token)?;
        if jws.alg() != Some("none") {
            return Err(TokenError::Invalid("its algorithm is not `none`, which the emulator's is"));
        }
        if !jws.is_unsigned() {
            return Err(TokenError::Invalid("it is signed, which the emulator's tokens are not"));
        }
        let project_id = self.project_id.project_id();
        let expected = Expected { audience: project_id.as_str(), issuer: project_id.issuer() };
        let claims = claims::check(jws.claims(), expected, claims::unix_now())?;
        Ok(self.metrics.accept(claims))
    }
}
