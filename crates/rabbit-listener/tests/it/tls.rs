use std::fs;
use std::path::{Path, PathBuf};

use mymonit_rabbit_listener::{ConsumerState, RabbitConfiguration, TlsFiles};
use mymonit_test_support::{RabbitMq, ReservedPort};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::broker::Adapter;
use crate::harness::{Running, configuration};
use crate::ingest::ScriptedIngest;
use crate::log::Log;

/// A certificate authority and its certificates, as files.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn make() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        fs::write(folder.path().join("ca.pem"), authority.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(authority, key);
        for name in ["localhost", "client"] {
            let key = KeyPair::generate()?;
            let mut certificate = CertificateParams::new(vec![name.to_owned()])?;
            // A certificate with its authority's name would count as signed by itself.
            certificate.distinguished_name.push(DnType::CommonName, name);
            let certificate = certificate.signed_by(&key, &issuer)?.pem();
            fs::write(folder.path().join(format!("{name}.pem")), certificate + &key.serialize_pem())?;
        }
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        Path::display(&self.path(name)).to_string()
    }
}

#[tokio::test]
async fn a_broker_with_tls_is_consumed_if_each_side_trusts_the_other() -> anyhow::Result<()> {
    let log = Log::capture();
    let (certificates, port) = (Certificates::make()?, ReservedPort::reserve()?);
    let tls = port.get();
    let rabbit = RabbitMq::builder()
        .config(&format!("listeners.ssl.1 = 127.0.0.1:{tls}"))
        .config(&format!("ssl_options.cacertfile = {}", certificates.text("ca.pem")))
        .config(&format!("ssl_options.certfile = {}", certificates.text("localhost.pem")))
        .config(&format!("ssl_options.keyfile = {}", certificates.text("localhost.pem")))
        .config("ssl_options.verify = verify_peer")
        .config("ssl_options.fail_if_no_peer_cert = true")
        .keep(port)
        .start()
        .await?;
    let (ca_file, client_identity_file) =
        (Some(certificates.path("ca.pem")), Some(certificates.path("client.pem")));

    let ingest = ScriptedIngest::new();
    let stranger = Running::start(configuration(&format!("amqps://localhost:{tls}")), &ingest);
    log.says(&["the broker cannot be reached", "TLS", "UnknownIssuer"]).await?;
    stranger.stop().await?;

    let known = TlsFiles { ca_file: ca_file.clone(), client_identity_file: client_identity_file.clone() };
    let otherwise_named =
        RabbitConfiguration { tls: known.clone(), ..configuration(&format!("amqps://127.0.0.1:{tls}")) };
    let impostor = Running::start(otherwise_named, &ingest);
    log.says(&["TLS", "not valid for name"]).await?;
    impostor.stop().await?;

    let anonymous = TlsFiles { ca_file, client_identity_file: None };
    let anonymous =
        RabbitConfiguration { tls: anonymous, ..configuration(&format!("amqps://localhost:{tls}")) };
    let anonymous = Running::start(anonymous, &ingest);
    log.says(&["the broker cannot be reached", "IO error"]).await?;
    assert_ne!(anonymous.state(), ConsumerState::Consuming);
    anonymous.stop().await?;

    let known = RabbitConfiguration { tls: known, ..configuration(&format!("amqps://localhost:{tls}")) };
    let running = Running::consuming(known, &ingest).await?;
    Adapter::connect(&rabbit.url()).await?.publish(0..2_000).await?;
    ingest.messages(2_000).await?;
    running.stop().await?;
    assert_eq!(ingest.values(), (0..2_000).collect::<Vec<_>>());
    Ok(())
}
