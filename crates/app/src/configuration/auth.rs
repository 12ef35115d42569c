use std::path::Path;

use mymonit_auth::{CertificateAddress, DemoProjectId, ProjectId, project_id_from_credentials};

use super::environment::{ConfigurationError, Environment};

/// Where evaluation mode keeps its key, relative to the working folder.
const EVALUATION_KEY_FILE: &str = "./data/evaluation.key";

const CREDENTIALS_DEFAULT: &str = "./containers/app/private_key.json";

/// Which tokens are accepted: `FIREBASE_PROJECT_ID`, `GOOGLE_CLOUD_PROJECT`,
/// `GOOGLE_APPLICATION_CREDENTIALS`, `FIREBASE_CERTS_URL`, `FIREBASE_AUTH_EMULATOR_HOST`.
#[derive(Debug, Clone)]
pub(crate) enum AuthConfiguration {
    /// The tokens of a Firebase project, signed with Google's keys.
    Firebase {
        /// The project's id.
        project_id: ProjectId,
        /// The address of the keys.
        certificates: CertificateAddress,
    },
    /// The unsigned tokens of the Firebase Auth emulator.
    Emulator {
        /// The project's id.
        project_id: DemoProjectId,
        /// The emulator's `host:port`.
        host: String,
    },
    /// The tokens of evaluation mode.
    Evaluation {
        /// The file of the key that signs them.
        key_file: std::path::PathBuf,
    },
}

impl AuthConfiguration {
    pub(crate) fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        let emulator = environment.text("FIREBASE_AUTH_EMULATOR_HOST")?;
        let project = Project::read(environment)?;
        if evaluation {
            return Self::evaluation(project, emulator);
        }
        let Some(Project { id: project_id, variable }) = project else {
            return Err(ConfigurationError(format!(
                "FIREBASE_PROJECT_ID is not set, nor is GOOGLE_CLOUD_PROJECT, and GOOGLE_APPLICATION_CREDENTIALS \
                 (by default {CREDENTIALS_DEFAULT}) names no file; allowed is the id of the Firebase project whose \
                 users sign in. To try MyMONIT without one, start `mymonit serve --evaluation`"
            )));
        };
        match emulator {
            Some(host) => match DemoProjectId::new(project_id) {
                Ok(project_id) => Ok(Self::Emulator { project_id, host }),
                Err(refusal) => Err(ConfigurationError(format!(
                    "FIREBASE_AUTH_EMULATOR_HOST holds `{host}` while {variable} names the project; allowed is {refusal}"
                ))),
            },
            None => Ok(Self::Firebase { project_id, certificates: certificate_address(environment)? }),
        }
    }

    fn evaluation(project: Option<Project>, emulator: Option<String>) -> Result<Self, ConfigurationError> {
        let configured =
            project.map(|project| project.variable).or(emulator.map(|_| "FIREBASE_AUTH_EMULATOR_HOST"));
        match configured {
            None => Ok(Self::Evaluation { key_file: EVALUATION_KEY_FILE.into() }),
            Some(variable) => Err(ConfigurationError(format!(
                "{variable} configures Firebase, and evaluation mode accepts tokens of its own; unset {variable}, or \
                 start without --evaluation and EVALUATION"
            ))),
        }
    }
}

fn certificate_address(environment: &Environment) -> Result<CertificateAddress, ConfigurationError> {
    let url = environment.text("FIREBASE_CERTS_URL")?;
    CertificateAddress::new(url.as_deref()).map_err(|refusal| ConfigurationError(refusal.to_string()))
}

/// The Firebase project, and the variable that names it.
struct Project {
    id: ProjectId,
    variable: &'static str,
}

impl Project {
    fn read(environment: &Environment) -> Result<Option<Self>, ConfigurationError> {
        const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
        for variable in ["FIREBASE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"] {
            if let Some(text) = environment.text(variable)? {
                let id = ProjectId::new(&text)
                    .map_err(|refusal| ConfigurationError::wrong(variable, &text, refusal))?;
                return Ok(Some(Self { id, variable }));
            }
        }
        let path = match environment.text(CREDENTIALS)? {
            Some(path) => path,
            None if Path::new(CREDENTIALS_DEFAULT).exists() => CREDENTIALS_DEFAULT.to_owned(),
            None => return Ok(None),
        };
        let refused = |refusal: String| ConfigurationError::wrong(CREDENTIALS, &path, refusal);
        let text =
            project_id_from_credentials(Path::new(&path)).map_err(|error| refused(error.to_string()))?;
        let id = ProjectId::new(&text).map_err(|error| refused(error.to_string()))?;
        Ok(Some(Self { id, variable: CREDENTIALS }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], evaluation: bool) -> Result<AuthConfiguration, String> {
        AuthConfiguration::read(&Environment::of(variables), evaluation).map_err(|error| error.to_string())
    }

    #[test]
    fn the_project_comes_from_the_first_variable_that_names_it() {
        let variables = [("FIREBASE_PROJECT_ID", "one"), ("GOOGLE_CLOUD_PROJECT", "two")];
        let project = |variables| match read(variables, false).unwrap() {
            AuthConfiguration::Firebase { project_id, .. } => project_id.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(project(&variables), "one");
        assert_eq!(project(&variables[1..]), "two");
    }

    #[test]
    fn the_project_is_read_from_the_service_account_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        std::fs::write(&path, r#"{"type":"service_account","project_id":"three"}"#).unwrap();
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())];
        assert!(matches!(
            read(&variables, false).unwrap(),
            AuthConfiguration::Firebase { project_id, .. } if project_id.as_str() == "three"
        ));
    }

    #[test]
    fn without_a_project_the_error_names_the_variable_to_set() {
        let message = read(&[], false).unwrap_err();
        assert!(message.contains("FIREBASE_PROJECT_ID") && message.contains("--evaluation"), "{message}");
    }

    #[test]
    fn the_emulator_is_for_demo_projects_only() {
        let host = ("FIREBASE_AUTH_EMULATOR_HOST", "localhost:9099");
        assert!(matches!(
            read(&[host, ("FIREBASE_PROJECT_ID", "demo-x")], false).unwrap(),
            AuthConfiguration::Emulator { .. }
        ));
        let message = read(&[host, ("FIREBASE_PROJECT_ID", "real")], false).unwrap_err();
        assert!(message.contains("FIREBASE_AUTH_EMULATOR_HOST") && message.contains("demo-"), "{message}");
    }

    #[test]
    fn evaluation_mode_refuses_every_firebase_configuration() {
        assert!(matches!(read(&[], true).unwrap(), AuthConfiguration::Evaluation { .. }));
        for variable in ["FIREBASE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT", "FIREBASE_AUTH_EMULATOR_HOST"] {
            let message = read(&[(variable, "x")], true).unwrap_err();
            assert!(message.contains(variable), "{message}");
        }
    }

    #[test]
    fn plain_http_is_allowed_for_loopback_addresses_only() {
        let project = ("FIREBASE_PROJECT_ID", "one");
        let message = read(&[project, ("FIREBASE_CERTS_URL", "http://example.org/keys")], false).unwrap_err();
        assert!(message.starts_with("FIREBASE_CERTS_URL"), "{message}");
        assert!(read(&[project, ("FIREBASE_CERTS_URL", "http://127.0.0.1:9/keys")], false).is_ok());
    }

    #[test]
    fn a_malformed_project_id_is_refused() {
        let message = read(&[("FIREBASE_PROJECT_ID", "a b")], false).unwrap_err();
        assert!(message.starts_with("FIREBASE_PROJECT_ID holds `a b`"), "{message}");
    }
}
