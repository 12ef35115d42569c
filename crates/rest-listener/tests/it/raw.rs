//! A client that sends what it is told, byte for byte.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::Site;

pub(crate) struct RawClient {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl RawClient {
    pub(crate) async fn connect(site: &Site) -> Self {
        Self { stream: TcpStream::connect(site.address).await.unwrap(), received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything until the server ends the connection.
    ///
    /// # Errors
    /// If it resets it.
    pub(crate) async fn read_to_end(&mut self) -> io::Result<String> {
        self.stream.read_to_end(&mut self.received).await?;
        Ok(String::from_utf8_lossy(&self.received).into_owned())
    }

    /// Everything until `text` has come.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        loop {
            let received = String::from_utf8_lossy(&self.received).into_owned();
            if received.contains(text) {
                return received;
            }
            let count = self.stream.read_buf(&mut self.received).await.unwrap();
            assert!(count > 0, "ended without {text:?}: {received}");
        }
    }
}
