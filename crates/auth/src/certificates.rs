use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde_json::{Map, Value};
use thiserror::Error;
use tracing::warn;

/// Google's certificates of the keys that sign Firebase's ID tokens: JSON, key id to X.509.
const GOOGLE: &str =
    "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com";

/// Google's answer has 3 to 6 KiB.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Google answers within 0.1 s. Requests wait at most this long if no keys are known.
const TIMEOUT: Duration = Duration::from_secs(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long keys are kept where the answer does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Keys of a shorter-lived response still serve the requests that waited for them.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// A withdrawn key is dropped after this time at the latest (Google's lifetime: about 6 hours).
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The address that the certificates of the signing keys are fetched from (`FIREBASE_CERTS_URL`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateAddress(Url);

impl CertificateAddress {
    /// Google's own address, unless `FIREBASE_CERTS_URL` names another one.
    ///
    /// # Errors
    /// If the address is invalid, or neither `https://` nor `http://` to a loopback address: an
    /// attacker who changes the response can sign in as any user.
    pub fn new(firebase_certs_url: Option<&str>) -> Result<Self, CertificateAddressError> {
        let text = firebase_certs_url.unwrap_or(GOOGLE);
        let refused = || CertificateAddressError::Refused { held: text.to_owned() };
        let url = Url::parse(text).map_err(|_| refused())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CertificateAddressError::WithPassword);
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            _ => Err(refused()),
        }
    }

    fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl fmt::Display for CertificateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// Why an address is not taken. The whole message for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateAddressError {
    /// It is not an address, or an unsafe one.
    #[error(
        "FIREBASE_CERTS_URL holds `{held}`; allowed is an `https://` address, or a plain `http://` one to a \
         loopback host (`127.0.0.1`, `[::1]`, `localhost`)"
    )]
    Refused {
        /// The address.
        held: String,
    },
    /// It carries a user or a password, and is not repeated for that reason.
    #[error("FIREBASE_CERTS_URL holds a user or a password; allowed is an address without them")]
    WithPassword,
}

/// The signing keys, by key id.
pub(crate) type Keys = HashMap<String, Arc<DecodingKey>>;

/// What one answer of the address gave.
pub(crate) struct Fetched {
    pub(crate) keys: Keys,
    /// For how long they may be kept.
    pub(crate) lifetime: Duration,
}

/// Why the signing keys could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Nothing has been fetched so far.
    #[error("the signing keys have not been fetched yet")]
    NotYet,
    /// This machine cannot connect by HTTPS, for example without CA certificates.
    #[error("HTTPS cannot be used")]
    Client(#[source] reqwest::Error),
    /// The address was not reached or did not answer in time.
    #[error("the address of the signing keys cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The address answered with another status. Redirects are not followed.
    #[error("the address of the signing keys answered {0} instead of 200")]
    Status(StatusCode),
    /// The answer is far longer than a set of certificates.
    #[error("the address of the signing keys answered with more than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// The answer is not a JSON object.
    #[error("the address of the signing keys answered with something that is no JSON object")]
    NoJson,
    /// The answer holds no certificate of an RSA key.
    #[error("the address of the signing keys answered without a single usable certificate")]
    NoCertificate,
}

/// Fetches the certificates from one address.
pub(crate) struct CertificateSource {
    client: Client,
    address: CertificateAddress,
}

impl CertificateSource {
    pub(crate) fn new(address: CertificateAddress) -> Result<Self, FetchError> {
        let builder = Client::builder()
            .user_agent(concat!("mymonit/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        let builder = if address.is_plain() {
            // A loopback address needs neither a proxy nor CA certificates.
            builder.no_proxy().tls_certs_only([])
        } else {
            builder.https_only(true)
        };
        let client = builder.build().map_err(FetchError::Client)?;
        Ok(Self { client, address })
    }

    pub(crate) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let response = self.client.get(self.address.0.clone()).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let lifetime = lifetime(response.headers());
        let body = bounded_body(response).await?;
        let certificates: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|_| FetchError::NoJson)?;
        let keys = keys(certificates);
        if keys.is_empty() { Err(FetchError::NoCertificate) } else { Ok(Fetched { keys, lifetime }) }
    }
}

fn unreachable(error: reqwest::Error) -> FetchError {
    FetchError::Unreachable(error.without_url())
}

async fn bounded_body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An invalid certificate does not affect the others: their keys still sign tokens.
fn keys(certificates: Map<String, Value>) -> Keys {
    let key = |(kid, certificate): (String, Value)| match certificate.as_str().and_then(key_of) {
        Some(key) => Some((kid, Arc::new(key))),
        None => {
            warn!(kid, "signing key skipped: not a certificate of an RSA key");
            None
        }
    };
    certificates.into_iter().filter_map(key).collect()
}

