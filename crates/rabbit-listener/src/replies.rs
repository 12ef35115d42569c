//! Replies to publishers whose messages were rejected (`reply-to`): best effort, after the commit.
//!
//! They have a connection of their own, opened for the first reply. RabbitMQ stops reading from a
//! connection that publishes while memory or disk is short, and acknowledgements would wait there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind};
use mymonit_broker::{BrokerConnection, ConnectError};
use mymonit_services::Delivery;
use mymonit_services::message::Rejection;
use mymonit_services::ports::IngestOutcome;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::log_throttle::LogThrottle;
use crate::reply_queue::{ReplyNodes, ReplyQueue};
use crate::{IngestCounters, RabbitConfiguration};

/// Replies that wait. More are dropped.
const MAX_WAITING: usize = 1_000;
/// Replies published before their confirms are awaited.
const MAX_UNCONFIRMED: usize = 64;
/// Bytes of a detail in a reply. The rejected message keeps the whole detail.
const MAX_DETAIL: usize = 4_096;
/// Pause after a lost connection; replies wait or are dropped meanwhile.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// For closing the connection, and for the last replies at a stop.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Sends replies in a separate task. Dropping it ends the task.
pub(crate) struct Replier {
    replies: Replies,
    task: JoinHandle<()>,
}

/// Where replies are queued.
#[derive(Clone)]
pub(crate) struct Replies {
    queue: Sender<Reply>,
    counters: Arc<IngestCounters>,
}

/// A reply to a publisher.
struct Reply {
    to: ReplyQueue,
    correlation_id: Option<ShortString>,
    body: Vec<u8>,
}

impl Replier {
    pub(crate) fn start(configuration: &RabbitConfiguration, counters: &Arc<IngestCounters>) -> Self {
        let (sender, receiver) = channel(MAX_WAITING);
        let task = tokio::spawn(send_all(configuration.clone(), receiver, counters.clone()));
        Self { replies: Replies { queue: sender, counters: counters.clone() }, task }
    }

    pub(crate) fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Waits a moment for the replies that are queued.
    pub(crate) async fn stop(mut self) {
        // The task ends with its last sender.
        let (closed, _) = channel(1);
        self.replies.queue = closed;
        let _ = timeout(CLOSE_LIMIT, &mut self.task).await;
    }
}

impl Drop for Replier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Replies {
    /// Queues replies for the messages of a committed batch that were rejected now. Never waits.
    pub(crate) fn send(&self, deliveries: &[Delivery], outcomes: &[IngestOutcome]) {
        for (delivery, outcome) in deliveries.iter().zip(outcomes) {
            if let (Err(rejection), IngestOutcome::Rejected(_)) = (&delivery.decoded, outcome)
                && let Some(to) = ReplyQueue::of(&delivery.properties)
            {
                match self.queue.try_reserve() {
                    Ok(place) => place.send(Reply::new(to, &delivery.properties, rejection)),
                    Err(_) => self.counters.count_replies_dropped(1),
                }
            }
        }
    }
}

impl Reply {
    fn new(to: ReplyQueue, properties: &Value, rejection: &Rejection) -> Self {
        let detail = &rejection.detail;
        let detail = match detail.floor_char_boundary(MAX_DETAIL) {
            all if all == detail.len() => detail.clone(),
            part => format!("{}…", &detail[..part]),
        };
        let message_id = properties.get("message_id");
        let body = json!({ "message_id": message_id, "reason": rejection.reason.code(), "detail": detail });
        let correlation_id = properties.get("correlation_id").and_then(Value::as_str);
        Self {
            to,
            correlation_id: correlation_id.and_then(|id| ShortString::try_new(id).ok()),
            body: body.to_string().into_bytes(),
        }
    }
}

/// Why replies were not sent.
enum ReplyError {
    /// The account may not publish to the default exchange, or not connect.
    Refused(String),
    /// The broker has failed to decode the queue's name.
    Undecodable,
    Lost(String),
}

