use std::time::Duration;

use async_rs::Runtime;
use async_rs::traits::Reactor;
use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ErrorKind};
use mymonit_broker::{Lifeline, connector, properties};
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

    /// Whether the broker has said that it takes nothing for now.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
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
        let lifeline = Lifeline::of(socket).map_err(away)?;
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
    let trouble = |error: lapin::Error| Trouble::of(&error);
    let properties = properties("mymonit-adapter", "MyMONIT adapter");
    let connection = mymonit_broker::sign_in(uri, stream, Runtime::tokio_current(), properties).await;
    let connection = connection.map_err(trouble)?;
    let channel = connection.create_channel().await.map_err(trouble)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(trouble)?;
    Ok((connection, channel))
}

fn tls(broker: &Broker) -> Result<RustlsConnector, Trouble> {
    connector(&broker.tls).map_err(|unusable| Trouble::Refused(unusable.to_string()))
}
