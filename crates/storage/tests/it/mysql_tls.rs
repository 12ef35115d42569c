//! Only a server that the configuration verifies gets the password.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mymonit_model::Faceted;
use mymonit_storage::{LegacyImport, MySqlDatabase, MySqlTls, PrepareError};
use mymonit_test_support::MySqlServer;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SigningKey as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::database::sqlite_stores;
use crate::import_legacy::import;

/// An authority and one certificate of a server, as files.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// With a certificate for `localhost`.
    fn new() -> Self {
        Self::with(|certificate, _| certificate)
    }

    /// With a certificate of X.509 version 1: no field for the version, and no extensions.
    fn of_version_1() -> Self {
        Self::with(|certificate, key| {
            let [body, algorithm, _] = elements(contents(&certificate))[..] else { panic!("a certificate") };
            let body = der(0x30, &elements(contents(body))[1..].concat());
            let signature = [&[0], key.sign(&body).unwrap().as_slice()].concat();
            der(0x30, &[&body, algorithm, &der(0x03, &signature)].concat())
        })
    }

    fn with(change: impl Fn(Vec<u8>, &KeyPair) -> Vec<u8>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority of the test");
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
        let issuer = Issuer::new(authority, &authority_key);
        let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        certificate.distinguished_name.push(DnType::CommonName, "server of the test");
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let text = STANDARD.encode(change(certificate.der().to_vec(), &authority_key));
        write("certificate.pem", format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"));
        write("key.pem", key.serialize_pem());
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    async fn server(&self) -> MySqlServer {
        let option = |name: &str, file: &str| format!("--ssl-{name}={}", self.text(file));
        let options = [option("cert", "certificate.pem"), option("key", "key.pem"), option("ca", "ca.pem")];
        MySqlServer::start_with(&options.each_ref().map(String::as_str)).await.unwrap()
    }

    fn acceptor(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_file(self.path("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.path("key.pem")).unwrap();
        let configuration = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(configuration))
    }
}

/// An element of DER, whose lengths are as short as possible.
fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).unwrap().to_be_bytes();
    let header: &[u8] = match contents.len() {
        0..=0x7f => &[tag, low],
        0x80..=0xff => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, contents].concat()
}

/// The length of an element's header, and of its contents.
fn lengths(element: &[u8]) -> (usize, usize) {
    match element[1] {
        length @ 0..=0x7f => (2, length.into()),
        0x81 => (3, element[2].into()),
        _ => (4, u16::from_be_bytes([element[2], element[3]]).into()),
    }
}

fn contents(element: &[u8]) -> &[u8] {
    &element[lengths(element).0..]
}

fn elements(mut contents: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !contents.is_empty() {
        let (header, length) = lengths(contents);
        let (element, rest) = contents.split_at(header + length);
        found.push(element);
        contents = rest;
    }
    found
}

/// The service's error for the server at that address; empty if it connects.
async fn refusal(address: &str, ca: Option<String>) -> String {
    let tls = MySqlTls { mode: None, ca };
    let database = MySqlDatabase::from_url_with(&Faceted::new(address.to_owned()), &tls, 1).unwrap();
    match mymonit_storage::Database::MySql(database).prepare().await {
        Ok(()) => String::new(),
        Err(PrepareError::Unavailable(cause)) => cause.to_string(),
        Err(error) => panic!("not worth another try: {error}"),
    }
}

/// A server in the database's place that speaks MySQL's protocol up to the sign-in. Returns what
/// the client has sent, unencrypted and through TLS.
struct FakeServer {
    address: String,
    heard: JoinHandle<(Vec<u8>, Vec<u8>)>,
}

