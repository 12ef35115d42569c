//! Logstash with TLS: each side verifies the other, or nothing is sent.

use std::fs;
use std::sync::Arc;

use mymonit_test_support::{LogstashDouble, ReservedPort};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::environment::{Engine, Service, ServiceBuilder, TIMEOUT, TestEnvironment};

/// An authority, and the certificates of `localhost` and of a client, as files.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority of the test");
        let key = KeyPair::generate().unwrap();
        write("ca.pem", authority.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(authority, key);
        for name in ["localhost", "client"] {
            let key = KeyPair::generate().unwrap();
            let mut certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
            certificate.distinguished_name.push(DnType::CommonName, name);
            let certificate = certificate.signed_by(&key, &issuer).unwrap().pem();
            write(&format!("{name}.pem"), certificate + &key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A server that requires a certificate of this authority.
    fn server(&self, version: &'static SupportedProtocolVersion) -> TlsAcceptor {
        let chain = |name| CertificateDer::pem_file_iter(self.path(name)).unwrap();
        let mut trusted = RootCertStore::empty();
        trusted.add_parsable_certificates(chain("ca.pem").map(Result::unwrap));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider.clone()).build().unwrap();
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                chain("localhost.pem").map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_file(self.path("localhost.pem")).unwrap(),
            );
        TlsAcceptor::from(Arc::new(configuration.unwrap()))
    }
}

/// TLS in front of a double of Logstash, until it is dropped.
async fn listen(port: &ReservedPort, acceptor: TlsAcceptor, logstash: u16) -> JoinSet<()> {
    let listener = TcpListener::bind(("127.0.0.1", port.get())).await.unwrap();
    let mut front = JoinSet::new();
    front.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut behind = TcpStream::connect(("127.0.0.1", logstash)).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut behind).await;
            });
        }
    });
    front
}

async fn service(environment: &TestEnvironment, port: u16, variables: &[(&str, &str)]) -> Service {
    let service = environment.service().unwrap().env("LISTENERS", "rest");
    let service = service.env("LOGSTASH_HOST", "localhost").env("LOGSTASH_PORT", &port.to_string());
    let with = |service: ServiceBuilder, (name, value): &(&str, &str)| service.env(name, value);
    variables.iter().fold(service, with).ready().await.unwrap()
}

/// A line that this service logs, at Logstash.
async fn arrives(service: &Service, logstash: &LogstashDouble, id: &str) {
    let request = service.anonymous().request(reqwest::Method::GET, "/users/me").header("x-request-id", id);
    assert_eq!(request.send().await.unwrap().status(), 401);
    logstash.wait_for_line(id, TIMEOUT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_reach_a_logstash_that_is_verified_and_verifies() {
    let (certificates, port) = (Certificates::new(), ReservedPort::reserve().unwrap());
    let (ca, identity) = (certificates.path("ca.pem"), certificates.path("client.pem"));
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let logstash = LogstashDouble::start().await.unwrap();
    let front = listen(&port, certificates.server(&TLS13), logstash.port()).await;
    let variables = [("LOGSTASH_CA_FILE", &*ca), ("LOGSTASH_CLIENT_IDENTITY_FILE", &*identity)];
    let service = service(&environment, port.get(), &variables).await;
    arrives(&service, &logstash, "first-request").await;
    // Also after a restart, and with the older version of TLS.
    drop(front);
    service.process.wait_for_line("Logstash unreachable", TIMEOUT).await.unwrap();
    let _front = listen(&port, certificates.server(&TLS12), logstash.port()).await;
    arrives(&service, &logstash, "second-request").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_to_a_logstash_that_is_not_verified_or_refuses_the_client() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let (ca, foreign_ca) = (certificates.path("ca.pem"), others.path("ca.pem"));
    let foreign = others.path("client.pem");
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let logstash = LogstashDouble::start().await.unwrap();
    for version in [&TLS13, &TLS12] {
        let port = ReservedPort::reserve().unwrap();
        let _front = listen(&port, certificates.server(version), logstash.port()).await;
        for (variables, reason) in [
            (vec![("LOGSTASH_CA_FILE", &*foreign_ca)], "invalid peer certificate"),
            (vec![("LOGSTASH_CA_FILE", &*ca), ("LOGSTASH_HOST", "127.0.0.1")], "not valid for name"),
            (vec![("LOGSTASH_CA_FILE", &*ca)], "alert"),
            (vec![("LOGSTASH_CA_FILE", &*ca), ("LOGSTASH_CLIENT_IDENTITY_FILE", &*foreign)], "alert"),
        ] {
            let service = service(&environment, port.get(), &variables).await;
            let line = service.process.wait_for_line("Logstash unreachable", TIMEOUT).await.unwrap();
            assert!(line.text.contains(reason), "{reason}: {}", line.text);
            service.stop().await.unwrap();
        }
    }
    assert_eq!(logstash.lines(), Vec::<String>::new());
}
