//! TLS to the server: which server is trusted with the password and the data.

use std::net::IpAddr;
use std::str::FromStr;

use sqlx::Error;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use tokio_rustls::rustls::{self, CertificateError};
use tracing::warn;
use url::Url;

use crate::error::InvalidAddress;

/// TLS to a MySQL server. An address overrides it with `ssl-mode` and `ssl-ca`.
#[derive(Debug, Clone, Default)]
pub struct MySqlTls {
    /// `DB_SSL_MODE`. `None` is `VERIFY_IDENTITY`; on a loopback address or a socket `PREFERRED`.
    pub mode: Option<MySqlTlsMode>,
    /// `DB_SSL_CA`: certificates of authorities, as the path of a PEM file or as the PEM itself.
    pub ca: Option<String>,
}

/// What is asked of the server, by MySQL's names.
#[derive(Debug, Clone, Copy)]
pub struct MySqlTlsMode(MySqlSslMode);

impl FromStr for MySqlTlsMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = "`VERIFY_IDENTITY`, `VERIFY_CA`, `REQUIRED`, `PREFERRED` or `DISABLED`";
        text.parse().map(Self).map_err(|_| allowed)
    }
}

impl MySqlTls {
    /// The options of a `mysql://` URL with this TLS, where the URL does not set its own.
    ///
    /// # Errors
    /// If the URL is invalid, names no database, or sets `VERIFY_CA` without authorities.
    pub(crate) fn options_of(&self, address: &str) -> Result<MySqlConnectOptions, InvalidAddress> {
        let invalid = || InvalidAddress::new("the address is not a valid `mysql://` URL");
        if !address.starts_with("mysql://") {
            return Err(InvalidAddress::new("a MySQL address must begin with `mysql://`"));
        }
        let url = Url::parse(address).map_err(|_| invalid())?;
        let options = MySqlConnectOptions::from_str(address).map_err(|_| invalid())?;
        if options.get_database().is_none() {
            return Err(InvalidAddress::new("a MySQL address must name a database: `mysql://host/database`"));
        }
        let sets = |names: [&str; 2]| url.query_pairs().any(|(name, _)| names.contains(&&*name));
        let mode = if sets(["ssl-mode", "sslmode"]) {
            Some(MySqlTlsMode(options.get_ssl_mode()))
        } else {
            self.mode
        };
        self.apply(options, mode, sets(["ssl-ca", "sslca"]))
    }

    /// The options with this TLS.
    ///
    /// # Errors
    /// If the mode is `VERIFY_CA` without authorities.
    pub(crate) fn options(
        &self,
        options: MySqlConnectOptions,
    ) -> Result<MySqlConnectOptions, InvalidAddress> {
        self.apply(options, self.mode, false)
    }

