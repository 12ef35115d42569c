use std::time::Duration;

use lapin::Consumer;
use mymonit_broker::{ACCESS_ADVICE, BrokerConnection, ConnectError};
use tokio::time::timeout;

use crate::RabbitConfiguration;
use crate::guard::{Guard, guard};
use crate::session_error::SessionError;
use crate::topology;

/// For declaring and starting to consume. The heartbeat notices a dead connection earlier.
const DECLARE_LIMIT: Duration = Duration::from_secs(60);

/// Connects through a guard, declares the topology and starts to consume.
pub(crate) async fn connect(
    configuration: &RabbitConfiguration,
) -> Result<(BrokerConnection, Guard, Consumer), SessionError> {
    let mut guarded = None;
    let connection =
        mymonit_broker::connect(&configuration.uri, &configuration.tls, ("mymonit", "MyMONIT"), |stream| {
            let (stream, guard) = guard(stream, configuration.prefetch);
            guarded = Some(guard);
            stream
        })
        .await?;
    let guard = guarded.ok_or_else(|| SessionError::Unreachable("no stream was opened".to_owned()))?;
    let consume = async {
        topology::declare(&connection.channel, configuration).await?;
        topology::consume(&connection.channel, configuration).await
    };
    let consumer = timeout(DECLARE_LIMIT, consume).await.unwrap_or_else(|_| {
        Err(SessionError::Unreachable(format!("no reply to a declaration within {DECLARE_LIMIT:?}")))
    })?;
    Ok((connection, guard, consumer))
}

impl From<ConnectError> for SessionError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused { reply, .. } => {
                Self::Refused { what: "the connection".to_owned(), reply, advice: ACCESS_ADVICE }
            }
            ConnectError::Unreachable(_) | ConnectError::Tls(_) => Self::Unreachable(error.to_string()),
        }
    }
}
