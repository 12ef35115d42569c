use std::net::IpAddr;

use mymonit_rest_listener::{AllowedOrigins, TrustedProxies};

use super::{ConfigurationError, Environment};

/// Where clients are answered, pages of which origins among them, and who may say on whose behalf a request comes:
/// `REST_HOST`, `REST_PORT`, `REST_CORS_ORIGINS`, `REST_TRUSTED_PROXIES`.
#[derive(Debug)]
pub(crate) struct RestConfiguration {
    /// A host name or an address; every address unless configured, in evaluation mode only this machine.
    pub(crate) host: String,
    /// The TCP port; 0 lets the system choose one.
    pub(crate) port: u16,
    /// The origins whose pages may read the answers; none unless configured.
    pub(crate) cors_origins: AllowedOrigins,
    /// Whose `X-Forwarded-For` is believed; nobody's unless configured.
    pub(crate) trusted_proxies: TrustedProxies,
}

impl RestConfiguration {
    pub(crate) fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        let default = if evaluation { "127.0.0.1" } else { "0.0.0.0" };
        Ok(Self {
            host: environment.text("REST_HOST")?.unwrap_or_else(|| default.to_owned()),
            port: environment.number("REST_PORT", 5000, 0..=u16::MAX)?,
            cors_origins: cors_origins(environment)?,
            trusted_proxies: trusted_proxies(environment)?,
        })
    }

    /// Where this machine reaches the service itself, for its health check.
    pub(crate) fn local_url(&self, path: &str) -> String {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        format!("http://{host}:{}{path}", self.port)
    }
}

/// Origins with commas between them.
fn cors_origins(environment: &Environment) -> Result<AllowedOrigins, ConfigurationError> {
    const NAME: &str = "REST_CORS_ORIGINS";
    let Some(text) = environment.text(NAME)? else { return Ok(AllowedOrigins::default()) };
    AllowedOrigins::new(text.split(',').map(str::trim)).map_err(|refusal| {
        let allowed = "a list of origins such as `https://monit.example.org`, with commas between them";
        ConfigurationError::wrong(NAME, &text, format!("{allowed} ({refusal})"))
    })
}

/// Addresses and networks, with commas between them.
fn trusted_proxies(environment: &Environment) -> Result<TrustedProxies, ConfigurationError> {
    let Some(text) = environment.text("REST_TRUSTED_PROXIES")? else { return Ok(TrustedProxies::default()) };
    text.parse().map_err(|allowed| ConfigurationError::wrong("REST_TRUSTED_PROXIES", &text, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluation_mode_answers_this_machine_only_unless_told_otherwise() {
        let host = |variables, evaluation| {
            RestConfiguration::read(&Environment::of(variables), evaluation).unwrap().host
        };
        assert_eq!(host(&[], false), "0.0.0.0");
        assert_eq!(host(&[], true), "127.0.0.1");
        assert_eq!(host(&[("REST_HOST", "0.0.0.0")], true), "0.0.0.0");
    }

    #[test]
    fn what_names_no_proxy_is_refused_by_name() {
        let environment = Environment::of(&[("REST_TRUSTED_PROXIES", "nginx")]);
        let refused = RestConfiguration::read(&environment, false).unwrap_err().to_string();
        assert!(refused.starts_with("REST_TRUSTED_PROXIES holds `nginx`"), "{refused}");
    }

    #[test]
    fn origins_stand_in_a_list() {
        let read = |held| cors_origins(&Environment::of(&[("REST_CORS_ORIGINS", held)]));
        let origins = |list: &[&str]| AllowedOrigins::new(list.iter().copied()).unwrap();
        assert_eq!(read("").unwrap(), AllowedOrigins::default());
        assert_eq!(read("https://a.org").unwrap(), origins(&["https://a.org"]));
        assert_eq!(
            read("https://a.org, http://b.org:8080").unwrap(),
            origins(&["https://a.org", "http://b.org:8080"])
        );
        for wrong in ["*", "https://a.org/", "https://a.org,", "a.org"] {
            let message = read(wrong).unwrap_err().to_string();
            assert!(message.starts_with(&format!("REST_CORS_ORIGINS holds `{wrong}`")), "{message}");
        }
    }

    #[test]
    fn the_health_check_finds_the_service_wherever_it_listens() {
        for (host, url) in [
            ("0.0.0.0", "http://127.0.0.1:5000/x"),
            ("::", "http://[::1]:5000/x"),
            ("10.0.0.7", "http://10.0.0.7:5000/x"),
            ("app", "http://app:5000/x"),
        ] {
            let environment = Environment::of(&[("REST_HOST", host)]);
            assert_eq!(RestConfiguration::read(&environment, false).unwrap().local_url("/x"), url);
        }
    }
}