    fn apply(
        &self,
        options: MySqlConnectOptions,
        mode: Option<MySqlTlsMode>,
        has_ca: bool,
    ) -> Result<MySqlConnectOptions, InvalidAddress> {
        let is_local = options.get_socket().is_some() || is_loopback(options.get_host());
        let default = if is_local { MySqlSslMode::Preferred } else { MySqlSslMode::VerifyIdentity };
        let mode = mode.map_or(default, |mode| mode.0);
        // The driver trusts public authorities as well, whose certificates anyone can get.
        if matches!(mode, MySqlSslMode::VerifyCa) && self.ca.is_none() && !has_ca {
            return Err(InvalidAddress::new(
                "VERIFY_CA needs the server's authority in DB_SSL_CA (or `ssl-ca`); allowed without one is VERIFY_IDENTITY",
            ));
        }
        warn_of(mode, is_local);
        let options = options.ssl_mode(mode);
        Ok(match &self.ca {
            Some(pem) if !has_ca && pem.trim_start().starts_with("-----BEGIN") => {
                options.ssl_ca_from_pem(pem.clone().into_bytes())
            }
            Some(path) if !has_ca => options.ssl_ca(path),
            _ => options,
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn warn_of(mode: MySqlSslMode, is_local: bool) {
    let (mode, risk) = match mode {
        MySqlSslMode::VerifyIdentity => return,
        MySqlSslMode::Preferred if is_local => return,
        MySqlSslMode::VerifyCa => (
            "VERIFY_CA",
            "the server's name is not verified: any server with a certificate of a trusted authority can take the \
             database's place, and get the password and all data",
        ),
        MySqlSslMode::Required => (
            "REQUIRED",
            "the server is not authenticated: any server that answers in the database's place gets the password and \
             all data; encryption protects only from listeners",
        ),
        MySqlSslMode::Preferred => (
            "PREFERRED",
            "the server is not authenticated, and the connection is not encrypted if the server offers no TLS: anyone \
             on the network can read and change the data",
        ),
        MySqlSslMode::Disabled => (
            "DISABLED",
            "the connection is neither encrypted nor authenticated: anyone on the network can read and change the data",
        ),
    };
    warn!(ssl_mode = mode, "database connection not fully protected: {risk}");
}

/// What an operator can do about a failed TLS connection, if the driver's error does not say it.
pub(crate) fn explanation(error: &Error) -> Option<&'static str> {
    let certificate = match error {
        Error::Tls(cause) if cause.to_string().contains("does not support TLS") => {
            return Some(
                "the database server offers no TLS, which DB_SSL_MODE (or `ssl-mode`) demands; nothing was sent. Give the \
                 server a certificate",
            );
        }
        Error::Configuration(cause) if cause.to_string().contains("RSA") => {
            return Some(
                "the database server wants the password over a connection without TLS; give the server a certificate, \
                 and do not disable TLS by DB_SSL_MODE (or `ssl-mode`)",
            );
        }
        Error::Io(cause) => match cause.get_ref()?.downcast_ref()? {
            rustls::Error::InvalidCertificate(refusal) => refusal,
            _ => return None,
        },
        _ => return None,
    };
    Some(match certificate {
        // BadSignature: by another authority of that name, such as a renewed one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the database server's certificate is not signed by a trusted authority; DB_SSL_CA (or `ssl-ca`) must hold the \
             certificate of the authority that signed it"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the database server's certificate is for another host; its subject alternative names must hold the host of \
             DB_HOST (or DATABASE_URL)"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the database server's certificate has expired; renew it"
        }
        CertificateError::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "the database server's certificate is of X.509 version 1, as those are that MySQL makes by itself, and names no \
             host; give the server one of version 3 with its host as subject alternative name, and its authority in \
             DB_SSL_CA (docs/production.md, TLS to the database)"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(address: &str, tls: &MySqlTls) -> (String, String) {
        let options = tls.options_of(address).unwrap();
        let held = format!("{options:?}");
        let ca = held.split_once("ssl_ca: ").unwrap().1.split_once(", ssl_client_cert").unwrap().0;
        (format!("{:?}", options.get_ssl_mode()), ca.to_owned())
    }

    fn tls(mode: Option<&str>, ca: Option<&str>) -> MySqlTls {
        MySqlTls { mode: mode.map(|mode| mode.parse().unwrap()), ca: ca.map(str::to_owned) }
    }

    #[test]
    fn a_server_elsewhere_is_verified_unless_something_else_is_chosen() {
        for (address, set, expected) in [
            ("mysql://db.example.org/d", None, "VerifyIdentity"),
            ("mysql://192.0.2.1/d", None, "VerifyIdentity"),
            ("mysql://[2001:db8::1]/d", None, "VerifyIdentity"),
            ("mysql://localhost.example.org/d", None, "VerifyIdentity"),
            ("mysql://localhost/d", None, "Preferred"),
            ("mysql://127.8.0.1/d", None, "Preferred"),
            ("mysql://[::1]/d", None, "Preferred"),
            ("mysql://db.example.org/d?socket=/run/mysqld.sock", None, "Preferred"),
            ("mysql://localhost/d", Some("VERIFY_IDENTITY"), "VerifyIdentity"),
            ("mysql://db/d", Some("required"), "Required"),
            ("mysql://db/d?ssl-mode=DISABLED", None, "Disabled"),
            ("mysql://db/d?sslmode=preferred", Some("VERIFY_IDENTITY"), "Preferred"),
            ("mysql://localhost/d?ssl-mode=VERIFY_IDENTITY", Some("DISABLED"), "VerifyIdentity"),
        ] {
            assert_eq!(options(address, &tls(set, None)).0, expected, "{address} {set:?}");
        }
    }

    #[test]
    fn the_authorities_of_the_address_win() {
        let set = tls(None, Some("/set.pem"));
        assert_eq!(options("mysql://db/d?ssl-ca=/own.pem", &set).1, "Some(File(\"/own.pem\"))");
        assert_eq!(options("mysql://db/d", &set).1, "Some(File(\"/set.pem\"))");
        let pem = tls(None, Some("-----BEGIN CERTIFICATE-----"));
        assert!(options("mysql://db/d", &pem).1.starts_with("Some(Inline("));
        let bare = MySqlConnectOptions::new().host("db");
        assert!(format!("{:?}", set.options(bare).unwrap()).contains("/set.pem"));
    }

    #[test]
    fn verify_ca_without_an_authority_is_refused() {
        let refused = tls(Some("VERIFY_CA"), None).options_of("mysql://user:canary@db/d").unwrap_err();
        assert!(refused.to_string().starts_with("VERIFY_CA needs the server's authority in DB_SSL_CA"));
        assert!(tls(None, None).options_of("mysql://db/d?ssl-mode=verify_ca").is_err());
        assert!(tls(None, None).options_of("mysql://db/d?ssl-mode=verify_ca&ssl-ca=/own.pem").is_ok());
    }
}
