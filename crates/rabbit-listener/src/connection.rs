use std::sync::Arc;
use std::time::Duration;

use async_rs::Runtime;
use lapin::Connection;
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPScheme, AMQPUri};
use mymonit_broker::{Lifeline, RabbitTls, amqp_uri, connector, properties};
use tokio::time::timeout;

use crate::RabbitConfiguration;
use crate::frames::NotedProperties;
use crate::gate::Gate;
use crate::transport::{Kit, Transport};
use crate::trouble::Trouble;

/// How long TCP and TLS may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the broker may take to let us in. Until then there is no heartbeat that would notice its silence.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

const ACCESS: &str = "check RABBIT_USER, RABBIT_PASSWORD and the virtual host in RABBIT_URL";

/// An open connection, and the end of everything that belongs to it when it is dropped.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) gate: Arc<Gate>,
    pub(crate) noted: Arc<NotedProperties>,
    // Dropped after the connection, which may still want to say goodbye.
    _lifeline: Lifeline,
}

/// Connects and signs in.
pub(crate) async fn connect(configuration: &RabbitConfiguration) -> Result<Link, Trouble> {
    let uri = amqp_uri(configuration.uri.reveal()).map_err(Trouble::Unreachable)?;
    let address = format!("{}:{}", uri.authority.host, uri.authority.port);
    let (transport, lifeline) = timeout(CONNECT_LIMIT, open(&uri, &configuration.tls))
        .await
        .unwrap_or_else(|_| Err(Trouble::Unreachable("no answer".to_owned())))
        .map_err(|trouble| at(&address, trouble))?;
    let (gate, noted) = (transport.gate(), transport.noted());
    let account = uri.authority.userinfo.clone();
    let connection = timeout(HANDSHAKE_LIMIT, sign_in(uri, transport))
        .await
        .unwrap_or_else(|_| {
            Err(Trouble::Unreachable("it accepts the connection and says nothing".to_owned()))
        })
        .map_err(|trouble| at(&address, trouble.without(&account.username).without(&account.password)))?;
    Ok(Link { connection, gate, noted, _lifeline: lifeline })
}

fn at(address: &str, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Unreachable(why) => Trouble::Unreachable(format!("{address}: {why}")),
        other => other,
    }
}

async fn open(uri: &AMQPUri, tls: &RabbitTls) -> Result<(Transport, Lifeline), Trouble> {
    let host = &uri.authority.host;
    let (transport, lifeline) = Transport::connect(host, uri.authority.port).await?;
    let transport = match uri.scheme {
        AMQPScheme::AMQP => transport,
        AMQPScheme::AMQPS => transport
            .into_tls(host, &connector(tls).map_err(|error| Trouble::Unreachable(error.to_string()))?)
            .await
            .map_err(|error| Trouble::Unreachable(format!("TLS: {error}")))?,
    };
    Ok((transport, lifeline))
}

async fn sign_in(uri: AMQPUri, transport: Transport) -> Result<Connection, Trouble> {
    let (stream, runtime) = (AsyncTcpStream::Plain(transport), Runtime::new(Kit::current()));
    mymonit_broker::sign_in(uri, stream, runtime, properties("mymonit", "MyMONIT"))
        .await
        .map_err(Trouble::in_step("the connection", ACCESS))
        .map_err(|trouble| match trouble {
            Trouble::Lost(error) => Trouble::Unreachable(error.to_string()),
            other => other,
        })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mymonit_model::Faceted;
    use mymonit_test_support::{ReservedPort, wait_until};
    use tokio::net::TcpListener;

    use super::*;

    /// lapin gives each connection a thread, which ends with the socket.
    fn threads_of_lapin() -> usize {
        let names = fs::read_dir("/proc/self/task")
            .unwrap()
            .map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.filter(|name| name.starts_with("lapin")).count()
    }

    #[tokio::test]
    async fn an_attempt_that_is_broken_off_leaves_no_thread_behind() {
        let port = ReservedPort::reserve().unwrap();
        let silent = TcpListener::bind(("127.0.0.1", port.get())).await.unwrap();
        let uri = format!("amqp://127.0.0.1:{}", port.get());
        let configuration = RabbitConfiguration::new(Faceted::new(uri));
        for _ in 0..3 {
            let attempt = tokio::spawn({
                let configuration = configuration.clone();
                async move { connect(&configuration).await.map(drop) }
            });
            let (mut accepted, _) = silent.accept().await.unwrap();
            let mut header = [0; 8];
            tokio::io::AsyncReadExt::read_exact(&mut accepted, &mut header).await.unwrap();
            assert_eq!(&header, b"AMQP\0\0\x09\x01");
            assert_eq!(threads_of_lapin(), 1);
            attempt.abort();
            // The other side keeps its end of the connection open and says nothing.
            let look = async || match threads_of_lapin() {
                0 => Ok(()),
                threads => Err(threads),
            };
            wait_until("lapin's thread has ended", Duration::from_secs(60), look).await.unwrap();
        }
    }

    #[tokio::test]
    async fn who_is_not_there_is_named_without_credentials() {
        let port = ReservedPort::reserve().unwrap();
        let uri = format!("amqp://canary:canary@127.0.0.1:{}", port.get());
        let trouble = connect(&RabbitConfiguration::new(Faceted::new(uri))).await.map(drop).unwrap_err();
        let said = trouble.to_string();
        assert!(said.contains(&format!("127.0.0.1:{}", port.get())) && !said.contains("canary"), "{said}");
        assert!(!trouble.is_refusal());
    }
}
