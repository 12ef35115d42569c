use std::io;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tracing::{debug, info, warn};

use super::buffer::Buffer;
use super::stream::{LogstashAddress, Stream};

/// Bytes sent with one call.
const MAX_SEND_BYTES: usize = 64 << 10;
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How often an idle connection is checked.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Sends what is in the buffer until it is closed and empty.
pub(super) fn run(address: &LogstashAddress, buffer: &Buffer) {
    let mut sender = Sender { address, buffer, stream: None, backoff: backoff(), is_reported: false };
    while let Some(lines) = buffer.take(MAX_SEND_BYTES, CHECK_EVERY) {
        if lines.is_empty() {
            sender.check();
        } else if !sender.send(&lines) {
            return;
        }
    }
}

struct Sender<'a> {
    address: &'a LogstashAddress,
    buffer: &'a Buffer,
    stream: Option<Stream>,
    backoff: ExponentialBackoff,
    /// Whether it was logged that Logstash is unreachable.
    is_reported: bool,
}

impl Sender<'_> {
    /// Sends the lines, however long that takes; `false` if the buffer is closed before that.
    fn send(&mut self, lines: &[Vec<u8>]) -> bool {
        let mut first = 0;
        while first < lines.len() {
            let Some(stream) = self.connected() else { return false };
            let (whole, ended) = stream.write_lines(&lines[first..]);
            // A line that was cut is sent again from its beginning on the next connection.
            first += whole;
            if let Err(error) = ended {
                self.lost(&error);
            }
        }
        let dropped = self.buffer.sent(lines.len().try_into().unwrap_or(u64::MAX));
        if dropped > 0 {
            warn!(dropped, "Logstash lines dropped; the buffer has room again");
        }
        true
    }

    /// Connects with backoff; `None` if the buffer is closed before that.
    fn connected(&mut self) -> Option<&mut Stream> {
        self.check();
        while self.stream.is_none() {
            match Stream::connect(self.address) {
                Ok(stream) => self.found(stream),
                Err(error) => {
                    self.unreachable(&error);
                    if self.buffer.wait_for_close(self.backoff.next().unwrap_or(RETRY_MAX)) {
                        return None;
                    }
                }
            }
        }
        self.stream.as_mut()
    }

    /// Detects a closed connection, on which the next lines would be lost.
    fn check(&mut self) {
        if let Some(stream) = &mut self.stream
            && let Err(error) = stream.check()
        {
            self.lost(&error);
        }
    }

    fn found(&mut self, stream: Stream) {
        self.stream = Some(stream);
        self.backoff = backoff();
        self.buffer.statistics.is_connected.store(true, std::sync::atomic::Ordering::Relaxed);
        if std::mem::take(&mut self.is_reported) {
            info!("Logstash connected again");
        } else {
            debug!("Logstash connected");
        }
    }

    fn lost(&mut self, error: &io::Error) {
        self.stream = None;
        self.buffer.statistics.is_connected.store(false, std::sync::atomic::Ordering::Relaxed);
        self.unreachable(error);
    }

    fn unreachable(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.is_reported, true) {
            let LogstashAddress { host, port, .. } = self.address;
            warn!(
                host,
                port,
                %error,
                "Logstash unreachable; lines are buffered and sending is retried (LOGSTASH_HOST, LOGSTASH_PORT)"
            );
        }
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX).without_max_times().build()
}
