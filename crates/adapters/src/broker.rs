//! Address and account of the broker, from the same environment variables as for the service.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use lapin::types::ShortString;
use mymonit_broker::{DEFAULT_EXCHANGE, DEFAULT_ROUTING_KEY, TlsFiles, amqp_uri, compose_uri};
use mymonit_model::Faceted;
use thiserror::Error;

/// A variable cannot be used.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct BrokerConfigurationError(String);

/// Address, account and TLS files of the broker.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    pub(crate) uri: Faceted<String>,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) tls: TlsFiles,
}

impl Broker {
    /// Reads the variables of the process.
    ///
    /// # Errors
    /// Names the variable that cannot be used.
    pub(crate) fn from_environment() -> Result<Self, BrokerConfigurationError> {
        // Variables with names that are not UTF-8 are not ours.
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self::from_variables(&std::env::vars_os().filter_map(named).collect())
    }

    /// The account of the connection, which the broker compares with the property `user-id`.
    pub(crate) fn user(&self) -> Option<ShortString> {
        let uri = amqp_uri(self.uri.reveal()).ok()?;
        let user = uri.authority.userinfo.username;
        ShortString::try_new(user.as_str()).ok().filter(|_| !user.is_empty())
    }

    fn from_variables(variables: &HashMap<String, OsString>) -> Result<Self, BrokerConfigurationError> {
        let text =
            |name: &str, default: &str| Ok(read(variables, name)?.unwrap_or_else(|| default.to_owned()));
        let file = |name: &str| -> Result<Option<PathBuf>, BrokerConfigurationError> {
            Ok(read(variables, name)?.map(PathBuf::from))
        };
        let name = |variable: &str, default: &str| {
            let name = text(variable, default)?;
            // AMQP does not allow longer names.
            if ShortString::try_new(name.as_str()).is_err() {
                return Err(BrokerConfigurationError(format!("{variable} must have at most 255 bytes")));
            }
            Ok(name)
        };
        let password = Faceted::new(text("RABBIT_PASSWORD", "guest")?);
        let uri = compose_uri(&text("RABBIT_URL", "localhost")?, &text("RABBIT_USER", "guest")?, &password)
            .map_err(|error| BrokerConfigurationError(error.to_string()))?;
        Ok(Self {
            uri,
            exchange: name("RABBIT_EXCHANGE", DEFAULT_EXCHANGE)?,
            routing_key: name("RABBIT_ROUTING", DEFAULT_ROUTING_KEY)?,
            tls: TlsFiles {
                ca_file: file("RABBIT_CA_FILE")?,
                client_identity_file: file("RABBIT_CLIENT_IDENTITY_FILE")?,
            },
        })
    }
}

/// The value of `NAME`, or of the file that `NAME_FILE` names, without its final line break.
fn read(
    variables: &HashMap<String, OsString>,
    name: &str,
) -> Result<Option<String>, BrokerConfigurationError> {
    let variable = |name: &str| {
        let value = variables.get(name).filter(|value| !value.is_empty());
        // A value that is not text could be a password, so it is not repeated.
        let text = value.map(|value| {
            value.to_str().ok_or_else(|| BrokerConfigurationError(format!("{name} must be text in UTF-8")))
        });
        text.transpose()
    };
    let file_name = format!("{name}_FILE");
    match (variable(name)?, variable(&file_name)?) {
        (Some(_), Some(_)) => {
            Err(BrokerConfigurationError(format!("{name} and {file_name} are both set; set one of them")))
        }
        (Some(value), None) => Ok(Some(value.to_owned())),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(content) => Ok(Some(content.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => {
                Err(BrokerConfigurationError(format!("{file_name} ({path}) cannot be read: {error}")))
            }
        },
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn variables(set: &[(&str, &str)]) -> HashMap<String, OsString> {
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    }

    #[test]
    fn credentials_come_from_variables_or_files_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "canary\n").unwrap();
        let set = variables(&[
            ("RABBIT_URL", "amqps://rabbit/lab"),
            ("RABBIT_USER", "station"),
            ("RABBIT_PASSWORD_FILE", password.to_str().unwrap()),
        ]);
        let broker = Broker::from_variables(&set).unwrap();
        let uri = amqp_uri(broker.uri.reveal()).unwrap();
        assert_eq!(
            (uri.authority.userinfo.username.as_str(), uri.authority.userinfo.password.as_str()),
            ("station", "canary")
        );
        assert_eq!((uri.authority.port, uri.vhost.as_str()), (5671, "lab"));
        assert!(!format!("{broker:?}").contains("canary"));
    }

    #[test]
    fn invalid_variables_are_named() {
        for (name, value) in [("RABBIT_URL", "http://rabbit"), ("RABBIT_PASSWORD_FILE", "/no/such/file")] {
            let error = Broker::from_variables(&variables(&[(name, value)])).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let long = "k".repeat(256);
        for name in ["RABBIT_EXCHANGE", "RABBIT_ROUTING"] {
            let error = Broker::from_variables(&variables(&[(name, &long)])).unwrap_err().to_string();
            assert_eq!(error, format!("{name} must have at most 255 bytes"));
        }
        let both = variables(&[("RABBIT_USER", "a"), ("RABBIT_USER_FILE", "/b")]);
        assert!(Broker::from_variables(&both).unwrap_err().to_string().contains("RABBIT_USER_FILE"));
    }

    #[test]
    fn a_value_that_is_no_text_is_named_and_not_shown() {
        let value = OsString::from_vec(b"canary\xe9".to_vec());
        let set = [("RABBIT_PASSWORD".to_owned(), value)].into();
        let error = Broker::from_variables(&set).unwrap_err().to_string();
        assert_eq!(error, "RABBIT_PASSWORD must be text in UTF-8");
    }
}
