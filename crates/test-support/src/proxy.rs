use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ports::ReservedPort;

/// A TCP proxy that injects network faults: [`Proxy::cut`] resets connections,
/// [`Proxy::black_hole`] drops all traffic, [`Proxy::refuse`] refuses connections, and
/// [`Proxy::resume`] ends the last two.
///
/// It lives in the runtime of the test that starts it; dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: ReservedPort,
    mode: watch::Sender<Mode>,
    server_ports: watch::Sender<Vec<u16>>,
    /// Incremented to reset all open connections.
    cuts: watch::Sender<usize>,
    /// The mode that the listening task has applied.
    listening: watch::Receiver<Listening>,
    accepted: watch::Receiver<usize>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    listener: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forward,
    BlackHole,
    Refuse,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Listening {
    Yes,
    No,
    Failed(String),
}

impl Proxy {
    /// Starts a proxy in front of a port of 127.0.0.1.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn start(server_port: u16) -> anyhow::Result<Self> {
        Self::start_balancing(&[server_port]).await
    }

    /// Starts a proxy in front of several ports of 127.0.0.1: each new connection goes to the next
    /// one that accepts it.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn start_balancing(server_ports: &[u16]) -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let (mode, _) = watch::channel(Mode::Forward);
        let (servers, _) = watch::channel(server_ports.to_vec());
        let (cuts, _) = watch::channel(0);
        let (listening_sender, listening) = watch::channel(Listening::No);
        let (accepted_sender, accepted) = watch::channel(0);
        let connections = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener {
            port: port.get(),
            server_ports: servers.subscribe(),
            mode: mode.subscribe(),
            cuts: cuts.clone(),
            listening: listening_sender,
            accepted: accepted_sender,
            connections: Arc::clone(&connections),
        };
        let listener = tokio::spawn(listener.run());
        let this =
            Self { port, mode, server_ports: servers, cuts, listening, accepted, connections, listener };
        this.wait_until_listening().await?;
        Ok(this)
    }

    /// The port of 127.0.0.1 to connect to instead of the server's.
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// How many connections have been made so far, closed ones included.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Resets all open connections, on both sides, as a crashed router would. New ones can be made.
    pub async fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
        let connections =
            std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in connections {
            // An error means that it has ended already.
            let _ = connection.await;
        }
    }

    /// Forwards new connections to another port. Open ones stay.
    pub fn switch_to(&self, server_port: u16) {
        self.server_ports.send_replace(vec![server_port]);
    }

    /// Stalls all traffic in both directions; connections stay open and new ones are accepted.
    /// The data arrive after [`Proxy::resume`].
    pub fn black_hole(&self) {
        self.mode.send_replace(Mode::BlackHole);
    }

    /// Stops listening, like a server that is down. Open connections continue until [`Proxy::cut`].
    pub async fn refuse(&self) {
        self.mode.send_replace(Mode::Refuse);
        // An error means that the listener is gone.
        let _ = self.listening.clone().wait_for(|listening| *listening != Listening::Yes).await;
    }

    /// Listens and forwards again.
    ///
    /// # Errors
    /// Where the port cannot be listened on again.
    pub async fn resume(&self) -> anyhow::Result<()> {
        self.mode.send_replace(Mode::Forward);
        self.wait_until_listening().await
    }

    async fn wait_until_listening(&self) -> anyhow::Result<()> {
        let mut listening = self.listening.clone();
        let listening = listening
            .wait_for(|listening| *listening != Listening::No)
            .await
            .context("the proxy has ended")?;
        match &*listening {
            Listening::Failed(error) => anyhow::bail!("the proxy cannot listen on {}: {error}", self.port()),
            Listening::Yes | Listening::No => Ok(()),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            connection.abort();
        }
    }
}

/// The task that accepts connections.
struct Listener {
    port: u16,
    server_ports: watch::Receiver<Vec<u16>>,
    mode: watch::Receiver<Mode>,
    cuts: watch::Sender<usize>,
    listening: watch::Sender<Listening>,
    accepted: watch::Sender<usize>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Listener {
    async fn run(mut self) {
        while self.mode.wait_for(|mode| *mode != Mode::Refuse).await.is_ok() {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await {
                Ok(listener) => {
                    self.listening.send_replace(Listening::Yes);
                    self.accept_until_refused(listener).await;
                    self.listening.send_replace(Listening::No);
                }
                Err(error) => {
                    self.listening.send_replace(Listening::Failed(error.to_string()));
                    return;
                }
            }
        }
    }

    async fn accept_until_refused(&mut self, listener: TcpListener) {
        let mut mode = self.mode.clone();
        loop {
            tokio::select! {
                // Also if the proxy is dropped.
                _ = mode.wait_for(|mode| *mode == Mode::Refuse) => return,
                accepted = listener.accept() => {
                    if let Ok((client, _)) = accepted {
                        self.serve(client);
                    }
                }
            }
        }
    }

    fn serve(&self, client: TcpStream) {
        let connection = Connection { mode: self.mode.clone(), cuts: self.cuts.subscribe() };
        let mut ports = self.server_ports.borrow().clone();
        let first = *self.accepted.borrow() % ports.len();
        ports.rotate_left(first);
        let task = tokio::spawn(connection.run(client, ports));
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| !connection.is_finished());
        connections.push(task);
        self.accepted.send_modify(|accepted| *accepted += 1);
    }
}

/// The task of one connection.
struct Connection {
    mode: watch::Receiver<Mode>,
    cuts: watch::Receiver<usize>,
}

impl Connection {
    async fn run(mut self, mut client: TcpStream, server_ports: Vec<u16>) {
        let mut server = None;
        let forwarded = tokio::select! {
            forwarded = forward_both(&mut client, &mut server, &server_ports, &self.mode) => forwarded.is_ok(),
            _ = self.cuts.changed() => false,
        };
        if !forwarded {
            // Makes the socket send a reset on close, so that a fault does not look like a normal
            // end.
            let _ = client.set_zero_linger();
            let _ = server.map(|server| server.set_zero_linger());
        }
    }
}

async fn forward_both(
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    server_ports: &[u16],
    mode: &watch::Receiver<Mode>,
) -> io::Result<()> {
    pass(&mut mode.clone()).await?;
    let server = server.insert(connect(server_ports).await?);
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::try_join!(
        forward(from_client, to_server, mode.clone()),
        forward(from_server, to_client, mode.clone()),
    )?;
    Ok(())
}

/// Connects to the first of the servers that accepts.
async fn connect(server_ports: &[u16]) -> io::Result<TcpStream> {
    let addresses: Vec<_> =
        server_ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).collect();
    TcpStream::connect(&*addresses).await
}

/// Forwards one direction until its end.
async fn forward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        pass(&mut mode).await?;
        let length = from.read(&mut buffer).await?;
        // The network may have broken while this waited for something to read.
        pass(&mut mode).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Waits while all traffic is stalled.
async fn pass(mode: &mut watch::Receiver<Mode>) -> io::Result<()> {
    mode.wait_for(|mode| *mode != Mode::BlackHole).await.map(drop).map_err(io::Error::other)
}
