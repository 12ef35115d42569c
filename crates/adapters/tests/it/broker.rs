//! The adapter with a broker that is unreachable, refuses, lacks a queue, or uses TLS.

use std::fs;

use mymonit_test_support::{RabbitMq, ReservedPort, ServiceProcess};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::environment::{BINARY, TIMEOUT, TestEnvironment};

const SIMPLE: [&str; 6] = ["run", "--experiment", "device-vibrations", "--measure", "hertz", "values.txt"];

#[tokio::test]
async fn unroutable_messages_wait_until_the_service_starts() {
    let broker_url = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("values.txt"), "1\n2\n").unwrap();
    let adapter = ServiceProcess::builder(BINARY)
        .args(SIMPLE)
        .env("RABBIT_URL", &broker_url)
        .env("XDG_STATE_HOME", folder.path())
        .working_folder(folder.path())
        .start()
        .await
        .unwrap();
    adapter.wait_for_line("the broker has no such exchange: is MyMONIT running?", TIMEOUT).await.unwrap();
    declare_exchange_only(&broker_url).await.unwrap();
    adapter.wait_for_line("no queue is bound for the messages", TIMEOUT).await.unwrap();

    let environment = TestEnvironment::with_broker(broker_url).await.unwrap();
    let exit = adapter.wait_for_exit(TIMEOUT).await.unwrap();
    assert!(exit.success(), "{:?}", adapter.lines());
    let values: Vec<_> =
        environment.measures_when(2, TIMEOUT).await.unwrap().iter().map(|measure| measure.value).collect();
    assert_eq!(values, [1.0, 2.0]);
}

/// As a service that is still starting.
async fn declare_exchange_only(url: &str) -> anyhow::Result<()> {
    use lapin::options::ExchangeDeclareOptions;
    use lapin::types::FieldTable;
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let (name, kind) = ("mymonit".into(), lapin::ExchangeKind::Direct);
    channel.exchange_declare(name, kind, durable, FieldTable::default()).await?;
    Ok(())
}

#[tokio::test]
async fn a_refusing_broker_is_reported_at_once_without_the_password() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\n").unwrap();
    fs::write(environment.path("password"), "canary\n").unwrap();
    let url = environment.broker_url.replace("guest:guest@", "");
    let password = environment.path("password");
    let variables = [
        ("RABBIT_URL", url.as_str()),
        ("RABBIT_USER", "nobody"),
        ("RABBIT_PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let refused = environment.run_with(&SIMPLE, &variables).await.unwrap();
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("access refused; check RABBIT_USER, RABBIT_PASSWORD"), "{refused:?}");
    assert!(!refused.stderr.contains("canary"), "{refused:?}");

    let wrong = environment.run_with(&SIMPLE, &[("RABBIT_URL", "http://rabbit")]).await.unwrap();
    assert!(wrong.code == 2 && wrong.stderr.contains("RABBIT_URL"), "{wrong:?}");
}

#[tokio::test]
async fn give_up_after_ends_the_adapter_without_loss() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1.5\n").unwrap();
    let nobody = ReservedPort::reserve().unwrap();
    let away = format!("127.0.0.1:{}", nobody.get());
    let patient = [&SIMPLE[..], &["--give-up-after", "0.3"]].concat();
    let gave_up = environment.run_with(&patient, &[("RABBIT_URL", &away)]).await.unwrap();
    assert_eq!(gave_up.code, 4, "{gave_up:?}");
    assert!(
        gave_up.stderr.contains(&away) && gave_up.stderr.contains("kept for the next run"),
        "{gave_up:?}"
    );

    // The file is no longer needed.
    fs::write(environment.path("values.txt"), "").unwrap();
    let done = environment.run(&SIMPLE).await.unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("1 messages were left from an earlier run"), "{done:?}");
    assert_eq!(environment.measures_when(1, TIMEOUT).await.unwrap()[0].value, 1.5);
}

#[tokio::test]
async fn mutual_tls_with_the_broker_works() {
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path()).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let port = ReservedPort::reserve().unwrap();
    let tls_url = format!("amqps://localhost:{}", port.get());
    let broker = RabbitMq::builder()
        .config(&format!("listeners.ssl.1 = 127.0.0.1:{}", port.get()))
        .config(&format!("ssl_options.cacertfile = {}", path("ca.pem")))
        .config(&format!("ssl_options.certfile = {}", path("localhost.pem")))
        .config(&format!("ssl_options.keyfile = {}", path("localhost.pem")))
        .config("ssl_options.verify = verify_peer")
        .config("ssl_options.fail_if_no_peer_cert = true")
        .keep(port)
        .start()
        .await
        .unwrap();
    let environment = TestEnvironment::with_broker(broker.url()).await.unwrap();
    fs::write(environment.path("values.txt"), "1\n").unwrap();
    let (ca, client) = (path("ca.pem"), path("client.pem"));
    let patient = [&SIMPLE[..], &["--give-up-after", "0.1"]].concat();

    let stranger = environment
        .run_with(&patient, &[("RABBIT_URL", &tls_url), ("RABBIT_CA_FILE", &client)])
        .await
        .unwrap();
    assert!(stranger.code == 4 && stranger.stderr.contains("TLS"), "{stranger:?}");
    let nobody =
        environment.run_with(&patient, &[("RABBIT_URL", &tls_url), ("RABBIT_CA_FILE", &ca)]).await.unwrap();
    assert_eq!(nobody.code, 4, "{nobody:?}");
    let useless = [("RABBIT_URL", tls_url.as_str()), ("RABBIT_CA_FILE", "/no/such/file")];
    let useless = environment.run_with(&patient, &useless).await.unwrap();
    assert!(
        useless.code == 4 && useless.stderr.contains("RABBIT_CA_FILE (/no/such/file) cannot be read"),
        "{useless:?}"
    );

    let known =
        [("RABBIT_URL", tls_url.as_str()), ("RABBIT_CA_FILE", &ca), ("RABBIT_CLIENT_IDENTITY_FILE", &client)];
    let done = environment.run_with(&SIMPLE, &known).await.unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(environment.measures_when(1, TIMEOUT).await.unwrap().len(), 1);
}

/// A certificate authority, with certificates for the broker and the adapter.
fn make_certificates(folder: &std::path::Path) -> anyhow::Result<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    fs::write(folder.join("ca.pem"), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    for name in ["localhost", "client"] {
        let key = KeyPair::generate()?;
        let mut certificate = CertificateParams::new(vec![name.to_owned()])?;
        // A certificate with its authority's name would count as self-signed.
        certificate.distinguished_name.push(DnType::CommonName, name);
        let certificate = certificate.signed_by(&key, &issuer)?.pem();
        fs::write(folder.join(format!("{name}.pem")), certificate + &key.serialize_pem())?;
    }
    Ok(())
}
