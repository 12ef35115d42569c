use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;

/// The prefix of the project id in the issuer of ID tokens.
const ISSUER_PREFIX: &str = "https://securetoken.google.com/";

/// The prefix of demo projects' ids.
const DEMO_PREFIX: &str = "demo-";

/// Google's service-account files have about 2,300 bytes.
const MAX_CREDENTIALS_BYTES: u64 = 64 * 1024;

/// The id of the Firebase project that issues the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectId {
    id: String,
    issuer: String,
}

impl ProjectId {
    /// The greatest number of characters.
    pub const MAX_CHARS: usize = 128;

    /// Takes 1 to [`Self::MAX_CHARS`] ASCII letters, digits, `-`, `.`, `:` and `_`: more than
    /// Google's current rule, since ids of older projects and of emulators look different.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn new(raw: &str) -> Result<Self, ProjectIdError> {
        let is_sane = (1..=Self::MAX_CHARS).contains(&raw.len())
            && raw.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | ':' | '_'));
        if !is_sane {
            return Err(ProjectIdError::Shape);
        }
        Ok(Self { id: raw.to_owned(), issuer: format!("{ISSUER_PREFIX}{raw}") })
    }

    /// The id, which is the `aud` of the project's ID tokens.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The `iss` of the project's ID tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// The id of a demo project, which exists in the Firebase emulator only. Accepting unsigned
/// tokens for it exposes no real project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoProjectId(ProjectId);

impl DemoProjectId {
    /// Takes an id that begins with `demo-`.
    ///
    /// # Errors
    /// For any other one.
    pub fn new(project_id: ProjectId) -> Result<Self, ProjectIdError> {
        if project_id.as_str().starts_with(DEMO_PREFIX) {
            Ok(Self(project_id))
        } else {
            Err(ProjectIdError::NoDemo { held: project_id.id })
        }
    }

    /// The project id.
    pub const fn project_id(&self) -> &ProjectId {
        &self.0
    }
}

/// Why a text is not a project id. The message continues "allowed is".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProjectIdError {
    /// It can be no project's id.
    #[error("the id of a Firebase project, such as `my-project-1`: letters, digits, `-`, `.`, `:` and `_`")]
    Shape,
    /// The id may be of a real project, for which unsigned tokens must not be accepted.
    #[error(
        "a project id that begins with `demo-`, since the emulator's tokens are not signed; `{held}` may be real"
    )]
    NoDemo {
        /// The id.
        held: String,
    },
}

/// Why a service-account file gives no project id. Never repeats the file, which holds a private
/// key. The message continues "allowed is".
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("the path of a service-account file; this one cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is far larger than any service-account file.
    #[error("the path of a service-account file; this one has more than {MAX_CREDENTIALS_BYTES} bytes")]
    TooLarge,
    /// It is not a JSON object with a text `project_id`.
    #[error(
        "the path of a service-account file: a JSON object with a text `project_id`, which this one is not"
    )]
    NoProjectId,
    /// Its `project_id` is invalid.
    #[error("the path of a service-account file whose `project_id` is {0}")]
    Shape(#[source] ProjectIdError),
}

/// Reads the `project_id` of the service-account file at `path`, and nothing else of it.
///
/// # Errors
/// If the file does not exist or holds no usable project id.
pub fn project_id_from_credentials(path: &Path) -> Result<String, CredentialsError> {
    // serde skips unnamed fields, so the private key is never copied.
    #[derive(Deserialize)]
    struct ServiceAccount {
        project_id: String,
    }

    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_CREDENTIALS_BYTES + 1).read_to_end(&mut text))
        .map_err(CredentialsError::Unreadable)?;
    if text.len() as u64 > MAX_CREDENTIALS_BYTES {
        return Err(CredentialsError::TooLarge);
    }
    // serde would take an array of one text for the structure too.
    if !text.trim_ascii_start().starts_with(b"{") {
        return Err(CredentialsError::NoProjectId);
    }
    // The parser's own message may quote the file, so it is dropped.
    let account: ServiceAccount = serde_json::from_slice(&text).map_err(|_| CredentialsError::NoProjectId)?;
    ProjectId::new(&account.project_id).map_err(CredentialsError::Shape)?;
    Ok(account.project_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_all_times_are_taken_as_they_are() {
        for id in ["my-project-1", "example.com:my-project", "demo-mymonit", "UPPER_case", "x"] {
            let project_id = ProjectId::new(id).unwrap();
            assert_eq!(project_id.as_str(), id);
            assert_eq!(project_id.issuer(), format!("https://securetoken.google.com/{id}"));
        }
    }

    #[test]
    fn invalid_project_ids_are_refused() {
        let too_long = "a".repeat(129);
        for raw in ["", " ", "a b", "a\n", " a", "a/b", "a\u{0}", "prøject", "a\"b", &too_long] {
            assert_eq!(ProjectId::new(raw), Err(ProjectIdError::Shape), "{raw:?}");
        }
    }

    #[test]
    fn only_ids_that_begin_with_demo_are_demo_ids() {
        let demo = |raw| DemoProjectId::new(ProjectId::new(raw).unwrap());
        assert!(demo("demo-mymonit").is_ok());
        for raw in ["demo", "my-demo-project", "Demo-x", "demo_x", "production"] {
            let message = demo(raw).unwrap_err().to_string();
            assert!(message.contains(raw) && message.contains("`demo-`"), "{message}");
        }
    }

    fn from_file(content: &[u8]) -> Result<String, CredentialsError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        project_id_from_credentials(file.path())
    }

    #[test]
    fn the_project_id_is_read_from_a_service_account_file() {
        let file =
            br#"{"type": "service_account", "project_id": "three", "private_key": "canary", "x": [1, {}]}"#;
        assert_eq!(from_file(file).unwrap(), "three");
    }

    #[test]
    fn a_file_without_a_usable_project_id_is_refused_without_a_word_of_its_content() {
        let contents: [&[u8]; 10] = [
            b"",
            b"canary",
            br#"["canary"]"#,
            br#"{"private_key": "canary"}"#,
            br#"{"project_id": 7, "private_key": "canary"}"#,
            br#"{"project_id": {"canary": 1}}"#,
            br#"{"project_id": "canary canary"}"#,
            br#"{"project_id": "", "private_key": "canary"}"#,
            br#"{"project_id": "x", "private_key": "canary""#,
            b"\xff\xfe canary",
        ];
        for content in contents {
            let error = from_file(content).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains("service-account") && !said.contains("canary"), "{said}");
        }
        let huge = [b"{\"project_id\": \"canary".as_slice(), &[b'y'; 65 * 1024], b"\"}"].concat();
        assert!(matches!(from_file(&huge), Err(CredentialsError::TooLarge)));
    }

    #[test]
    fn an_unreadable_credentials_file_is_an_error() {
        for path in ["/nonexistent/key.json", "/"] {
            let error = project_id_from_credentials(Path::new(path)).unwrap_err();
            assert!(matches!(error, CredentialsError::Unreadable(_)), "{error}");
        }
    }
}