/// The public key of a PEM certificate. Its dates are ignored, as in the Firebase Admin SDK:
/// the address lists the current keys.
fn key_of(pem: &str) -> Option<DecodingKey> {
    // `from_rsa_pem` would also accept private keys, and return a key that verifies nothing.
    if !pem.trim_start().starts_with("-----BEGIN CERTIFICATE-----") {
        return None;
    }
    DecodingKey::from_rsa_pem(pem.as_bytes()).ok()
}

/// The freshness lifetime: `Cache-Control: max-age` less `Age` (RFC 9111 §4.2), within bounds.
fn lifetime(headers: &HeaderMap) -> Duration {
    let Some(max_age) = max_age(headers) else { return DEFAULT_LIFETIME };
    let age = headers.get(AGE).and_then(|value| value.to_str().ok()).and_then(seconds).unwrap_or_default();
    max_age.saturating_sub(age).clamp(MIN_LIFETIME, MAX_LIFETIME)
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))
        .and_then(|(_, value)| seconds(value.trim().trim_matches('"')))
}

/// A number of seconds; a greater one than fits counts as the greatest (RFC 9111 §1.2.2).
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_variable_the_address_is_googles() {
        let address = CertificateAddress::new(None).unwrap();
        assert_eq!(address.to_string(), GOOGLE);
        assert!(!address.is_plain());
    }

    #[test]
    fn https_goes_anywhere_and_plain_http_to_loopback_addresses_only() {
        for address in [
            "https://mirror.example.org/certs",
            "https://10.0.0.1:8443/x?y=z",
            "http://127.0.0.1:8080/certs",
            "http://127.9.9.9/",
            "http://localhost:1/",
            "http://[::1]:8080/certs",
            "HTTP://LOCALHOST/",
        ] {
            assert!(CertificateAddress::new(Some(address)).is_ok(), "{address}");
        }
        for address in [
            "",
            "certs",
            "127.0.0.1:8080",
            "ftp://127.0.0.1/",
            "file:///etc/passwd",
            "http://",
            "http://mirror.example.org/certs",
            "http://127.0.0.1.example.org/",
            "http://localhost.example.org/",
            "http://128.0.0.1/",
            "http://[::2]/",
            "http://0.0.0.0/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            let message = CertificateAddress::new(Some(address)).unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("FIREBASE_CERTS_URL holds `{address}`; allowed is ")),
                "{message}"
            );
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_not_repeated() {
        for address in
            ["https://canary@example.org/", "https://user:canary@example.org/", "http://u:canary@127.0.0.1/"]
        {
            let message = CertificateAddress::new(Some(address)).unwrap_err().to_string();
            assert!(message.contains("FIREBASE_CERTS_URL") && !message.contains("canary"), "{message}");
        }
    }

    fn lifetime_of(headers: &[(&'static str, &'static str)]) -> u64 {
        let headers = headers.iter().map(|(name, value)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
        });
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        lifetime(&map).as_secs()
    }

    #[test]
    fn keys_are_kept_for_max_age_less_the_time_spent_in_caches() {
        for (cache_control, seconds) in [
            ("public, max-age=19845, must-revalidate, no-transform", 19_845),
            ("max-age=60", 60),
            ("MAX-AGE=60", 60),
            ("max-age = 60", 60),
            ("max-age=\"60\"", 60),
            ("s-maxage=5,max-age=60", 60),
        ] {
            assert_eq!(lifetime_of(&[("cache-control", cache_control)]), seconds, "{cache_control}");
        }
        assert_eq!(lifetime_of(&[("cache-control", "public"), ("cache-control", "max-age=7")]), 7);
        assert_eq!(lifetime_of(&[("cache-control", "max-age=60"), ("age", "20")]), 40);
        assert_eq!(lifetime_of(&[("cache-control", "max-age=60"), ("age", "x")]), 60);
    }

    #[test]
    fn an_absent_or_malformed_max_age_counts_as_five_minutes() {
        assert_eq!(lifetime_of(&[]), 300);
        for cache_control in
            ["", "public", "max-age", "max-age=", "max-age=x", "max-age=-1", "max-age=1.5", "no-cache"]
        {
            assert_eq!(lifetime_of(&[("cache-control", cache_control)]), 300, "{cache_control}");
        }
    }

    #[test]
    fn an_absurd_max_age_is_bounded() {
        let day = 24 * 60 * 60;
        for (cache_control, seconds) in [
            ("max-age=0", 1),
            ("max-age=86401", day),
            ("max-age=18446744073709551615", day),
            ("max-age=99999999999999999999999999", day),
        ] {
            assert_eq!(lifetime_of(&[("cache-control", cache_control)]), seconds, "{cache_control}");
        }
        assert_eq!(lifetime_of(&[("cache-control", "max-age=60"), ("age", "61")]), 1);
    }
}
