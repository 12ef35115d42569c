use std::io;
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use mymonit_model::Faceted;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::stream::{Stream, StreamReactor};
use crate::{TlsFiles, UnusableTls, amqp_uri, tls};

/// For TCP and TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For signing in and opening the channel. Heartbeats, which would notice a silent broker, begin
/// after that.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(10);

/// What to check when the broker refuses access.
pub const ACCESS_ADVICE: &str = "check RABBIT_USER, RABBIT_PASSWORD and the virtual host in RABBIT_URL";

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// No answer, or not that of an AMQP broker. A retry may succeed.
    #[error("{0}")]
    Unreachable(String),
    /// The broker refuses the account or the virtual host.
    #[error("{address}: access refused; {ACCESS_ADVICE} ({reply})")]
    Refused {
        /// Host and port.
        address: String,
        /// AMQP's code and the broker's text, without user and password.
        reply: String,
    },
    /// A certificate file cannot be used.
    #[error(transparent)]
    Tls(#[from] UnusableTls),
}

impl ConnectError {
    /// Whether the settings have to change before a retry can succeed.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Tls(_))
    }
}

/// A connection with one channel. Dropping it closes the socket.
pub struct BrokerConnection {
    /// The connection.
    pub connection: Connection,
    /// The only channel.
    pub channel: Channel,
    // Dropped after the connection, which may still send its close.
    _socket: SocketShutdown,
}

/// Connects, signs in and opens a channel. The broker shows `name` and `product` to its operator.
/// `wrap` may put a filter between the socket and lapin.
///
/// # Errors
/// See [`ConnectError`]; none of them contains user or password.
pub async fn connect(
    uri: &Faceted<String>,
    tls: &TlsFiles,
    (name, product): (&str, &str),
    wrap: impl FnOnce(Box<dyn Stream>) -> Box<dyn Stream>,
) -> Result<BrokerConnection, ConnectError> {
    let uri = amqp_uri(uri.reveal()).map_err(ConnectError::Unreachable)?;
    let address = format!("{}:{}", uri.authority.host, uri.authority.port);
    let unreachable = |why: &str| ConnectError::Unreachable(format!("{address}: {why}"));

    let (stream, socket) = timeout(CONNECT_LIMIT, open(&uri, tls))
        .await
        .map_err(|_| unreachable("no answer"))?
        .map_err(|error| match error {
            ConnectError::Unreachable(why) => unreachable(&why),
            other => other,
        })?;
    let account = uri.authority.userinfo.clone();
    let (connection, channel) = timeout(SIGN_IN_LIMIT, sign_in(uri, wrap(stream), properties(name, product)))
        .await
        .map_err(|_| unreachable("it accepts the connection and says nothing"))?
        .map_err(|error| match refusal(&error) {
            Some(reply) => {
                let reply = without(&without(&reply, &account.username), &account.password);
                ConnectError::Refused { address: address.clone(), reply }
            }
            None => unreachable(&error.to_string()),
        })?;
    Ok(BrokerConnection { connection, channel, _socket: socket })
}

async fn open(uri: &AMQPUri, tls: &TlsFiles) -> Result<(Box<dyn Stream>, SocketShutdown), ConnectError> {
    let unreachable = |error: io::Error| ConnectError::Unreachable(error.to_string());
    let host = uri.authority.host.as_str();
    let stream = TcpStream::connect((host, uri.authority.port)).await.map_err(unreachable)?;
    // Acknowledgements are small and not delayed until more is sent.
    stream.set_nodelay(true).map_err(unreachable)?;
    let socket = SocketShutdown::of(&stream).map_err(unreachable)?;
    let stream: Box<dyn Stream> = match uri.scheme {
        AMQPScheme::AMQP => Box::new(stream),
        AMQPScheme::AMQPS => {
            let tls = tls::connect(&tls::connector(tls)?, host, stream).await;
            Box::new(tls.map_err(|error| ConnectError::Unreachable(format!("TLS: {error}")))?)
        }
    };
    Ok((stream, socket))
}

