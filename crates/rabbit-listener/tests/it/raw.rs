//! An AMQP client that sends given bytes: no library sends invalid properties.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::TIMEOUT;

pub(crate) const HEADERS: u16 = 1 << 13;
pub(crate) const MESSAGE_ID: u16 = 1 << 7;

const START: (u16, u16) = (10, 10);
const START_OK: (u16, u16) = (10, 11);
const TUNE: (u16, u16) = (10, 30);
const TUNE_OK: (u16, u16) = (10, 31);
const OPEN: (u16, u16) = (10, 40);
const OPEN_OK: (u16, u16) = (10, 41);
const CHANNEL_OPEN: (u16, u16) = (20, 10);
const CHANNEL_OPEN_OK: (u16, u16) = (20, 11);
const CONFIRM_SELECT: (u16, u16) = (85, 10);
const CONFIRM_SELECT_OK: (u16, u16) = (85, 11);
const PUBLISH: (u16, u16) = (60, 40);
const ACK: (u16, u16) = (60, 80);

pub(crate) struct RawPublisher(TcpStream);

impl RawPublisher {
    /// Signs in as `guest`, opens a channel and asks for confirms.
    pub(crate) async fn connect(port: u16, vhost: &str) -> anyhow::Result<Self> {
        let mut this = Self::sign_in(port, vhost, 0).await?;
        this.method(1, CHANNEL_OPEN, &short(b"")).await?;
        this.expect(CHANNEL_OPEN_OK).await?;
        this.method(1, CONFIRM_SELECT, &[0]).await?;
        this.expect(CONFIRM_SELECT_OK).await?;
        Ok(this)
    }

    /// Signs in as `guest` with that heartbeat interval in seconds; zero turns heartbeats off.
    pub(crate) async fn sign_in(port: u16, vhost: &str, heartbeat: u16) -> anyhow::Result<Self> {
        let mut this = Self(TcpStream::connect(("127.0.0.1", port)).await?);
        this.0.write_all(b"AMQP\0\0\x09\x01").await?;
        this.expect(START).await?;
        let sign_in = [long(b""), short(b"PLAIN"), long(b"\0guest\0guest"), short(b"en_US")].concat();
        this.method(0, START_OK, &sign_in).await?;
        this.expect(TUNE).await?;
        let limits =
            [&2047_u16.to_be_bytes()[..], &131_072_u32.to_be_bytes(), &heartbeat.to_be_bytes()].concat();
        this.method(0, TUNE_OK, &limits).await?;
        this.method(0, OPEN, &[short(vhost.as_bytes()), short(b""), vec![0]].concat()).await?;
        this.expect(OPEN_OK).await?;
        Ok(this)
    }

    /// Sends no heartbeats until the broker closes the connection.
    pub(crate) async fn until_given_up(mut self) -> anyhow::Result<()> {
        let mut signs_of_the_broker = [0; 1024];
        let given_up = async {
            while matches!(self.0.read(&mut signs_of_the_broker).await, Ok(length) if length > 0) {}
        };
        timeout(TIMEOUT, given_up).await.context("the broker keeps a connection that gives no sign of life")
    }

    /// Publishes to the queue `measures` and waits for the confirmation.
    pub(crate) async fn publish(&mut self, flags: u16, properties: &[u8], body: &[u8]) -> anyhow::Result<()> {
        let arguments = [vec![0, 0], short(b""), short(b"measures"), vec![0]].concat();
        self.method(1, PUBLISH, &arguments).await?;
        let length = u64::try_from(body.len())?.to_be_bytes();
        self.frame(2, 1, &[&[0, 60, 0, 0], &length[..], &flags.to_be_bytes(), properties].concat()).await?;
        self.frame(3, 1, body).await?;
        self.expect(ACK).await
    }

    async fn method(&mut self, channel: u16, method: (u16, u16), arguments: &[u8]) -> anyhow::Result<()> {
        let payload = [&method.0.to_be_bytes(), &method.1.to_be_bytes(), arguments].concat();
        self.frame(1, channel, &payload).await
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) -> anyhow::Result<()> {
        let size = u32::try_from(payload.len())?.to_be_bytes();
        let frame = [&[kind], &channel.to_be_bytes()[..], &size, payload, &[0xce]].concat();
        Ok(self.0.write_all(&frame).await?)
    }

    async fn expect(&mut self, method: (u16, u16)) -> anyhow::Result<()> {
        let mut start = [0; 7];
        self.0.read_exact(&mut start).await?;
        let size = u32::from_be_bytes(start[3..].try_into()?);
        let mut payload = vec![0; usize::try_from(size)? + 1];
        self.0.read_exact(&mut payload).await?;
        let read =
            (u16::from_be_bytes([payload[0], payload[1]]), u16::from_be_bytes([payload[2], payload[3]]));
        ensure!(read == method, "awaited {method:?}, got {read:?}: {}", String::from_utf8_lossy(&payload));
        Ok(())
    }
}

pub(crate) fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A header table of nested tables.
pub(crate) fn nested_table(depth: usize) -> Vec<u8> {
    (1..depth).fold(long(b""), |inner, _| long(&[short(b"k"), vec![b'F'], inner].concat()))
}
