//! The way of lines to Logstash, off everybody's path: whoever logs puts the line into a bounded [`Buffer`] and goes
//! on; a thread of its own sends what is in it. Logstash's input acknowledges nothing, so a line counts as sent when
//! the network has taken it over.

mod buffer;
mod sender;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

pub(crate) use buffer::Buffer;
pub use buffer::LogstashStatistics;

/// Where Logstash's TCP input listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogstashAddress {
    /// A host name or an address.
    pub host: String,
    /// The port of the input, whose codec is `json_lines`.
    pub port: u16,
}

/// The sending thread, from its start to its end.
pub(crate) struct Sending {
    pub(crate) buffer: Arc<Buffer>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
}

impl Sending {
    pub(crate) fn start(address: LogstashAddress) -> std::io::Result<Self> {
        let buffer = Arc::new(Buffer::default());
        let (end, ended) = std::sync::mpsc::sync_channel(0);
        let to_send = buffer.clone();
        std::thread::Builder::new().name("logstash".to_owned()).spawn(move || {
            sender::run(&address, &to_send);
            drop(end);
        })?;
        Ok(Self { buffer, ended })
    }

    /// Takes no more lines and waits, no longer than that, until those in the buffer are sent. Gives the number of
    /// those that were not.
    pub(crate) fn finish(&self, within: Duration) -> u64 {
        self.buffer.close();
        match self.ended.recv_timeout(within) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => self.buffer.abandon(),
        }
    }
}
