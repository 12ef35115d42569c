//! Who is asking: verifies the ID token that a request carries and names the user it stands for
//! (specification §6). The only crate that knows what a token looks like inside.
//!
//! Three judges implement [`TokenVerifier`](mymonit_services::ports::TokenVerifier); the program chooses
//! one at its start:
//!
//! - [`FirebaseTokenVerifier`] takes the ID tokens of a Firebase project, signed with Google's keys, which
//!   [`SigningKeys`] fetches and keeps;
//! - [`EmulatorTokenVerifier`] takes the unsigned tokens of the Firebase Auth emulator, for demo projects;
//! - [`EvaluationTokenVerifier`] takes the tokens that an [`EvaluationKey`] of this machine signed.
//!
//! All three hold the claims to the same rules; they differ in whose signature they ask for.

mod certificates;
mod claims;
mod emulator;
mod evaluation;
mod evaluation_key;
mod firebase;
mod jws;
mod project_id;
mod signatures;
mod signing_keys;

pub use certificates::{CertificateAddress, CertificateAddressError, FetchError};
pub use emulator::{EmulatorTokenVerifier, EmulatorTokenVerifierParameters};
pub use evaluation::{EvaluationTokenVerifier, EvaluationTokenVerifierParameters};
pub use evaluation_key::{EvaluationKey, EvaluationKeyError};
pub use firebase::{FirebaseTokenVerifier, FirebaseTokenVerifierParameters};
pub use project_id::{
    CredentialsError, DemoProjectId, ProjectId, ProjectIdError, project_id_from_credentials,
};
pub use signing_keys::SigningKeys;
