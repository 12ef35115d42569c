use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use async_rs::Runtime;
use async_rs::traits::{Reactor, RuntimeKit};
use lapin::tcp::AsyncTcpStream;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

/// The end of a connection by other means than AMQP. lapin's thread waits for the socket as long as that is open,
/// also where nobody waits for lapin any more; dropping this closes it.
#[derive(Debug)]
pub struct Lifeline(TcpStream);

impl Lifeline {
    /// Of that socket, whatever is spoken over it.
    ///
    /// # Errors
    /// Where the process may have no more files.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        Ok(Self(TcpStream::from(socket.as_fd().try_clone_to_owned()?)))
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        // It fails where the other side was faster, which is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Signs in over a stream that is open, and behind TLS where the address wants it.
///
/// # Errors
/// What lapin makes of the broker's answer, or of its silence.
pub async fn sign_in<K>(
    uri: AMQPUri,
    stream: AsyncTcpStream<<K as Reactor>::TcpStream>,
    runtime: Runtime<K>,
    properties: ConnectionProperties,
) -> lapin::Result<Connection>
where
    K: RuntimeKit + Clone + Send + 'static,
    <K as Reactor>::TcpStream: Send,
{
    let stream = Mutex::new(Some(stream));
    let hand_over = async move |_: AMQPUri, _: Runtime<K>| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        // lapin asks once: it does not try again unless told to.
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    Connection::connector(uri, runtime, hand_over, properties).await
}

/// What the broker shows of a connection, by its name and the name of the program.
///
/// Without `enable_auto_recover`: lapin's own recovery would go on with the same consumer or publisher after a
/// reconnection, so that one could not tell which deliveries, and which confirms, belong to the connection that is
/// gone.
pub fn properties(name: &str, product: &str) -> ConnectionProperties {
    ConnectionProperties::default()
        .with_connection_name(name.into())
        .with_client_property("product".into(), product.into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
}
