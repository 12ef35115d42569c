//! TLS to the broker.

use std::io;
use std::sync::Arc;

use mymonit_tls::{TlsFiles, TlsVariables, UnusableTls, client_configuration};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const VARIABLES: TlsVariables =
    TlsVariables { ca_file: "RABBIT_CA_FILE", client_identity_file: "RABBIT_CLIENT_IDENTITY_FILE" };

/// Reads the files.
///
/// # Errors
/// Names the file that cannot be used.
pub(crate) fn connector(files: &TlsFiles) -> Result<TlsConnector, UnusableTls> {
    Ok(TlsConnector::from(Arc::new(client_configuration(files, VARIABLES)?)))
}

/// Performs the handshake and checks that the certificate is valid for `host`.
pub(crate) async fn connect(
    connector: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    connector.connect(name, stream).await
}
