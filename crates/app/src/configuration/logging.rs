use mymonit_logging::LogstashAddress;

use super::{ConfigurationError, Environment};

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5959;

/// What is said, and to whom besides standard output: `LOG_LEVEL`, `LOGSTASH_HOST`, `LOGSTASH_PORT`.
#[derive(Debug)]
pub(crate) struct LoggingConfiguration {
    /// A filter in tracing's syntax.
    pub(crate) filter: String,
    /// Where Logstash is. None if the host is set and empty, or not set in evaluation mode, which is for one machine
    /// with nothing configured.
    pub(crate) logstash: Option<LogstashAddress>,
}

impl LoggingConfiguration {
    pub(crate) fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        let filter = environment.text("LOG_LEVEL")?.unwrap_or_else(|| "info".to_owned());
        let port = environment.number("LOGSTASH_PORT", DEFAULT_PORT, 1..=u16::MAX)?;
        let host = match environment.text("LOGSTASH_HOST")? {
            Some(host) => Some(host.trim().to_owned()).filter(|host| !host.is_empty()),
            None if environment.is_empty("LOGSTASH_HOST") || evaluation => None,
            None => Some(DEFAULT_HOST.to_owned()),
        };
        Ok(Self { filter, logstash: host.map(|host| LogstashAddress { host, port }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logstash(variables: &[(&str, &str)], evaluation: bool) -> Option<(String, u16)> {
        let read = LoggingConfiguration::read(&Environment::of(variables), evaluation).unwrap();
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
    fn evaluation_mode_has_no_logstash_unless_told_so() {
        assert_eq!(logstash(&[], true), None);
        assert_eq!(logstash(&[("LOGSTASH_HOST", "logstash")], true), Some(("logstash".to_owned(), 5959)));
    }

    #[test]
    fn a_wrong_port_is_refused_by_name() {
        for held in ["0", "65536", "x"] {
            let variables = [("LOGSTASH_PORT", held)];
            let refused = LoggingConfiguration::read(&Environment::of(&variables), false).unwrap_err();
            assert!(refused.to_string().starts_with("LOGSTASH_PORT"), "{refused}");
        }
    }
}
