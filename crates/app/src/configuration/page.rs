use mymonit_rest_listener::FirebaseProject;

use super::auth::AuthConfiguration;
use super::environment::{ConfigurationError, Environment};

const API_KEY: &str = "FIREBASE_API_KEY";

/// The sign-in of the page: `FIREBASE_API_KEY`, and the project of [`AuthConfiguration`].
#[derive(Debug, Clone)]
pub(crate) enum PageConfiguration {
    /// With Firebase, or its emulator.
    Firebase(FirebaseProject),
    /// With a choice of the example users.
    Evaluation,
}

impl PageConfiguration {
    pub(crate) fn read(
        environment: &Environment,
        auth: &AuthConfiguration,
    ) -> Result<Self, ConfigurationError> {
        let api_key = environment.text(API_KEY)?;
        let (project_id, emulator) = match auth {
            AuthConfiguration::Firebase { project_id, .. } => (project_id, None),
            AuthConfiguration::Emulator { project_id, host } => {
                (project_id.project_id(), Some(host.as_str()))
            }
            AuthConfiguration::Evaluation { .. } if api_key.is_none() => return Ok(Self::Evaluation),
            AuthConfiguration::Evaluation { .. } => {
                return Err(ConfigurationError(format!(
                    "{API_KEY} configures Firebase, and evaluation mode gives its users tokens of its own; unset \
                     {API_KEY}, or start without --evaluation and EVALUATION"
                )));
            }
        };
        let checked =
            FirebaseProject::new(project_id.as_str(), api_key.as_deref(), None).map_err(|allowed| {
                ConfigurationError::wrong(API_KEY, api_key.as_deref().unwrap_or_default(), allowed)
            })?;
        let Some(host) = emulator else { return Ok(Self::Firebase(checked)) };
        FirebaseProject::new(project_id.as_str(), api_key.as_deref(), Some(host))
            .map(Self::Firebase)
            .map_err(|allowed| ConfigurationError::wrong("FIREBASE_AUTH_EMULATOR_HOST", host, allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], evaluation: bool) -> Result<PageConfiguration, String> {
        let environment = Environment::of(variables);
        let auth = AuthConfiguration::read(&environment, evaluation).unwrap();
        PageConfiguration::read(&environment, &auth).map_err(|error| error.to_string())
    }

    #[test]
    fn the_key_is_optional() {
        assert!(matches!(read(&[("FIREBASE_PROJECT_ID", "one")], false), Ok(PageConfiguration::Firebase(_))));
        assert!(matches!(read(&[], true), Ok(PageConfiguration::Evaluation)));
    }

    #[test]
    fn a_malformed_key_or_emulator_is_refused_by_name() {
        let message = read(&[("FIREBASE_PROJECT_ID", "one"), (API_KEY, "a b")], false).unwrap_err();
        assert!(message.starts_with("FIREBASE_API_KEY holds `a b`"), "{message}");
        let project = ("FIREBASE_PROJECT_ID", "demo-one");
        let message = read(&[project, ("FIREBASE_AUTH_EMULATOR_HOST", "http://a:1")], false).unwrap_err();
        assert!(message.starts_with("FIREBASE_AUTH_EMULATOR_HOST holds `http://a:1`"), "{message}");
    }

    #[test]
    fn evaluation_mode_refuses_the_key() {
        let message = read(&[(API_KEY, "key")], true).unwrap_err();
        assert!(message.contains(API_KEY) && message.contains("--evaluation"), "{message}");
    }
}