async fn sign_in(
    uri: AMQPUri,
    stream: Box<dyn Stream>,
    properties: ConnectionProperties,
) -> lapin::Result<(Connection, Channel)> {
    let tokio = Tokio::current();
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), StreamReactor(tokio)));
    let stream = Mutex::new(Some(AsyncTcpStream::Plain(stream.compat())));
    let hand_over = async move |_: AMQPUri, _: Runtime<_>| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        // lapin asks once: without its recovery it does not connect a second time.
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let connection = Connection::connector(uri, runtime, hand_over, properties).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Without `enable_auto_recover`: lapin's recovery keeps the consumer or publisher across
/// connections. Deliveries and confirms could then not be distinguished from those of the
/// lost connection.
fn properties(name: &str, product: &str) -> ConnectionProperties {
    ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), product.into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
}

/// The broker's reply, if it refuses the account or the virtual host.
fn refusal(error: &lapin::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::AuthProviderError(_) => Some(error.to_string()),
        ErrorKind::ProtocolError(reply) => match reply.kind() {
            // NOT_ALLOWED is also the reply to an unknown virtual host.
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
            | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                Some(format!("{} {}", reply.get_id(), reply.get_message()))
            }
            _ => None,
        },
        _ => None,
    }
}

fn without(text: &str, secret: &str) -> String {
    if secret.is_empty() { text.to_owned() } else { text.replace(secret, "***") }
}

/// Shuts the socket down when it is dropped. lapin's thread runs as long as the socket is open,
/// even after everything else of lapin has been dropped.
struct SocketShutdown(StdTcpStream);

impl SocketShutdown {
    fn of(socket: &impl AsFd) -> io::Result<Self> {
        Ok(Self(StdTcpStream::from(socket.as_fd().try_clone_to_owned()?)))
    }
}

impl Drop for SocketShutdown {
    fn drop(&mut self) {
        // Fails if the other side has already closed.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lapin::protocol::AMQPError;
    use mymonit_test_support::{ReservedPort, wait_until};
    use tokio::net::TcpListener;

    use super::*;

    async fn try_connect(uri: &str) -> Result<(), ConnectError> {
        let uri = Faceted::new(uri.to_owned());
        connect(&uri, &TlsFiles::default(), ("test", "MyMONIT test"), |stream| stream).await.map(drop)
    }

    /// lapin starts one thread for each connection.
    fn threads_of_lapin() -> usize {
        let names = fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.filter(|name| name.starts_with("lapin")).count()
    }

    #[tokio::test]
    async fn a_cancelled_attempt_leaves_no_thread_behind() {
        let port = ReservedPort::reserve().unwrap();
        let silent = TcpListener::bind(("127.0.0.1", port.get())).await.unwrap();
        let uri = format!("amqp://127.0.0.1:{}", port.get());
        for _ in 0..3 {
            let attempt = tokio::spawn({
                let uri = uri.clone();
                async move { try_connect(&uri).await }
            });
            let (mut accepted, _) = silent.accept().await.unwrap();
            let mut header = [0; 8];
            tokio::io::AsyncReadExt::read_exact(&mut accepted, &mut header).await.unwrap();
            assert_eq!(&header, b"AMQP\0\0\x09\x01");
            assert_eq!(threads_of_lapin(), 1);
            attempt.abort();
            // The other side keeps its end of the connection open and sends nothing.
            let look = async || match threads_of_lapin() {
                0 => Ok(()),
                threads => Err(threads),
            };
            wait_until("lapin's thread has ended", Duration::from_secs(60), look).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_unreachable_broker_is_named_without_credentials() {
        let port = ReservedPort::reserve().unwrap();
        let error = try_connect(&format!("amqp://canary:canary@127.0.0.1:{}", port.get())).await.unwrap_err();
        assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{}", port.get())) && !text.contains("canary"), "{text}");
    }

    #[test]
    fn only_account_and_virtual_host_are_refusals() {
        let reply =
            |kind| refusal(&ErrorKind::ProtocolError(AMQPError::new(kind, "NO canary".into())).into());
        let refused = reply(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)).unwrap();
        assert_eq!(without(&without(&refused, "canary"), ""), "403 NO ***");
        assert!(reply(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)).is_some());
        assert_eq!(reply(AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED)), None);
        assert_eq!(refusal(&ErrorKind::MissingHeartbeatError.into()), None);
    }
}