impl From<lapin::Error> for ReplyError {
    fn from(error: lapin::Error) -> Self {
        let ErrorKind::ProtocolError(reply) = error.kind() else { return Self::Lost(error.to_string()) };
        match reply.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                Self::Refused(format!("{} {}", reply.get_id(), reply.get_message()))
            }
            AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR) => Self::Undecodable,
            _ => Self::Lost(error.to_string()),
        }
    }
}

impl From<ConnectError> for ReplyError {
    fn from(error: ConnectError) -> Self {
        if error.is_refusal() { Self::Refused(error.to_string()) } else { Self::Lost(error.to_string()) }
    }
}

/// Sends what is queued until the last sender is dropped, or until the broker refuses.
async fn send_all(
    configuration: RabbitConfiguration,
    mut queue: Receiver<Reply>,
    counters: Arc<IngestCounters>,
) {
    let mut link = Link { configuration, counters, connection: None, throttle: LogThrottle::default() };
    let mut nodes = ReplyNodes::default();
    let mut replies = Vec::with_capacity(MAX_UNCONFIRMED);
    while queue.recv_many(&mut replies, MAX_UNCONFIRMED).await > 0 {
        if let Err(Off) = link.send_safely(&mut nodes, &mut replies).await {
            break;
        }
    }
    queue.close();
    link.counters.count_replies_dropped(queue.len());
    link.close().await;
}

/// The broker refuses replies. They stay off until the next connection.
struct Off;

/// The connection for replies, once there was one to send.
struct Link {
    configuration: RabbitConfiguration,
    counters: Arc<IngestCounters>,
    connection: Option<BrokerConnection>,
    throttle: LogThrottle,
}

impl Link {
    /// Sends the replies together, but singly those to nodes that may be unknown to the broker.
    async fn send_safely(&mut self, nodes: &mut ReplyNodes, replies: &mut Vec<Reply>) -> Result<(), Off> {
        let unproven: Vec<_> = replies.extract_if(.., |reply| !nodes.is_proven(&reply.to)).collect();
        let _ = self.send_counted(std::mem::take(replies)).await?;
        for reply in unproven {
            let to = reply.to.clone();
            if !nodes.is_proven(&to) && !nodes.try_once(&to) {
                self.counters.count_replies_dropped(1);
                continue;
            }
            match self.send_counted(vec![reply]).await? {
                Ok(()) => nodes.prove(&to),
                Err(ReplyError::Undecodable) => {}
                Err(_) => nodes.forget(&to),
            }
        }
        Ok(())
    }

    /// Sends replies, and counts those that the broker has confirmed and the others.
    async fn send_counted(&mut self, replies: Vec<Reply>) -> Result<Result<(), ReplyError>, Off> {
        let (all, mut sent) = (replies.len(), 0);
        let outcome = if all == 0 { Ok(()) } else { self.send(replies, &mut sent).await };
        self.counters.count_replies_sent(sent);
        self.counters.count_replies_dropped(all - sent);
        match &outcome {
            Ok(()) => {}
            Err(ReplyError::Refused(why)) => {
                warn!(
                    why,
                    "the broker refuses replies to publishers; off until the next connection; allow the account to \
                     write to `amq.default`"
                );
                return Err(Off);
            }
            Err(ReplyError::Undecodable) => self.connection = None,
            Err(ReplyError::Lost(why)) => {
                self.connection = None;
                if self.throttle.allows(why, Instant::now()) {
                    warn!(why, "connection for replies to publishers lost; reconnecting");
                }
                sleep(RECONNECT_DELAY).await;
            }
        }
        Ok(outcome)
    }

