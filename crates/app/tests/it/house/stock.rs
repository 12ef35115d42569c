use anyhow::Context;
use mymonit_test_support::{QueueState, RabbitMq};

/// What the queue itself says that it holds.
///
/// A passive declaration tells less. A consumer is gone from it as soon as it is cancelled, but what it held is
/// counted nowhere until the broker has put it back, some time after the connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Messages that wait.
    pub(crate) ready: u64,
    /// Messages that are with a consumer, or were and are not back yet.
    pub(crate) unacknowledged: u64,
    /// Consumers.
    pub(crate) consumers: u64,
}

impl Stock {
    /// Asks the queue in that virtual host of the shared broker.
    pub(crate) async fn take(broker_url: &str) -> anyhow::Result<Self> {
        let (_, vhost) = broker_url.rsplit_once('/').context("a virtual host")?;
        Self::of(RabbitMq::shared().await?, vhost).await
    }

    /// Asks the queue in that virtual host of a broker.
    pub(crate) async fn of(broker: &RabbitMq, vhost: &str) -> anyhow::Result<Self> {
        let QueueState { ready, unacknowledged, consumers } = broker.queue(vhost, "measures").await?;
        Ok(Self { ready, unacknowledged, consumers })
    }

    /// All messages in it.
    pub(crate) fn queued(&self) -> u64 {
        self.ready + self.unacknowledged
    }
}
