//! Authentication: verifies the ID token of a request and returns its username. No other crate
//! reads tokens.
//!
//! Three types implement [`TokenVerifier`](mymonit_services::ports::TokenVerifier):
//!
//! - [`FirebaseTokenVerifier`] accepts ID tokens of a Firebase project, signed with Google's keys,
//!   which [`SigningKeys`] fetches and caches;
//! - [`EmulatorTokenVerifier`] accepts unsigned tokens of the Firebase emulator, for demo projects;
//! - [`EvaluationTokenVerifier`] accepts tokens signed by an [`EvaluationKey`] of this machine.
//!
//! All three apply the same rules to the claims and differ in the signature.

mod certificates;
mod claims;
mod emulator;
mod evaluation;
mod evaluation_key;
mod firebase;
mod jws;
mod metrics;
mod project_id;
mod signatures;
mod signing_keys;

pub use certificates::{CertificateAddress, CertificateAddressError, FetchError};
pub use emulator::{EmulatorTokenVerifier, EmulatorTokenVerifierParameters};
pub use evaluation::{EvaluationTokenVerifier, EvaluationTokenVerifierParameters};
pub use evaluation_key::{EvaluationKey, EvaluationKeyError};
pub use firebase::{FirebaseTokenVerifier, FirebaseTokenVerifierParameters};
pub use metrics::TokenMetrics;
pub use project_id::{
    CredentialsError, DemoProjectId, ProjectId, ProjectIdError, project_id_from_credentials,
};
pub use signing_keys::SigningKeys;
