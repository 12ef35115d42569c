use anyhow::Context;
use tokio::net::TcpListener;

use super::environment::{ConfigurationError, Environment};

/// The address of a listener: `PREFIX_HOST`, `PREFIX_PORT`.
#[derive(Debug)]
pub(crate) struct ListenAddress {
    prefix: &'static str,
    /// A host name or an address.
    pub(crate) host: String,
    /// The TCP port; 0 lets the system choose one.
    pub(crate) port: u16,
}

impl ListenAddress {
    pub(super) fn read(
        environment: &Environment,
        prefix: &'static str,
        host: &str,
        port: u16,
    ) -> Result<Self, ConfigurationError> {
        Ok(Self {
            prefix,
            host: environment.text_or(&format!("{prefix}_HOST"), host)?,
            port: environment.number(&format!("{prefix}_PORT"), port, 0..=u16::MAX)?,
        })
    }

    /// Binds a TCP listener to the address.
    pub(crate) async fn bind(&self) -> anyhow::Result<TcpListener> {
        let Self { prefix, host, port } = self;
        TcpListener::bind((host.as_str(), *port))
            .await
            .with_context(|| format!("cannot listen on {prefix}_HOST `{host}`, {prefix}_PORT {port}"))
    }
}
