//! Who we are to the broker, and who it has to be to us.

use std::fs;
use std::path::{Path, PathBuf};

use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

const CA_FILE: &str = "RABBIT_CA_FILE";
const IDENTITY_FILE: &str = "RABBIT_CLIENT_IDENTITY_FILE";

/// The files that `amqps` may need. They are read for each new connection, so that a renewed certificate counts from
/// the next one on.
#[derive(Debug, Clone, Default)]
pub struct RabbitTls {
    /// Certificates (PEM) of the authorities to trust (`RABBIT_CA_FILE`), instead of the system's: a public authority
    /// has no say about a private broker.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain and the private key (PEM, in one file) to show to the broker
    /// (`RABBIT_CLIENT_IDENTITY_FILE`).
    pub client_identity_file: Option<PathBuf>,
}

/// A file cannot be used, which is named with its variable; or the system has no certificates.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnusableTls(String);

/// Reads the files as they are now.
///
/// # Errors
/// Names the file that cannot be used.
pub fn connector(tls: &RabbitTls) -> Result<RustlsConnector, UnusableTls> {
    let trusted = match &tls.ca_file {
        Some(path) => {
            let authorities = certificates(CA_FILE, path, &read(CA_FILE, path)?)?;
            RustlsConnectorConfig::default().with_parsable_certificates(authorities)
        }
        None => RustlsConnectorConfig::new_with_native_certs().map_err(|error| {
            UnusableTls(format!(
                "TLS: the system has no certificates of authorities ({error}); set {CA_FILE}"
            ))
        })?,
    };
    let connector = match &tls.client_identity_file {
        Some(path) => {
            let pem = read(IDENTITY_FILE, path)?;
            let key = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| unusable(IDENTITY_FILE, path, "private key", &error))?;
            trusted.connector_with_single_cert(certificates(IDENTITY_FILE, path, &pem)?, key)
        }
        None => trusted.connector_with_no_client_auth(),
    };
    connector.map_err(|error| UnusableTls(format!("TLS: {error}")))
}

fn read(variable: &str, path: &Path) -> Result<Vec<u8>, UnusableTls> {
    fs::read(path)
        .map_err(|error| UnusableTls(format!("{variable} ({}) cannot be read: {error}", path.display())))
}

fn certificates(
    variable: &str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, UnusableTls> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    certificates
        .and_then(|found| if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) })
        .map_err(|error| unusable(variable, path, "certificate", &error))
}

fn unusable(variable: &str, path: &Path, what: &str, error: &pem::Error) -> UnusableTls {
    UnusableTls(format!("{variable} ({}) holds no {what} in PEM: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn refusal(tls: &RabbitTls) -> String {
        connector(tls).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["rabbit".to_owned()]).unwrap();
        let write = |name: &str, text: String| {
            fs::write(folder.path().join(name), text).unwrap();
            Some(folder.path().join(name))
        };
        let certificate = write("certificate", cert.pem());
        let key = write("key", signing_key.serialize_pem());
        let both = write("both", cert.pem() + &signing_key.serialize_pem());
        let neither = write("neither", "canary".to_owned());
        let absent = Some(folder.path().join("absent"));

        let trust = |ca_file| RabbitTls { ca_file, client_identity_file: None };
        assert!(connector(&trust(certificate.clone())).is_ok());
        for (ca_file, lack) in
            [(&absent, "cannot be read"), (&neither, "no certificate"), (&key, "no certificate")]
        {
            let said = refusal(&trust(ca_file.clone()));
            assert!(said.contains(CA_FILE) && said.contains(lack) && !said.contains("canary"), "{said}");
        }

        let be = |identity| RabbitTls { ca_file: certificate.clone(), client_identity_file: identity };
        assert!(connector(&be(both)).is_ok());
        for (identity, lack) in
            [(&certificate, "no private key"), (&key, "no certificate"), (&neither, "no private key")]
        {
            let said = refusal(&be(identity.clone()));
            assert!(
                said.contains(IDENTITY_FILE) && said.contains(lack) && !said.contains("canary"),
                "{said}"
            );
        }
    }
}
