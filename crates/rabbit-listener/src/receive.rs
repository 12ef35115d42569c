use std::time::Instant;

use bytes::Bytes;
use lapin::message::Delivery as Message;
use mymonit_model::Timestamp;
use mymonit_services::Delivery;
use mymonit_services::message::{IncomingMessage, MessageId, Rejection, decode};
use tokio::task::{JoinError, spawn_blocking};

use crate::frames::BlankedProperties;
use crate::properties::{raw_to_json, to_json};

/// A longer body is parsed on a thread of its own: it would keep an HTTP request waiting that shares ours.
const LONG_BODY: usize = 128 << 10;

/// A message that has come from the broker and waits for its turn.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) message: Message,
    pub(crate) at: Timestamp,
    pub(crate) instant: Instant,
}

/// Reads a message as far as that goes without the database.
///
/// # Errors
/// Where reading it panicked, which is a defect.
pub(crate) async fn receive(
    message: Message,
    received_at: Timestamp,
    blanked: &BlankedProperties,
    max_bytes: usize,
) -> Result<Delivery, JoinError> {
    let (message_id, properties) = match blanked.take(message.delivery_tag) {
        None => {
            let id = message.properties.message_id().as_ref().map(|id| id.as_str().as_bytes());
            (id.and_then(MessageId::new), to_json(&message.properties))
        }
        Some(raw) => (raw.message_id().and_then(MessageId::new), raw_to_json(&raw)),
    };
    let body = Bytes::from(message.data);
    let decoded = decode_aside(&body, max_bytes).await?;
    Ok(Delivery { message_id, received_at, decoded, body, properties })
}

async fn decode_aside(
    body: &Bytes,
    max_bytes: usize,
) -> Result<Result<IncomingMessage, Rejection>, JoinError> {
    if body.len() < LONG_BODY {
        return Ok(decode(body, max_bytes));
    }
    let body = body.clone();
    spawn_blocking(move || decode(&body, max_bytes)).await
}
