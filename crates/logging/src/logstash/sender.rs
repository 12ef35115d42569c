use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::LogstashAddress;
use super::buffer::Buffer;

/// How much is sent with one call.
const AT_ONCE: usize = 64 << 10;
/// How long connecting to one address may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// How often an idle connection is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a Logstash may take nothing. One that is busy takes something now and then; one that is gone without a
/// word never will, and a new connection may find another one.
const STALLED: Duration = Duration::from_secs(60);

/// Sends what is in the buffer until it is closed and empty, whatever Logstash does.
pub(super) fn run(address: &LogstashAddress, buffer: &Buffer) {
    let mut sender = Sender { address, buffer, stream: None, retry: FIRST_RETRY, is_told: false };
    while let Some(lines) = buffer.take(AT_ONCE, LOOK_EVERY) {
        if lines.is_empty() {
            sender.look_after();
        } else if !sender.send(&lines) {
            return;
        }
    }
}

struct Sender<'a> {
    address: &'a LogstashAddress,
    buffer: &'a Buffer,
    stream: Option<TcpStream>,
    retry: Duration,
    /// Whether it has been said that Logstash is away.
    is_told: bool,
}

impl Sender<'_> {
    /// Sends all of the lines, however long that takes; `false` if the buffer is closed meanwhile and they cannot be.
    fn send(&mut self, lines: &[Vec<u8>]) -> bool {
        let mut first = 0;
        while first < lines.len() {
            let Some(stream) = self.connected() else { return false };
            let (whole, ended) = write_lines(stream, &lines[first..]);
            // A line that was cut is sent again from its beginning: the rest of it would mean nothing on another
            // connection, and what was sent of it ends with this one.
            first += whole;
            if let Err(error) = ended {
                self.lost(&error);
            }
        }
        let dropped = self.buffer.sent(lines.len().try_into().unwrap_or(u64::MAX));
        if dropped > 0 {
            warn!(dropped, "lines for Logstash were dropped; there is room for new ones again");
        }
        true
    }

    /// The connection, made again and again until there is one; none if the buffer is closed before that.
    fn connected(&mut self) -> Option<&mut TcpStream> {
        if let Some(stream) = &self.stream
            && let Err(error) = check(stream)
        {
            self.lost(&error);
        }
        while self.stream.is_none() {
            match connect(self.address) {
                Ok(stream) => self.found(stream),
                Err(error) => {
                    self.away(&error);
                    if self.buffer.wait_for_close(self.retry) {
                        return None;
                    }
                    self.retry = (self.retry * 2).min(LAST_RETRY);
                }
            }
        }
        self.stream.as_mut()
    }

    /// Notices while there is nothing to send that the connection has ended, so that no line is sent into the void.
    fn look_after(&mut self) {
        if let Some(stream) = &self.stream
            && let Err(error) = check(stream)
        {
            self.lost(&error);
        }
    }

    fn found(&mut self, stream: TcpStream) {
        self.stream = Some(stream);
        self.retry = FIRST_RETRY;
        self.buffer.statistics.is_connected.store(true, std::sync::atomic::Ordering::Relaxed);
        if std::mem::take(&mut self.is_told) {
            info!("Logstash takes lines again");
        } else {
            debug!("connected to Logstash");
        }
    }

    fn lost(&mut self, error: &io::Error) {
        self.stream = None;
        self.buffer.statistics.is_connected.store(false, std::sync::atomic::Ordering::Relaxed);
        self.away(error);
    }

    fn away(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_told, true) {
            let LogstashAddress { host, port } = self.address;
            warn!(
                host,
                port,
                %error,
                "Logstash cannot be reached; lines wait for it, and this goes on trying (LOGSTASH_HOST, LOGSTASH_PORT)"
            );
        }
    }
}

fn connect(LogstashAddress { host, port }: &LogstashAddress) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host.as_str(), *port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => {
                stream.set_write_timeout(Some(LOOK_EVERY))?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Whether the other side is still there. It never says anything, so the only thing that can be read is its end.
fn check(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match seen {
        Ok(0) => Err(io::Error::new(ErrorKind::ConnectionAborted, "it ended the connection")),
        Ok(_) => Err(io::Error::new(ErrorKind::InvalidData, "it speaks, which Logstash does not")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes lines, and tells how many of them whole, also where it could not go on.
fn write_lines(stream: &mut TcpStream, lines: &[Vec<u8>]) -> (usize, io::Result<()>) {
    let bytes = lines.concat();
    let mut written = 0;
    let mut progress = Instant::now();
    let ended = loop {
        if written == bytes.len() {
            break Ok(());
        }
        match stream.write(&bytes[written..]) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                written += count;
                progress = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) && progress.elapsed() < STALLED => {}
            Err(error) if is_timeout(&error) => {
                break Err(io::Error::new(ErrorKind::TimedOut, "it takes nothing any more"));
            }
            Err(error) => break Err(error),
        }
    };
    let ends = lines.iter().scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    (ends.take_while(|end| *end <= written).count(), ended)
}

/// Which of the two it is depends on the system.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
