use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use mymonit_model::Username;
use serde_json::json;
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::claims::Expected;
use crate::jws::Jws;

/// `aud` and `iss` of evaluation mode's tokens; Firebase tokens never have these values.
pub(crate) const EXPECTED: Expected<'static> =
    Expected { audience: "mymonit-evaluation", issuer: "mymonit-evaluation" };

const KEY_BYTES: usize = 32;

/// The key that signs evaluation mode's tokens: 256 random bits in a file of this machine.
///
/// The file holds one line of base64url and is readable by its owner only.
#[derive(Clone)]
pub struct EvaluationKey {
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// Why the key cannot be used. Never repeats the key.
#[derive(Debug, Error)]
pub enum EvaluationKeyError {
    /// The file does not exist.
    #[error("there is no evaluation key in `{}`", .0.display())]
    Absent(PathBuf),
    /// The file holds something else.
    #[error(
        "`{}` is damaged: it holds no evaluation key. Remove it, and the next start of the evaluation mode makes \
         a new one; tokens of the old one are then no longer accepted",
        .0.display()
    )]
    Damaged(PathBuf),
    /// The file cannot be read.
    #[error("the evaluation key in `{}` cannot be read: {cause}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be made.
    #[error("the evaluation key cannot be written to `{}`: {cause}", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The token cannot be signed.
    #[error("the token cannot be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

impl EvaluationKey {
    /// Reads the key that an earlier start made.
    ///
    /// # Errors
    /// If the file does not exist or holds no key.
    pub fn read(path: &Path) -> Result<Self, EvaluationKeyError> {
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(1024).read_to_end(&mut text));
        match read {
            Ok(_) => decode(&text).ok_or_else(|| EvaluationKeyError::Damaged(path.to_owned())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Err(EvaluationKeyError::Absent(path.to_owned()))
            }
            Err(cause) => Err(EvaluationKeyError::Unreadable { path: path.to_owned(), cause }),
        }
    }

    /// Reads or creates the key. Concurrent processes agree on one key.
    ///
    /// # Errors
    /// If the file cannot be created or holds no key. A damaged file is kept: a new key would
    /// silently invalidate all tokens.
    pub fn read_or_create(path: &Path) -> Result<Self, EvaluationKeyError> {
        match Self::read(path) {
            Err(EvaluationKeyError::Absent(_)) => {
                create(path)
                    .map_err(|cause| EvaluationKeyError::Unwritable { path: path.to_owned(), cause })?;
                // Another process may have created the file.
                Self::read(path)
            }
            other => other,
        }
    }

    /// A token for `username` in evaluation mode, valid from now for `valid_for`.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sign(&self, username: &Username, valid_for: Duration) -> Result<String, EvaluationKeyError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({
            "iss": EXPECTED.issuer,
            "aud": EXPECTED.audience,
            "sub": username.as_str(),
            "auth_time": now,
            "iat": now,
            "exp": now.saturating_add(valid_for.as_secs()),
        });
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(EvaluationKeyError::Signing)
    }

    /// Whether the token was signed with this key.
    pub(crate) fn has_signed(&self, jws: &Jws<'_>) -> bool {
        jws.is_signed_with(&self.verifying, Algorithm::HS256)
    }
}

/// Masked, so that no log can show the key.
impl fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EvaluationKey(***)")
    }
}

fn decode(text: &[u8]) -> Option<EvaluationKey> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let secret = URL_SAFE_NO_PAD.decode(line).ok().filter(|secret| secret.len() == KEY_BYTES)?;
    Some(EvaluationKey {
        signing: EncodingKey::from_secret(&secret).ok()?,
        verifying: DecodingKey::from_secret(&secret).ok()?,
    })
}

/// Creates the file with a new key, unless it exists by then.
fn create(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only the owner has access, since personal data may be stored here later.
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut secret = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    // The key is written, readable by its owner only, before the file is renamed; an existing
    // file is never replaced.
    let mut file = NamedTempFile::new_in(folder)?;
    writeln!(file, "{}", URL_SAFE_NO_PAD.encode(secret))?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(refusal) if refusal.error.kind() != io::ErrorKind::AlreadyExists => Err(refusal.error),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Barrier;

    use super::*;

    fn token_of(key: &EvaluationKey) -> String {
        key.sign(&Username::new("uid").unwrap(), Duration::from_secs(60)).unwrap()
    }

    fn agrees(one: &EvaluationKey, other: &EvaluationKey) -> bool {
        other.has_signed(&Jws::parse(&token_of(one)).unwrap())
    }

    #[test]
    fn the_first_start_makes_the_key_and_later_ones_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/evaluation.key");
        assert!(matches!(EvaluationKey::read(&path), Err(EvaluationKeyError::Absent(_))));
        let made = EvaluationKey::read_or_create(&path).unwrap();
        assert!(agrees(&made, &EvaluationKey::read_or_create(&path).unwrap()));
        assert!(agrees(&made, &EvaluationKey::read(&path).unwrap()));
    }

    #[test]
    fn the_file_is_its_owners_only_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let path = data.join("evaluation.key");
        EvaluationKey::read_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }

    #[test]
    fn every_machine_makes_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] =
            ["one", "other"].map(|name| EvaluationKey::read_or_create(&folder.path().join(name)).unwrap());
        assert!(!agrees(&one, &other));
    }

    #[test]
    fn starts_at_the_same_instant_agree_on_one_key() {
        const STARTS: usize = 16;
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("evaluation.key");
            let barrier = Barrier::new(STARTS);
            let keys: Vec<_> = std::thread::scope(|scope| {
                let start = || {
                    barrier.wait();
                    EvaluationKey::read_or_create(&path).unwrap()
                };
                let starts: Vec<_> = (0..STARTS).map(|_| scope.spawn(start)).collect();
                starts.into_iter().map(|start| start.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| agrees(&keys[0], key)));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluation.key");
        let (short, long) = (URL_SAFE_NO_PAD.encode([7; 31]), URL_SAFE_NO_PAD.encode([7; 33]));
        let two_lines = format!("{}\n\n", URL_SAFE_NO_PAD.encode([7; 32]));
        for content in ["", "\n", "canary", "ünlesbar", &short, &long, &two_lines, &"A".repeat(5000)] {
            fs::write(&path, content).unwrap();
            for outcome in [EvaluationKey::read_or_create(&path), EvaluationKey::read(&path)] {
                let message = outcome.unwrap_err().to_string();
                assert!(message.contains("evaluation.key") && message.contains("damaged"), "{message}");
                assert!(!message.contains("canary"), "{message}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn an_unwritable_path_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = EvaluationKey::read_or_create(folder.path()).unwrap_err().to_string();
        assert!(message.contains(folder.path().to_str().unwrap()), "{message}");
        let message = EvaluationKey::read_or_create(Path::new("/proc/nowhere/evaluation.key")).unwrap_err();
        assert!(matches!(message, EvaluationKeyError::Unwritable { .. }), "{message}");
    }

    #[test]
    fn a_key_prints_as_stars() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evaluation.key");
        let key = EvaluationKey::read_or_create(&path).unwrap();
        assert_eq!(format!("{key:?} {key:#?}"), "EvaluationKey(***) EvaluationKey(***)");
    }
}
