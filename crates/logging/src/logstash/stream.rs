//! The connection to Logstash's TCP input, with TLS or without.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mymonit_tls::{TlsFiles, TlsVariables, client_configuration};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ProtocolVersion, StreamOwned};

/// Where Logstash's TCP input listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogstashAddress {
    /// A host name or an address.
    pub host: String,
    /// The port of the input, whose codec is `json_lines`.
    pub port: u16,
    /// TLS, where the input has it.
    pub tls: Option<TlsFiles>,
}

const VARIABLES: TlsVariables =
    TlsVariables { ca_file: "LOGSTASH_CA_FILE", client_identity_file: "LOGSTASH_CLIENT_IDENTITY_FILE" };

/// Time limit to connect to one address, and of each step of the handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a server may take to refuse the client's certificate, or to send something else.
const CERTIFICATE_CHECK_LIMIT: Duration = Duration::from_secs(1);
/// How long a write waits at once.
const WRITE_LIMIT: Duration = Duration::from_secs(1);
/// The time without progress after which the connection is closed. A busy Logstash accepts
/// some data within it.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// A connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    pub(super) fn connect(address: &LogstashAddress) -> io::Result<Self> {
        let stream = match &address.tls {
            None => Self::Plain(connect(address)?),
            Some(files) => Self::Tls(Box::new(connect_tls(address, files)?)),
        };
        stream.socket().set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(stream)
    }

    /// Whether the peer is still connected. Logstash sends no data, so a read sees only the end,
    /// and messages of TLS itself.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.socket().set_nonblocking(true)?;
        let seen = match self {
            Self::Plain(socket) => match socket.peek(&mut [0]) {
                Ok(0) => Err(closed()),
                Ok(_) => Err(sends_data()),
                Err(error) => Err(error),
            },
            Self::Tls(stream) => loop {
                if let Err(error) = read_records(stream) {
                    break Err(error);
                }
            },
        };
        self.socket().set_nonblocking(false)?;
        match seen {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            seen => seen,
        }
    }

    /// Writes lines; returns how many were written whole, also after an error.
    pub(super) fn write_lines(&mut self, lines: &[Vec<u8>]) -> (usize, io::Result<()>) {
        let bytes = lines.concat();
        match self {
            Self::Plain(socket) => {
                let (written, ended) = write_all(socket, &bytes);
                let ends = lines.iter().scan(0, |end, line| {
                    *end += line.len();
                    Some(*end)
                });
                (ends.take_while(|end| *end <= written).count(), ended)
            }
            Self::Tls(stream) => {
                let (_, written) = write_all(&mut **stream, &bytes);
                let ended = written.and_then(|()| patiently(|| stream.flush()));
                // What is encrypted and what was sent of it differ: after an error, lines may
                // arrive twice, but none is lost.
                (if ended.is_ok() { lines.len() } else { 0 }, ended)
            }
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

fn connect(LogstashAddress { host, port, .. }: &LogstashAddress) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host.as_str(), *port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Connects, and checks that the certificate is valid for the host.
fn connect_tls(
    address: &LogstashAddress,
    files: &TlsFiles,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let configuration = client_configuration(files, VARIABLES).map_err(io::Error::other)?;
    let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(configuration), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, connect(address)?);
    stream.sock.set_read_timeout(Some(CONNECT_LIMIT))?;
    stream.sock.set_write_timeout(Some(CONNECT_LIMIT))?;
    stream.conn.complete_io(&mut stream.sock)?;
    // In TLS 1.3 a server judges the client's certificate, or its absence, after the handshake, and
    // lines that are sent meanwhile would be lost.
    if stream.conn.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
        stream.sock.set_read_timeout(Some(CERTIFICATE_CHECK_LIMIT))?;
        match read_records(&mut stream) {
            Err(error) if !is_timeout(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(stream)
}

/// Reads what the peer has sent; an error at its end, at its refusal, and at data.
fn read_records(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> io::Result<()> {
    if stream.conn.read_tls(&mut stream.sock)? == 0 {
        return Err(closed());
    }
    let state = stream.conn.process_new_packets().map_err(io::Error::other)?;
    if state.peer_has_closed() {
        return Err(closed());
    }
    if state.plaintext_bytes_to_read() > 0 { Err(sends_data()) } else { Ok(()) }
}

fn closed() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "Logstash closed the connection")
}

fn sends_data() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the peer sends data, which Logstash does not")
}

/// Writes bytes; returns how many were written, also after an error.
fn write_all(stream: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match patiently(|| stream.write(&bytes[written..])) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Repeats what times out, up to [`STALL_LIMIT`].
fn patiently<T>(mut action: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        match action() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) && begun.elapsed() < STALL_LIMIT => {}
            Err(error) if is_timeout(&error) => {
                return Err(io::Error::new(ErrorKind::TimedOut, "Logstash accepts no data"));
            }
            done => return done,
        }
    }
}

/// The kind depends on the system.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