    /// Connects if need be and publishes all replies.
    async fn send(&mut self, replies: Vec<Reply>, sent: &mut usize) -> Result<(), ReplyError> {
        let BrokerConnection { channel, .. } = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.configuration).await?),
        };
        let mut confirms = Vec::with_capacity(replies.len());
        let mut outcome = Ok(());
        for reply in replies {
            match publish(channel, reply).await {
                Ok(confirm) => confirms.push(confirm),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        for confirm in confirms {
            match confirm.await {
                Ok(Confirmation::Ack(_)) => *sent += 1,
                Ok(_) => {}
                Err(error) => outcome = Err(error),
            }
        }
        outcome.map_err(ReplyError::from)
    }

    async fn close(self) {
        if let Some(BrokerConnection { connection, .. }) = &self.connection
            && timeout(CLOSE_LIMIT, connection.close(200, "OK".into())).await.is_err()
        {
            debug!("the broker does not close the connection for replies");
        }
    }
}

async fn connect(configuration: &RabbitConfiguration) -> Result<BrokerConnection, ReplyError> {
    let name = ("mymonit replies", "MyMONIT");
    let connection =
        mymonit_broker::connect(&configuration.uri, &configuration.tls, name, |stream| stream).await?;
    // Only a confirm distinguishes a refusal from a reply that was sent.
    connection.channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(connection)
}

async fn publish(channel: &Channel, reply: Reply) -> lapin::Result<lapin::PublisherConfirm> {
    let Reply { to, correlation_id, body } = reply;
    let mut properties = BasicProperties::default().with_content_type("application/json".into());
    if let Some(id) = correlation_id {
        properties = properties.with_correlation_id(id);
    }
    channel
        .basic_publish(ShortString::default(), to.name, BasicPublishOptions::default(), &body, properties)
        .await
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mymonit_model::Timestamp;
    use mymonit_services::message::RejectionReason;

    use super::*;

    fn delivery(properties: Value, detail: &str) -> Delivery {
        Delivery {
            publisher: None,
            message_id: None,
            received_at: Timestamp::now(),
            decoded: Err(Rejection::new(RejectionReason::Empty, detail)),
            body: Bytes::new(),
            properties,
        }
    }

    fn queued(delivery: Delivery, outcome: IngestOutcome) -> Option<Reply> {
        let (queue, mut receiver) = channel(1);
        Replies { queue, counters: Arc::default() }.send(&[delivery], &[outcome]);
        receiver.try_recv().ok()
    }

    const REJECTED: IngestOutcome = IngestOutcome::Rejected(RejectionReason::Empty);
    const QUEUE: &str = "amq.gen-JzTY20BRgKO-HjmUJj0wLg";

    #[test]
    fn a_reply_repeats_ids_and_a_detail_of_bounded_length() {
        let properties = json!({ "reply_to": QUEUE, "correlation_id": "c", "message_id": "m" });
        let reply = queued(delivery(properties, &"é".repeat(MAX_DETAIL)), REJECTED).unwrap();
        assert_eq!(reply.to.name.as_str(), QUEUE);
        assert_eq!(reply.correlation_id.unwrap().as_str(), "c");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let detail = format!("{}…", "é".repeat(MAX_DETAIL / 2));
        assert_eq!(body, json!({ "message_id": "m", "reason": "empty", "detail": detail }));
    }

    #[test]
    fn a_message_without_ids_is_answered_without() {
        let reply = queued(delivery(json!({ "reply_to": QUEUE }), "d"), REJECTED).unwrap();
        assert_eq!(reply.correlation_id, None);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body, json!({ "message_id": null, "reason": "empty", "detail": "d" }));
    }

    #[test]
    fn duplicates_and_stored_messages_get_no_reply() {
        for outcome in [IngestOutcome::Duplicate, IngestOutcome::Stored] {
            assert!(queued(delivery(json!({ "reply_to": QUEUE }), "d"), outcome).is_none());
        }
    }

    #[tokio::test]
    async fn replies_beyond_the_queue_are_dropped_and_counted() {
        let (queue, _receiver) = channel(2);
        let replies = Replies { queue, counters: Arc::default() };
        let deliveries = vec![delivery(json!({ "reply_to": QUEUE }), "d"); 5];
        replies.send(&deliveries, &[REJECTED; 5]);
        assert_eq!(replies.counters.replies_dropped(), 3);
    }
}
