use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ports::ReservedPort;
use crate::wait::wait_until;

/// How the double reads its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Reads without limit.
    Unlimited,
    /// Reads that many bytes, then pauses for that long.
    Slow(usize, Duration),
    /// Accepts connections and reads nothing.
    Stalled,
}

/// A double of Logstash's TCP input with the codec `json_lines`, which can inject faults.
/// It lives in the runtime of the test that starts it.
#[derive(Debug)]
pub struct LogstashDouble {
    port: ReservedPort,
    read_mode: watch::Sender<ReadMode>,
    /// Incremented to reset all open connections.
    resets: watch::Sender<usize>,
    received: Arc<Mutex<Received>>,
    listener: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Received {
    lines: Vec<String>,
    fragments: Vec<String>,
    connections: usize,
}

impl LogstashDouble {
    /// Reserves a port without a listener.
    ///
    /// # Errors
    /// If no port is free.
    pub fn unreachable() -> anyhow::Result<Self> {
        Ok(Self {
            port: ReservedPort::reserve()?,
            read_mode: watch::channel(ReadMode::Unlimited).0,
            resets: watch::channel(0).0,
            received: Arc::default(),
            listener: JoinSet::new(),
        })
    }

    /// Starts a double that listens on a reserved port.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        let mut this = Self::unreachable()?;
        this.listen().await?;
        Ok(this)
    }

    /// The port of 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn listen(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port())).await?;
        let (read_mode, resets) = (self.read_mode.subscribe(), self.resets.clone());
        self.listener.spawn(accept(listener, read_mode, resets, self.received.clone()));
        Ok(())
    }

    /// Stops listening and resets all connections, as a Logstash that is killed.
    pub async fn stop_listening(&mut self) {
        self.reset();
        self.listener.shutdown().await;
    }

    /// Changes how input is read.
    pub fn read_mode(&self, read_mode: ReadMode) {
        self.read_mode.send_replace(read_mode);
    }

    /// Resets all open connections; unread input is lost.
    pub fn reset(&self) {
        self.resets.send_modify(|resets| *resets += 1);
    }

    /// All complete lines so far, in the order of their arrival.
    pub fn lines(&self) -> Vec<String> {
        self.received().lines.clone()
    }

    /// The incomplete last lines of connections.
    pub fn fragments(&self) -> Vec<String> {
        self.received().fragments.clone()
    }

    /// How many connections have been made so far.
    pub fn connections(&self) -> usize {
        self.received().connections
    }

    /// Waits for a line with this text.
    ///
    /// # Errors
    /// If none arrives in time.
    pub async fn wait_for_line(&self, text: &str, within: Duration) -> anyhow::Result<String> {
        wait_until("a line at Logstash", within, async || {
            let received = self.received();
            let found = received.lines.iter().rev().find(|line| line.contains(text)).cloned();
            found.ok_or_else(|| format!("{} lines", received.lines.len()))
        })
        .await
        .with_context(|| format!("no line with {text:?}"))
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        locked(&self.received)
    }
}

fn locked(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    read_mode: watch::Receiver<ReadMode>,
    resets: watch::Sender<usize>,
    received: Arc<Mutex<Received>>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                locked(&received).connections += 1;
                connections.spawn(serve(stream, read_mode.clone(), resets.subscribe(), received.clone()));
            }
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    read_mode: watch::Receiver<ReadMode>,
    mut resets: watch::Receiver<usize>,
    received: Arc<Mutex<Received>>,
) {
    let mut rest = Vec::new();
    tokio::select! {
        biased;
        _ = resets.changed() => {
            let _ = stream.set_zero_linger();
        }
        _ = read(&mut stream, read_mode, &mut rest, &received) => {}
    }
    if !rest.is_empty() {
        locked(&received).fragments.push(String::from_utf8_lossy(&rest).into_owned());
    }
}

async fn read(
    stream: &mut TcpStream,
    mut read_mode: watch::Receiver<ReadMode>,
    rest: &mut Vec<u8>,
    received: &Mutex<Received>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let now = read_mode.wait_for(|read_mode| *read_mode != ReadMode::Stalled).await;
        let (most, pause) = match now.map(|now| *now) {
            Ok(ReadMode::Slow(most, pause)) => (most, Some(pause)),
            _ => (buffer.len(), None),
        };
        let most = most.min(buffer.len());
        let length = tokio::select! {
            biased;
            // Applies a change while waiting for input.
            _ = read_mode.changed() => continue,
            length = stream.read(&mut buffer[..most]) => length?,
        };
        if length == 0 {
            return Ok(());
        }
        rest.extend_from_slice(&buffer[..length]);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            locked(received).lines.push(line);
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}
