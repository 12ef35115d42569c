//! `LOG_LEVEL`, `LOG_FORMAT`, `LOGSTASH_HOST`, `LOGSTASH_PORT`, `LOGSTASH_CA_FILE`,
//! `LOGSTASH_CLIENT_IDENTITY_FILE`.

use mymonit_logging::{LogFormat, LoggingConfiguration, LogstashAddress, TlsFiles};

use super::environment::{ConfigurationError, Environment};

/// Reads the configuration. Logstash is off if its host is empty, or unset in evaluation mode.
pub(crate) fn read(
    environment: &Environment,
    evaluation: bool,
) -> Result<LoggingConfiguration, ConfigurationError> {
    let format = match environment.text_or("LOG_FORMAT", "auto")?.trim() {
        "auto" => LogFormat::Auto,
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        held => return Err(ConfigurationError::wrong("LOG_FORMAT", held, "`auto`, `text` or `json`")),
    };
    let port = environment.number("LOGSTASH_PORT", 5959, 1..=u16::MAX)?;
    let host = match environment.text("LOGSTASH_HOST")? {
        Some(host) => Some(host.trim().to_owned()).filter(|host| !host.is_empty()),
        None if environment.is_empty("LOGSTASH_HOST") || evaluation => None,
        None => Some("localhost".to_owned()),
    };
    let tls = tls(environment)?;
    Ok(LoggingConfiguration {
        filter: environment.text_or("LOG_LEVEL", "info")?,
        format,
        logstash: host.map(|host| LogstashAddress { host, port, tls }),
    })
}

/// An authority turns TLS on.
fn tls(environment: &Environment) -> Result<Option<TlsFiles>, ConfigurationError> {
    let ca_file = environment.file("LOGSTASH_CA_FILE")?;
    let client_identity_file = environment.file("LOGSTASH_CLIENT_IDENTITY_FILE")?;
    if ca_file.is_none() && client_identity_file.is_some() {
        let message = "LOGSTASH_CLIENT_IDENTITY_FILE is set without LOGSTASH_CA_FILE, which turns TLS on";
        return Err(ConfigurationError(message.to_owned()));
    }
    Ok(ca_file.map(|ca_file| TlsFiles { ca_file: Some(ca_file), client_identity_file }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logstash(variables: &[(&str, &str)], evaluation: bool) -> Option<(String, u16)> {
        let read = read(&Environment::of(variables), evaluation).unwrap();
        read.logstash.map(|address| (address.host, address.port))
    }

    #[test]
    fn logstash_is_local_by_default_and_off_with_an_empty_host() {
        assert_eq!(logstash(&[], false), Some(("localhost".to_owned(), 5959)));
        assert_eq!(logstash(&[("LOGSTASH_HOST", "")], false), None);
        let variables = [("LOGSTASH_HOST", "logstash"), ("LOGSTASH_PORT", "5000")];
        assert_eq!(logstash(&variables, false), Some(("logstash".to_owned(), 5000)));
    }

    #[test]
    fn an_authority_turns_tls_on() {
        let files: Vec<_> = (0..2).map(|_| tempfile::NamedTempFile::new().unwrap()).collect();
        let [ca, identity] = [&files[0], &files[1]].map(|file| file.path().to_str().unwrap());
        let tls = |variables: &[(&str, &str)]| {
            read(&Environment::of(variables), false).map(|read| read.logstash.unwrap().tls)
        };
        let (ca, identity) = (("LOGSTASH_CA_FILE", ca), ("LOGSTASH_CLIENT_IDENTITY_FILE", identity));
        assert_eq!(tls(&[]).unwrap(), None);
        let files = |identity: Option<&str>| TlsFiles {
            ca_file: Some(ca.1.into()),
            client_identity_file: identity.map(Into::into),
        };
        assert_eq!(tls(&[ca]).unwrap(), Some(files(None)));
        assert_eq!(tls(&[ca, identity]).unwrap(), Some(files(Some(identity.1))));
        let refused = tls(&[identity]).unwrap_err().to_string();
        assert!(refused.starts_with("LOGSTASH_CLIENT_IDENTITY_FILE is set without"), "{refused}");
        let refused = tls(&[("LOGSTASH_CA_FILE", "/no/such/file")]).unwrap_err().to_string();
        assert!(refused.starts_with("LOGSTASH_CA_FILE"), "{refused}");
    }

    #[test]
    fn evaluation_mode_has_no_logstash_by_default() {
        assert_eq!(logstash(&[], true), None);
        assert_eq!(logstash(&[("LOGSTASH_HOST", "logstash")], true), Some(("logstash".to_owned(), 5959)));
    }

    #[test]
    fn the_format_is_automatic_by_default() {
        for (held, expected) in [
            ("", LogFormat::Auto),
            ("auto", LogFormat::Auto),
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
        ] {
            let environment = Environment::of(&[("LOG_FORMAT", held)]);
            assert_eq!(read(&environment, false).unwrap().format, expected, "{held}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_by_name() {
        for (name, held) in [
            ("LOGSTASH_PORT", "0"),
            ("LOGSTASH_PORT", "65536"),
            ("LOGSTASH_PORT", "x"),
            ("LOG_FORMAT", "JSON"),
        ] {
            let refused = read(&Environment::of(&[(name, held)]), false).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{name} holds `{held}`; allowed is ")), "{refused}");
        }
    }
}
