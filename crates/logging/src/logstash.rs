//! Sends lines to Logstash: logging pushes into a bounded [`Buffer`], and a thread sends them.
//! Logstash acknowledges nothing, so a line counts as sent when the network has accepted it.

mod buffer;
mod sender;
mod stream;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

pub(crate) use buffer::Buffer;
pub use buffer::LogstashStatistics;
pub use stream::LogstashAddress;

/// The sending thread.
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

    /// Closes the buffer and waits until it is sent or `within` is over. Returns the dropped lines.
    pub(crate) fn finish(&self, within: Duration) -> u64 {
        self.buffer.close();
        match self.ended.recv_timeout(within) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => self.buffer.abandon(),
        }
    }
}
