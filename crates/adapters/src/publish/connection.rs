use std::fs;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use async_rs::Runtime;
use async_rs::traits::Reactor;
use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, RustlsConnector, RustlsConnectorConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::broker::Broker;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Until the broker has let us in there is no heartbeat that would notice its silence.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It may come.
    Away(String),
    /// It says no, and will say so again.
    Refused(String),
}

/// A channel on which each message is confirmed, and the end of its connection when it is dropped.
pub(super) struct Link {
    pub(super) channel: Channel,
    connection: Connection,
    _lifeline: Lifeline,
}

/// lapin's thread waits for its socket as long as that is open, also where nobody waits for lapin any more.
struct Lifeline(TcpStream);

impl Drop for Lifeline {
    fn drop(&mut self) {
        // It fails where the other side was faster, which is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Link {
    pub(super) async fn connect(broker: &Broker) -> Result<Self, Trouble> {
        let uri = broker.uri().map_err(Trouble::Refused)?;
        let address = format!("{}:{}", uri.authority.host, uri.authority.port);
        let opened = timeout(CONNECT_LIMIT, open(broker, &uri)).await;
        let (stream, lifeline) = opened
            .unwrap_or_else(|_| Err(Trouble::Away("no answer".to_owned())))
            .map_err(|trouble| trouble.at(&address))?;
        let signed_in = timeout(HANDSHAKE_LIMIT, sign_in(uri, stream)).await;
        let (connection, channel) = signed_in
            .unwrap_or_else(|_| Err(Trouble::Away("it accepts the connection and says nothing".to_owned())))
            .map_err(|trouble| trouble.at(&address))?;
        Ok(Self { channel, connection, _lifeline: lifeline })
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        // Everything has been confirmed; the broker notices the end in any case.
        let _ = timeout(Duration::from_secs(2), self.connection.close(200, "done".into())).await;
    }
}

impl Trouble {
    fn at(self, address: &str) -> Self {
        match self {
            Self::Away(why) => Self::Away(format!("{address}: {why}")),
            Self::Refused(why) => Self::Refused(format!("{address}: {why}")),
        }
    }

    fn of(error: &lapin::Error) -> Self {
        let refused = matches!(
            error.kind(),
            ErrorKind::ProtocolError(error) if matches!(
                error.kind(),
                // The second one says that there is no such virtual host.
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
            )
        );
        if refused || matches!(error.kind(), ErrorKind::AuthProviderError(_)) {
            let check = "check RABBIT_USER, RABBIT_PASSWORD and the virtual host in RABBIT_URL";
            Self::Refused(format!("access refused; {check} ({error})"))
        } else {
            Self::Away(error.to_string())
        }
    }
}

type Stream = AsyncTcpStream<<async_rs::Tokio as Reactor>::TcpStream>;

async fn open(broker: &Broker, uri: &AMQPUri) -> Result<(Stream, Lifeline), Trouble> {
    let away = |error: std::io::Error| Trouble::Away(error.to_string());
    let host = &uri.authority.host;
    let runtime = Runtime::tokio_current();
    let mut failure = Trouble::Away("there is no address of that name".to_owned());
    for address in lookup_host((host.as_str(), uri.authority.port)).await.map_err(away)? {
        let stream = match runtime.tcp_connect_addr(address).await {
            Ok(stream) => stream,
            Err(error) => {
                failure = away(error);
                continue;
            }
        };
        let socket = stream.get_ref();
        socket.set_nodelay(true).map_err(away)?;
        let lifeline = Lifeline(TcpStream::from(socket.as_fd().try_clone_to_owned().map_err(away)?));
        let stream = AsyncTcpStream::Plain(stream);
        return match uri.scheme {
            AMQPScheme::AMQP => Ok((stream, lifeline)),
            AMQPScheme::AMQPS => match stream.into_rustls(&tls(broker)?, host).await {
                Ok(stream) => Ok((stream, lifeline)),
                Err(error) => Err(Trouble::Away(format!("TLS: {error}"))),
            },
        };
    }
    Err(failure)
}

async fn sign_in(uri: AMQPUri, stream: Stream) -> Result<(Connection, Channel), Trouble> {
    let stream = Mutex::new(Some(stream));
    let hand_over = async move |_: AMQPUri, _: Runtime<async_rs::Tokio>| {
        let stream = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected).into())
    };
    let trouble = |error: lapin::Error| Trouble::of(&error);
    let connection = Connection::connector(uri, Runtime::tokio_current(), hand_over, properties()).await;
    let connection = connection.map_err(trouble)?;
    let channel = connection.create_channel().await.map_err(trouble)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(trouble)?;
    Ok((connection, channel))
}

/// Without lapin's own recovery: after a reconnection everything that was not confirmed has to be published again,
/// and only the publisher knows what that is.
fn properties() -> ConnectionProperties {
    ConnectionProperties::default()
        .with_connection_name("mymonit-adapter".into())
        .with_client_property("product".into(), "MyMONIT adapter".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
}

/// Reads the files as they are now, so that a renewed certificate counts from the next connection on.
fn tls(broker: &Broker) -> Result<RustlsConnector, Trouble> {
    let failed = |error: std::io::Error| Trouble::Refused(format!("TLS: {error}"));
    let trusted = match &broker.ca_file {
        // A public authority has no say about a private broker.
        Some(path) => {
            RustlsConnectorConfig::default().with_parsable_certificates(certificates("RABBIT_CA_FILE", path)?)
        }
        None => RustlsConnectorConfig::new_with_native_certs().map_err(failed)?,
    };
    let connector = match &broker.client_identity_file {
        Some(path) => {
            const NAME: &str = "RABBIT_CLIENT_IDENTITY_FILE";
            let key = PrivateKeyDer::from_pem_slice(&read(NAME, path)?)
                .map_err(|error| unusable(NAME, path, &format!("holds no private key in PEM: {error}")))?;
            trusted.connector_with_single_cert(certificates(NAME, path)?, key)
        }
        None => trusted.connector_with_no_client_auth(),
    };
    connector.map_err(failed)
}

fn certificates(variable: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let pem = read(variable, path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(unusable(variable, path, "holds no certificate in PEM")),
    }
}

fn read(variable: &str, path: &Path) -> Result<Vec<u8>, Trouble> {
    fs::read(path).map_err(|error| unusable(variable, path, &format!("cannot be read: {error}")))
}

fn unusable(variable: &str, path: &Path, why: &str) -> Trouble {
    Trouble::Refused(format!("{variable} ({}) {why}", path.display()))
}
