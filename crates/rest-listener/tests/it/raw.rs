//! A client that sends given bytes.

use std::io::{self, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::site::{Site, TIMEOUT};

/// How many received bytes an error quotes.
const QUOTED: usize = 1_000;

pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl RawClient {
    pub(crate) async fn connect(site: &Site) -> Self {
        Self { stream: TcpStream::connect(site.address).await.unwrap(), received: Vec::new() }
    }

    /// Sends this before the server, on the same thread, first polls the connection.
    /// So no time limit of the server can pass in between.
    pub(crate) fn connect_sending(site: &Site, text: &str) -> Self {
        let mut stream = std::net::TcpStream::connect(site.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream: TcpStream::from_std(stream).unwrap(), received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything until the server ends the connection.
    ///
    /// # Errors
    /// If it resets it.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<String> {
        let ended = timeout(TIMEOUT, self.stream.read_to_end(&mut self.received)).await;
        let ended = ended.unwrap_or_else(|_| panic!("open after {TIMEOUT:?}; it sent: {}", self.quote()));
        ended.map(|_| self.received())
    }

    /// Everything until `text` has come.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let received = self.received();
            if received.contains(text) {
                return received;
            }
            let count = timeout_at(deadline, self.stream.read_buf(&mut self.received)).await;
            let count =
                count.unwrap_or_else(|_| panic!("no {text:?} within {TIMEOUT:?}: {}", self.quote())).unwrap();
            assert!(count > 0, "ended without {text:?}: {}", self.quote());
        }
    }

    /// What has been read so far.
    pub(crate) fn received(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }

    /// The end of it, for an error.
    fn quote(&self) -> String {
        let start = self.received.len().saturating_sub(QUOTED);
        format!(
            "{} bytes, ending with {:?}",
            self.received.len(),
            String::from_utf8_lossy(&self.received[start..])
        )
    }
}
