//! Slow clients: half a header, half a body, or an answer read byte by byte.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::load::Target;

/// How often one takes a byte of its answer.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// The receive buffer of one that reads; the system makes it as small as it may.
const BUFFER: u32 = 4096;

/// Slow clients, until this is dropped. Each reconnects when it is cut off.
pub(crate) struct SlowClients(#[expect(dead_code, reason = "its end ends the clients")] JoinSet<()>);

impl SlowClients {
    /// Starts that many, a third of each kind, and waits until all are slow.
    pub(crate) async fn come(count: usize, target: &Target) -> anyhow::Result<Self> {
        // Each has a socket of this process.
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
        let (settled, mut settles) = mpsc::channel(count.max(1));
        let mut clients = JoinSet::new();
        for number in 0..count {
            let (target, settled) = (target.clone(), settled.clone());
            clients.spawn(async move {
                loop {
                    // The server decides when a connection ends; the next one follows.
                    let _ = visit(number, &target, &settled).await;
                    tokio::task::yield_now().await;
                }
            });
        }
        for _ in 0..count {
            settles.recv().await;
        }
        Ok(Self(clients))
    }
}

/// One connection of one client, until the server ends it.
async fn visit(number: usize, target: &Target, settled: &mpsc::Sender<()>) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER)?;
    let mut stream = socket.connect(([127, 0, 0, 1], target.port).into()).await?;
    let headers: String = target.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = match number % 3 {
        0 => "GET /health/live HTTP/1.1\r\nHo".to_owned(),
        1 => format!(
            "POST /experiments/ HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{{"
        ),
        _ => format!("GET {} HTTP/1.1\r\nHost: x\r\n{headers}\r\n", target.path),
    };
    stream.write_all(request.as_bytes()).await?;
    let mut byte = [0];
    if number % 3 == 2 {
        stream.read_exact(&mut byte).await?;
    }
    // Only those of the first visit are waited for, and for those there is room.
    let _ = settled.try_send(());
    let mut ticks = interval(READ_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stream.read(&mut byte).await? > 0 {
        ticks.tick().await;
    }
    Ok(())
}