impl FakeServer {
    async fn start(acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            Self::listen(stream, acceptor).await
        });
        Self { address: format!("mysql://root:canary@localhost:{port}/d"), heard }
    }

    async fn listen(mut stream: TcpStream, acceptor: Option<TlsAcceptor>) -> (Vec<u8>, Vec<u8>) {
        const SSL: u32 = 0x800;
        // PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
        let capabilities = 0x0008_8200 | if acceptor.is_some() { SSL } else { 0 };
        let [low, high] = [capabilities & 0xffff, capabilities >> 16].map(|half| half.to_le_bytes());
        let greeting = [
            b"\x0a8.4.0\0\x01\0\0\0abcdefgh\0",
            &low[..2],
            b"\x2d\x02\0",
            &high[..2],
            b"\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_clear_password\0",
        ]
        .concat();
        let length = u8::try_from(greeting.len()).unwrap();
        stream.write_all(&[&[length, 0, 0, 0], greeting.as_slice()].concat()).await.unwrap();
        let (mut clear, mut secret) = (Vec::new(), Vec::new());
        let Some(acceptor) = acceptor else {
            let _ = stream.read_to_end(&mut clear).await;
            return (clear, secret);
        };
        // The request for TLS: a header, and 32 bytes without names.
        clear.resize(36, 0);
        stream.read_exact(&mut clear).await.unwrap();
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let _ = stream.read_buf(&mut secret).await;
        }
        (clear, secret)
    }

    async fn heard(self) -> (Vec<u8>, Vec<u8>) {
        self.heard.await.unwrap()
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_no_password() {
    let authority = Authority::new();
    for mode in ["VERIFY_IDENTITY", "VERIFY_CA", "REQUIRED"] {
        let fake_server = FakeServer::start(None).await;
        let said =
            refusal(&format!("{}?ssl-mode={mode}", fake_server.address), Some(authority.text("ca.pem")))
                .await;
        assert!(said.starts_with("the database server offers no TLS"), "{mode}: {said}");
        let (clear, _) = fake_server.heard().await;
        assert_eq!(clear, b"", "{mode}");
    }
}

#[tokio::test]
async fn a_server_with_a_foreign_certificate_gets_neither_account_nor_password() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    for (mode, is_told) in [("VERIFY_IDENTITY", false), ("VERIFY_CA", false), ("REQUIRED", true)] {
        let fake_server = FakeServer::start(Some(foreign.acceptor())).await;
        let address = format!("{}?ssl-mode={mode}", fake_server.address);
        let said = refusal(&address, Some(authority.text("ca.pem"))).await;
        let (clear, secret) = fake_server.heard().await;
        assert!(!clear.windows(4).any(|bytes| bytes == b"root"), "{mode}");
        // REQUIRED does not protect from a server that impersonates the database.
        assert_eq!(secret.windows(6).any(|bytes| bytes == b"canary"), is_told, "{mode}: {secret:?}");
        assert_eq!(said.contains("not signed by a trusted authority"), !is_told, "{mode}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn the_old_database_is_verified_like_the_own_one() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let target = sqlite_stores(folder.path().join("target.db").to_str().unwrap(), 1);
    target.prepare().await.unwrap();
    let fake_server = FakeServer::start(Some(foreign.acceptor())).await;
    let tls = MySqlTls { mode: "VERIFY_IDENTITY".parse().ok(), ca: Some(authority.text("ca.pem")) };
    let import = LegacyImport { tls, ..import(&target) };
    let refused = import.run(&Faceted::new(fake_server.address.clone())).await.unwrap_err().to_string();
    assert!(refused.contains("not signed by a trusted authority"), "{refused}");
    assert_eq!(fake_server.heard().await.1, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_known_by_its_authority_and_its_name() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let server = authority.server().await;
    let url = server.create_database().await.unwrap();
    let ca = || Some(authority.text("ca.pem"));
    let pem = || Some(fs::read_to_string(authority.path("ca.pem")).unwrap());
    let named = url.replace("127.0.0.1", "localhost");
    for (address, mode, ca, expected) in [
        (&named, "VERIFY_IDENTITY", ca(), ""),
        (&named, "VERIFY_IDENTITY", pem(), ""),
        (&url, "VERIFY_IDENTITY", ca(), "the database server's certificate is for another host"),
        (&url, "VERIFY_CA", ca(), ""),
        (&named, "VERIFY_IDENTITY", None, "the database server's certificate is not signed by a trusted"),
        (
            &named,
            "VERIFY_CA",
            Some(foreign.text("ca.pem")),
            "the database server's certificate is not signed by a trusted",
        ),
    ] {
        let said = refusal(&format!("{address}?ssl-mode={mode}"), ca).await;
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{mode}: {said}");
    }
    let own = format!("{named}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", authority.text("ca.pem"));
    assert_eq!(refusal(&own, Some(foreign.text("ca.pem"))).await, "");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_version_1_is_refused_with_what_to_do() {
    let authority = Authority::of_version_1();
    let server = authority.server().await;
    let url = server.create_database().await.unwrap().replace("127.0.0.1", "localhost");
    for mode in ["VERIFY_IDENTITY", "VERIFY_CA"] {
        let said = refusal(&format!("{url}?ssl-mode={mode}"), Some(authority.text("ca.pem"))).await;
        assert!(said.contains("X.509 version 1") && said.contains("subject alternative name"), "{said}");
    }
    server.stop().await.unwrap();
}
