use std::time::Duration;

/// Time limits and numbers of clients. An answer that its client keeps reading is never cut off.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the first byte of a request (or from the connection) to the end of its headers.
    pub header_read: Duration,
    /// From the end of an answer to the first byte of the next request on the same connection.
    pub keep_alive: Duration,
    /// From the end of a request's headers to the end of its body.
    pub body_read: Duration,
    /// From the end of a request's headers to the beginning of the answer.
    pub request: Duration,
    /// How long a client may take no byte of an answer that waits for it. The system reports
    /// progress in bulk: when a third of its send buffer is free. So the limit is minutes, for
    /// clients that read over a slow line.
    pub write_stall: Duration,
    /// From the start of the shutdown to the close of idle connections. A request that a proxy is
    /// just sending over one of them may not be repeatable, so it is still answered.
    pub drain: Duration,
    /// Connections at a time. Further clients wait in the backlog of the listener.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            // Longer than nginx keeps an idle connection (60 s), so that nginx closes it first.
            keep_alive: Duration::from_secs(75),
            body_read: Duration::from_secs(20),
            request: Duration::from_secs(30),
            write_stall: Duration::from_secs(5 * 60),
            drain: Duration::from_secs(1),
            connections: 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_client_may_drain_the_socket_buffers() {
        /// Linux lets a send buffer grow to 4 MiB and a receive buffer to 6 MiB, and busy machines
        /// to 32 MiB.
        const HIDDEN: u64 = (4 << 20) / 3 + (32 << 20) / 16;
        const BYTES_PER_SECOND: u64 = 12_000;
        assert!(Limits::default().write_stall.as_secs() * BYTES_PER_SECOND > HIDDEN);
    }
}
