//! Fetches the signing keys by HTTPS through a proxy, with a private certificate authority.

use std::fs;

use anyhow::Context;
use mymonit_test_support::{Nginx, ReservedPort, ServiceProcess};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::environment::{ADMIN, Engine, TIMEOUT, TestEnvironment};

const PROXY: &str = "/usr/bin/tinyproxy";

#[tokio::test]
async fn signing_keys_are_fetched_through_a_proxy_unless_no_proxy_names_the_host() -> anyhow::Result<()> {
    let environment = TestEnvironment::new(Engine::Sqlite).await?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (authority, identity) = certificates()?;
    fs::write(path("authority.pem"), authority)?;
    fs::write(path("server.pem"), identity)?;

    let port = ReservedPort::reserve()?;
    let number = port.get();
    let certs_url = environment.firebase.certs_url();
    let (_, rest) = certs_url.split_once("://").context("a URL")?;
    let (address, keys) = rest.split_once('/').context("a path")?;
    let server = format!(
        "server {{ listen 127.0.0.1:{number} ssl; ssl_certificate {pem}; ssl_certificate_key {pem}; \
         location / {{ proxy_pass http://{address}; }} }}\n",
        pem = path("server.pem")
    );
    let _server = Nginx::start(port, &server).await?;

    let proxy_port = ReservedPort::reserve()?;
    let configuration = format!(
        "Port {}\nListen 127.0.0.1\nAllow 127.0.0.1\nConnectPort {number}\nLogLevel Info\n",
        proxy_port.get()
    );
    fs::write(path("proxy.conf"), configuration)?;
    let proxy = ServiceProcess::builder(PROXY).args(["-d", "-c", &path("proxy.conf")]).start().await?;
    proxy.wait_for_line("Accepting connections", TIMEOUT).await?;
    let connects = || proxy.lines().iter().filter(|line| line.text.contains("CONNECT localhost")).count();

    for (no_proxy, is_used) in [("example.org", true), ("localhost", false)] {
        let before = connects();
        let service = environment.service()?;
        let service = service
            .env("FIREBASE_CERTS_URL", &format!("https://localhost:{number}/{keys}"))
            .env("HTTPS_PROXY", &format!("http://127.0.0.1:{}", proxy_port.get()))
            .env("NO_PROXY", no_proxy)
            .env("SSL_CERT_FILE", &path("authority.pem"));
        let service = service.ready().await?;
        let answer = environment.client(&service, ADMIN).get("/users/me").await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(connects() > before, is_used, "NO_PROXY={no_proxy}");
        service.stop().await?;
    }
    Ok(())
}

/// The certificate of an authority, and certificate and key of `localhost`.
fn certificates() -> anyhow::Result<(String, String)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let certificate = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
    server.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    Ok((certificate, server.signed_by(&key, &issuer)?.pem() + &key.serialize_pem()))
}
