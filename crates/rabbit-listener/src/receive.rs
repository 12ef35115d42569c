use std::time::Instant;

use bytes::Bytes;
use lapin::message::Delivery as Message;
use mymonit_model::Timestamp;
use mymonit_services::Delivery;
use mymonit_services::message::{IncomingMessage, MessageId, Rejection, decode};
use tokio::task::{JoinError, spawn_blocking};

use crate::frames::{Noted, NotedProperties};
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

/// Reads a message as far as that goes without the database. With it comes how many bytes the gate holds for it.
///
/// # Errors
/// Where reading it panicked, which is a defect.
pub(crate) async fn receive(
    message: Message,
    received_at: Timestamp,
    noted: &NotedProperties,
    max_bytes: usize,
) -> Result<(Delivery, usize), JoinError> {
    let Noted { original, bytes } = noted.take(message.delivery_tag);
    let (message_id, properties) = match original {
        None => {
            let id = message.properties.message_id().as_ref().map(|id| id.as_str().as_bytes());
            (id.and_then(MessageId::new), to_json(&message.properties))
        }
        Some(raw) => (raw.message_id().and_then(MessageId::new), raw_to_json(&raw)),
    };
    let body = Bytes::from(message.data);
    let (decoded, bytes) = (decode_aside(&body, max_bytes).await?, bytes + body.len());
    Ok((Delivery { message_id, received_at, decoded, body, properties }, bytes))
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
