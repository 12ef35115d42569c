//! TLS of the clients in this program: trusted authorities and the client's certificate, as PEM
//! files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Files of a client. They are read for each connection, so a renewed certificate is used from the
/// next one on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates (PEM) of the trusted authorities, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate chain and private key of the client, PEM in one file.
    pub client_identity_file: Option<PathBuf>,
}

/// The variables that name the files, for errors.
#[derive(Debug, Clone, Copy)]
pub struct TlsVariables {
    /// That of [`TlsFiles::ca_file`].
    pub ca_file: &'static str,
    /// That of [`TlsFiles::client_identity_file`].
    pub client_identity_file: &'static str,
}

/// A file cannot be used (the text names it and its variable), or the system has no certificates.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnusableTls(String);

/// Reads the files.
///
/// # Errors
/// Names the file that cannot be used.
pub fn client_configuration(files: &TlsFiles, variables: TlsVariables) -> Result<ClientConfig, UnusableTls> {
    let unusable_tls = |error: rustls::Error| UnusableTls(format!("TLS: {error}"));
    let TlsVariables { ca_file, client_identity_file } = variables;
    let authorities = match &files.ca_file {
        Some(path) => certificates(ca_file, path, &read(ca_file, path)?)?,
        None => system_authorities(ca_file)?,
    };
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(authorities);
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable_tls)?
        .with_root_certificates(trusted);
    Ok(match &files.client_identity_file {
        Some(path) => {
            let pem = read(client_identity_file, path)?;
            let key = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| unusable(client_identity_file, path, "private key", &error))?;
            let chain = certificates(client_identity_file, path, &pem)?;
            builder.with_client_auth_cert(chain, key).map_err(unusable_tls)?
        }
        None => builder.with_no_client_auth(),
    })
}

fn system_authorities(variable: &str) -> Result<Vec<CertificateDer<'static>>, UnusableTls> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(UnusableTls(format!(
            "TLS: the system has no certificates of authorities{why}; set {variable}"
        )));
    }
    Ok(found.certs)
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

    const VARIABLES: TlsVariables =
        TlsVariables { ca_file: "PEER_CA_FILE", client_identity_file: "PEER_CLIENT_IDENTITY_FILE" };

    fn refusal(files: &TlsFiles) -> String {
        client_configuration(files, VARIABLES).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn unusable_files_are_named_with_their_fault() {
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

        let trust = |ca_file| TlsFiles { ca_file, client_identity_file: None };
        assert!(client_configuration(&trust(certificate.clone()), VARIABLES).is_ok());
        for (ca_file, lack) in
            [(&absent, "cannot be read"), (&neither, "no certificate"), (&key, "no certificate")]
        {
            let said = refusal(&trust(ca_file.clone()));
            assert!(
                said.contains(VARIABLES.ca_file) && said.contains(lack) && !said.contains("canary"),
                "{said}"
            );
        }

        let be = |identity| TlsFiles { ca_file: certificate.clone(), client_identity_file: identity };
        assert!(client_configuration(&be(both), VARIABLES).is_ok());
        for (identity, lack) in
            [(&certificate, "no private key"), (&key, "no certificate"), (&neither, "no private key")]
        {
            let said = refusal(&be(identity.clone()));
            assert!(
                said.contains(VARIABLES.client_identity_file)
                    && said.contains(lack)
                    && !said.contains("canary"),
                "{said}"
            );
        }
    }
}
