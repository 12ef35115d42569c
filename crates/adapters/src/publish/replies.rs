//! Replies of the service: which messages it has rejected.

use lapin::message::Delivery;
use lapin::options::BasicConsumeOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Consumer};
use serde::Deserialize;

use crate::message::{Message, Origin};

/// The pseudo-queue of RabbitMQ for direct replies.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
const MAX_CORRELATION_BYTES: usize = 255;

/// A message that the service has rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) message_id: String,
    /// A stable code.
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) origin: Origin,
}

#[derive(Debug, Deserialize)]
struct Reply {
    message_id: Option<String>,
    reason: String,
    #[serde(default)]
    detail: String,
}

/// Begins to receive replies on a channel.
pub(super) async fn receive(channel: &Channel) -> lapin::Result<Consumer> {
    // Direct replies cannot be acknowledged.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await
}

/// The `reply-to` of a message.
pub(super) fn reply_to() -> ShortString {
    REPLY_TO.into()
}

/// The `correlation-id`, which a reply repeats. Names the lines and file of a message:
/// `12-40:values.csv`.
pub(super) fn correlation_id(message: &Message) -> Option<ShortString> {
    let Origin { file, first_line, last_line } = message.origin.as_ref()?;
    let lines = format!("{first_line}-{last_line}:");
    // The end of a path is more specific than its start.
    let mut start = file.len().saturating_sub(MAX_CORRELATION_BYTES - lines.len());
    while !file.is_char_boundary(start) {
        start += 1;
    }
    ShortString::try_new(format!("{lines}{}", &file[start..])).ok()
}

fn origin(correlation_id: &str) -> Option<Origin> {
    let (lines, file) = correlation_id.split_once(':')?;
    let (first_line, last_line) = lines.split_once('-')?;
    Some(Origin {
        file: file.to_owned(),
        first_line: first_line.parse().ok()?,
        last_line: last_line.parse().ok()?,
    })
}

/// The rejection in a reply; `None` for other replies.
pub(super) fn rejection(delivery: &Delivery) -> Option<Rejection> {
    let reply: Reply = serde_json::from_slice(&delivery.data).ok()?;
    let correlation_id = delivery.properties.correlation_id().as_ref().map(ShortString::as_str);
    let message_id = reply.message_id.unwrap_or_default();
    let unknown = || Origin { file: message_id.clone(), first_line: 0, last_line: 0 };
    let origin = correlation_id.and_then(origin).unwrap_or_else(unknown);
    Some(Rejection { origin, message_id, reason: reply.reason, detail: reply.detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(file: &str) -> Message {
        let origin = Some(Origin { file: file.to_owned(), first_line: 12, last_line: 40 });
        Message { id: String::new(), body: Vec::new(), measures: 1, hash: String::new(), origin }
    }

    #[test]
    fn the_correlation_id_holds_the_place_of_a_message() {
        let id = correlation_id(&message("in/a:b.csv")).unwrap();
        assert_eq!(id.as_str(), "12-40:in/a:b.csv");
        assert_eq!(origin(id.as_str()), message("in/a:b.csv").origin);
        let long = correlation_id(&message(&format!("{}/values.csv", "é".repeat(400)))).unwrap();
        assert!(long.as_str().len() <= 255 && long.as_str().ends_with("é/values.csv"));
        for text in ["", "x", "1:a", "1-x:a"] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
