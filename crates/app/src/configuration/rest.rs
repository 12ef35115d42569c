use std::net::IpAddr;

use mymonit_rest_listener::{AllowedOrigins, TrustedProxies};
use mymonit_services::{DEFAULT_API_TOKEN_MAX_DAYS, UserRate};

use super::address::ListenAddress;
use super::environment::{ConfigurationError, Environment};

/// More than one person's programs need.
const DEFAULT_RATE: u32 = 1_000;
/// The greatest `REST_USER_REQUESTS_PER_SECOND`.
const MAX_RATE: u32 = 100_000;
/// The greatest `API_TOKEN_MAX_DAYS`.
const API_TOKEN_DAYS_OF_TEN_YEARS: u32 = 3_660;

/// The REST listener: `REST_HOST`, `REST_PORT`, `REST_CORS_ORIGINS`, `REST_TRUSTED_PROXIES`,
/// `API_TOKEN_MAX_DAYS`, `REST_USER_REQUESTS_PER_SECOND`.
#[derive(Debug)]
pub(crate) struct RestConfiguration {
    /// All addresses by default, in evaluation mode the loopback address.
    pub(crate) address: ListenAddress,
    /// The origins whose pages may read the responses; none by default.
    pub(crate) cors_origins: AllowedOrigins,
    /// The proxies whose `X-Forwarded-For` is trusted; none by default.
    pub(crate) trusted_proxies: TrustedProxies,
    /// The longest lifetime of an API token; 0 turns API tokens off.
    pub(crate) api_token_max_days: u32,
    /// How many requests each user may make; any number in evaluation mode.
    pub(crate) user_rate: UserRate,
}

impl RestConfiguration {
    pub(crate) fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        let default = if evaluation { "127.0.0.1" } else { "0.0.0.0" };
        Ok(Self {
            address: ListenAddress::read(environment, "REST", default, 5000)?,
            cors_origins: cors_origins(environment)?,
            trusted_proxies: trusted_proxies(environment)?,
            api_token_max_days: environment.number(
                "API_TOKEN_MAX_DAYS",
                DEFAULT_API_TOKEN_MAX_DAYS,
                0..=API_TOKEN_DAYS_OF_TEN_YEARS,
            )?,
            user_rate: UserRate::per_second(environment.number(
                "REST_USER_REQUESTS_PER_SECOND",
                if evaluation { 0 } else { DEFAULT_RATE },
                0..=MAX_RATE,
            )?),
        })
    }

    /// A URL of the service for a client on this machine.
    pub(crate) fn local_url(&self, path: &str) -> String {
        let host = match self.address.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "[::1]".to_owned(),
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.address.host.clone(),
        };
        format!("http://{host}:{}{path}", self.address.port)
    }
}

/// A comma-separated list of origins.
fn cors_origins(environment: &Environment) -> Result<AllowedOrigins, ConfigurationError> {
    const NAME: &str = "REST_CORS_ORIGINS";
    let Some(text) = environment.text(NAME)? else { return Ok(AllowedOrigins::default()) };
    AllowedOrigins::new(text.split(',').map(str::trim)).map_err(|refusal| {
        let allowed = "a list of origins such as `https://monit.example.org`, with commas between them";
        ConfigurationError::wrong(NAME, &text, format!("{allowed} ({refusal})"))
    })
}

/// A comma-separated list of addresses and networks.
fn trusted_proxies(environment: &Environment) -> Result<TrustedProxies, ConfigurationError> {
    let Some(text) = environment.text("REST_TRUSTED_PROXIES")? else { return Ok(TrustedProxies::default()) };
    text.parse().map_err(|allowed| ConfigurationError::wrong("REST_TRUSTED_PROXIES", &text, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluation_mode_listens_on_loopback_by_default() {
        let host = |variables, evaluation| {
            RestConfiguration::read(&Environment::of(variables), evaluation).unwrap().address.host
        };
        assert_eq!(host(&[], false), "0.0.0.0");
        assert_eq!(host(&[], true), "127.0.0.1");
        assert_eq!(host(&[("REST_HOST", "0.0.0.0")], true), "0.0.0.0");
    }

    #[test]
    fn a_malformed_proxy_is_refused_by_name() {
        let environment = Environment::of(&[("REST_TRUSTED_PROXIES", "nginx")]);
        let refused = RestConfiguration::read(&environment, false).unwrap_err().to_string();
        assert!(refused.starts_with("REST_TRUSTED_PROXIES holds `nginx`"), "{refused}");
    }

    #[test]
    fn origins_are_a_list() {
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
    fn the_health_check_uses_the_configured_address() {
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
