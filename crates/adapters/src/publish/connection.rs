use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Consumer};
use mymonit_broker::{BrokerConnection, ConnectError};
use tokio::time::timeout;

use super::replies;
use crate::broker::Broker;

const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A connection whose channel has publisher confirms.
pub(super) struct Link {
    pub(super) channel: Channel,
    /// The replies of the service, unless the broker does not support direct replies.
    pub(super) replies: Option<Consumer>,
    connection: BrokerConnection,
}

impl Link {
    pub(super) async fn connect(broker: &Broker) -> Result<Self, ConnectError> {
        let name = ("mymonit-adapter", "MyMONIT adapter");
        let connection = mymonit_broker::connect(&broker.uri, &broker.tls, name, |stream| stream).await?;
        let channel = connection.channel.clone();
        match replies::receive(&channel).await {
            Ok(replies) => Self::with_confirms(channel, Some(replies), connection).await,
            // The refusal has closed the channel. Without replies only the service shows
            // rejections.
            Err(_) => {
                let channel = connection.connection.create_channel().await.map_err(unreachable)?;
                Self::with_confirms(channel, None, connection).await
            }
        }
    }

    async fn with_confirms(
        channel: Channel,
        replies: Option<Consumer>,
        connection: BrokerConnection,
    ) -> Result<Self, ConnectError> {
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(unreachable)?;
        Ok(Self { channel, replies, connection })
    }

    /// Whether the broker has paused publishers, for lack of memory or disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.connection.status().blocked()
    }

    /// Closes the connection. Everything is confirmed, so a failure loses nothing.
    pub(super) async fn close(self) {
        let _ = timeout(CLOSE_LIMIT, self.connection.connection.close(200, "done".into())).await;
    }
}

fn unreachable(error: lapin::Error) -> ConnectError {
    ConnectError::Unreachable(error.to_string())
}
