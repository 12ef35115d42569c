use std::sync::Arc;

use async_trait::async_trait;
use mymonit_services::ServiceError;
use serde::Serialize;
use thiserror::Error;
use url::Url;

/// How users sign in to the page.
#[derive(Clone)]
pub enum SignIn {
    /// With Firebase.
    Firebase(FirebaseProject),
    /// By choosing a user, in evaluation mode.
    Evaluation(Arc<dyn EvaluationTokens>),
}

/// The public configuration of a Firebase project.
#[derive(Debug, Clone)]
pub struct FirebaseProject {
    pub(super) project_id: String,
    pub(super) api_key: Option<String>,
    pub(super) emulator: Option<String>,
}

/// A wrong value; the message says what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidFirebase {
    /// The API key.
    #[error("the API key of the project's web app: letters, digits, `-` and `_`, at most 128")]
    ApiKey,
    /// The address of the emulator.
    #[error("the emulator's host and port, such as `127.0.0.1:9099`")]
    Emulator,
}

impl FirebaseProject {
    /// `api_key` is the public key of the project's web app. `emulator` is `host:port` of the
    /// Firebase Auth emulator, which takes any key.
    ///
    /// # Errors
    /// If the key or the address is malformed.
    pub fn new(
        project_id: &str,
        api_key: Option<&str>,
        emulator: Option<&str>,
    ) -> Result<Self, InvalidFirebase> {
        let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_key = |key: &str| (1..=128).contains(&key.len()) && key.bytes().all(is_of_key);
        if api_key.is_some_and(|key| !is_key(key)) {
            return Err(InvalidFirebase::ApiKey);
        }
        let emulator = emulator.map(|host| origin(host).ok_or(InvalidFirebase::Emulator)).transpose()?;
        let any = emulator.as_ref().map(|_| "emulator");
        Ok(Self { project_id: project_id.to_owned(), api_key: api_key.or(any).map(str::to_owned), emulator })
    }

    pub(super) fn auth_domain(&self) -> String {
        format!("{}.firebaseapp.com", self.project_id)
    }
}

/// The origin of that host and port.
fn origin(host: &str) -> Option<String> {
    let written = format!("http://{host}");
    let url = Url::parse(&written).ok()?;
    let origin = url.origin().ascii_serialization();
    // Other characters of a host name could end a source of the content security policy, or match
    // any host.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (origin.eq_ignore_ascii_case(&written) && host.bytes().all(is_plain)).then_some(origin)
}

/// The tokens of the evaluation mode, for any user and without a password.
#[async_trait]
pub trait EvaluationTokens: Send + Sync {
    /// The users to choose from.
    ///
    /// # Errors
    /// If storage is unavailable.
    async fn users(&self) -> Result<Vec<EvaluationUser>, ServiceError>;
    /// A token of that user; `None` if the user is unknown.
    ///
    /// # Errors
    /// If storage is unavailable, or the token cannot be signed.
    async fn token(&self, user_id: &str) -> Result<Option<String>, ServiceError>;
}

/// A user of the evaluation mode.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluationUser {
    /// The staff identification.
    pub user_id: String,
    /// The name of the person.
    pub name: String,
    /// The role's name.
    pub role: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emulator_is_reached_at_its_origin_and_takes_any_key() {
        let project = FirebaseProject::new("demo-x", None, Some("127.0.0.1:9099")).unwrap();
        assert_eq!(project.emulator.as_deref(), Some("http://127.0.0.1:9099"));
        assert!(project.api_key.is_some());
        assert_eq!(FirebaseProject::new("x", None, None).unwrap().api_key, None);
    }

    #[test]
    fn what_could_change_the_policy_of_the_page_is_refused() {
        for host in ["", "*", "a b", "a;b", "a/b", "a, b", "a:x", "user@a", "http://a"] {
            let refusal = FirebaseProject::new("demo-x", None, Some(host)).unwrap_err();
            assert_eq!(refusal, InvalidFirebase::Emulator, "{host}");
        }
        for key in ["", "a b", "a\"", "ä"] {
            let refusal = FirebaseProject::new("x", Some(key), None).unwrap_err();
            assert_eq!(refusal, InvalidFirebase::ApiKey, "{key}");
        }
    }
}
