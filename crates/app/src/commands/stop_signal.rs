use tokio::signal::unix::{SignalKind, signal};

/// Completes on the first SIGTERM or SIGINT. The handlers are installed on return, so that a
/// signal during the start is not missed.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
