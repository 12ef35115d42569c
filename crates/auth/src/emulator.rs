use async_trait::async_trait;
use mymonit_model::Username;
use mymonit_services::ports::{TokenError, TokenVerifier};
use shaku::Component;

use crate::claims::{self, Expected};
use crate::jws::Jws;
use crate::{DemoProjectId, ProjectId, ProjectIdError};

/// Judges the unsigned tokens of the Firebase Auth emulator, as the Firebase Admin SDK does when
/// `FIREBASE_AUTH_EMULATOR_HOST` is set: `alg` is `none`, the signature is empty, and the claims obey the
/// same rules as those of signed tokens. Anybody can make such a token, hence the demo project.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub struct EmulatorTokenVerifier {
    /// The project that exists in the emulator.
    project_id: DemoProjectId,
}

impl EmulatorTokenVerifier {
    /// A judge of that project's tokens.
    ///
    /// # Errors
    /// If the id does not begin with `demo-`.
    pub fn new(project_id: ProjectId) -> Result<Self, ProjectIdError> {
        DemoProjectId::new(project_id).map(|project_id| Self { project_id })
    }
}

#[async_trait]
impl TokenVerifier for EmulatorTokenVerifier {
    async fn verify(&self, token: &str) -> Result<Username, TokenError> {
        let jws = Jws::parse(token)?;
        if jws.alg() != Some("none") {
            return Err(TokenError::Invalid("its algorithm is not `none`, which the emulator's is"));
        }
        if !jws.is_unsigned() {
            return Err(TokenError::Invalid("it is signed, which the emulator's tokens are not"));
        }
        let project_id = self.project_id.project_id();
        let expected = Expected { audience: project_id.as_str(), issuer: project_id.issuer() };
        claims::check(jws.claims(), expected, claims::unix_now())
    }
}
