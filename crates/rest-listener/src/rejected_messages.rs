//! `/rejected-messages/`.

mod body;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{StatusCode, Uri};
use mymonit_services::message::{MessageId, RejectionReason};
use mymonit_services::ports::{RejectedMessage, RejectedMessageFilter};
use mymonit_services::{
    DiscardSummary, MAX_REJECTED_MESSAGES, RejectedMessageRequest, RejectedMessageService, Replay,
    ReplaySummary, ServiceError,
};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::caller::{AnyCaller, Caller};
use crate::error::Problem;
use crate::openapi::{Endpoints, Paged, ReasonCode, Reauthentication, StoredTimestamp};
use crate::path::{Path, RejectedMessagePath};
use crate::query::{Count, Cursor, Moment, NoParameters, Query, next_page};
use crate::state::HealthState;
use crate::streaming::{self, Encoder};

/// The part of a request's time limit after which a replay of many messages answers with what it
/// has done. One message may take long.
const PART_OF_LIMIT: u32 = 6;

type Rejected = State<Arc<dyn RejectedMessageService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list))
        .guarded(routes!(replay_all))
        .guarded(routes!(discard_all))
        .guarded(routes!(one, discard))
        .guarded(routes!(replay))
        .with_schema::<RejectedMessageShape<'static>>()
}

/// A message that could not be stored, without its body.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedMessage)]
struct RejectedMessageShape<'a> {
    #[schema(minimum = 1)]
    id: u64,
    #[schema(value_type = ReasonCode)]
    reason: &'static str,
    /// The reason in a sentence that names the field.
    #[schema(example = "there is no experiment `neutrino-flux`")]
    detail: &'a str,
    #[schema(value_type = StoredTimestamp)]
    received_at: String,
    /// Text, or `{"$base64": "…"}` if it is not UTF-8; likewise for binary values within the
    /// properties.
    #[schema(required = true, value_type = Option<BinaryText>)]
    message_id: Option<Value>,
    /// The AMQP properties of the message.
    #[schema(value_type = Object)]
    properties: &'a Value,
    /// Bytes of the body.
    size: u64,
}

/// A rejected message with its body.
#[derive(ToSchema)]
#[schema(as = RejectedMessageWithBody)]
#[expect(dead_code, reason = "documents what the module body writes")]
struct RejectedMessageWithBodyShape<'a> {
    #[serde(flatten)]
    message: RejectedMessageShape<'a>,
    body_encoding: BodyEncoding,
    /// The body as text, or in base64 if it is not UTF-8.
    body: String,
}

/// How the body of a rejected message is shown.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what the module body writes")]
enum BodyEncoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "base64")]
    Base64,
}

/// Text, or bytes that are not UTF-8.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents what is written as JSON")]
enum BinaryText {
    Text(String),
    Bytes {
        #[serde(rename = "$base64")]
        base64: String,
    },
}

impl<'a> From<&'a RejectedMessage> for RejectedMessageShape<'a> {
    fn from(message: &'a RejectedMessage) -> Self {
        let RejectedMessage { id, rejection, received_at, publisher: _, message_id, properties, size } =
            message;
        Self {
            id: id.get(),
            reason: rejection.reason.code(),
            detail: &rejection.detail,
            received_at: received_at.to_string(),
            message_id: message_id.as_ref().map(readable),
            properties,
            size: *size,
        }
    }
}

fn readable(message_id: &MessageId) -> Value {
    match std::str::from_utf8(message_id.as_bytes()) {
        Ok(text) => text.into(),
        Err(_) => json!({ "$base64": STANDARD.encode(message_id.as_bytes()) }),
    }
}

/// The outcome of the replay of one message.
#[derive(Serialize, ToSchema)]
#[schema(as = Replay)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ReplayShape {
    /// Stored, and no longer a rejected message.
    Stored {
        /// How many measures were stored.
        measures: usize,
    },
    /// Rejected again; it stays.
    Rejected {
        #[schema(value_type = ReasonCode)]
        reason: &'static str,
        /// The reason in a sentence that names the field.
        detail: String,
    },
}

impl From<Replay> for ReplayShape {
    fn from(replay: Replay) -> Self {
        match replay {
            Replay::Stored { measures } => Self::Stored { measures },
            Replay::StillRejected(rejection) => {
                Self::Rejected { reason: rejection.reason.code(), detail: rejection.detail }
            }
        }
    }
}

/// The outcome of the replay of many messages.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplaySummary)]
struct ReplaySummaryShape {
    stored: u64,
    still_rejected: u64,
    /// Whether all messages of the filter were tried. If not, the `Link` header continues with the
    /// rest.
    complete: bool,
}

/// The outcome of the removal of many messages.
#[derive(Serialize, ToSchema)]
#[schema(as = DiscardSummary)]
struct DiscardSummaryShape {
    discarded: u64,
    /// Whether all messages of the filter are gone. If not, the `Link` header continues with the
    /// rest.
    complete: bool,
}

/// Rejected messages as an array of objects.
struct RejectedMessageEncoder {
    is_first: bool,
}

impl Encoder for RejectedMessageEncoder {
    type Chunk = Vec<RejectedMessage>;

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.push(b'[');
    }

    fn record(
        &mut self,
        messages: &Vec<RejectedMessage>,
        index: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, ServiceError> {
        let Some(message) = messages.get(index) else { return Ok(false) };
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        // Writing to memory cannot fail, and neither can the serialisation of this shape.
        let _ = serde_json::to_writer(out, &RejectedMessageShape::from(message));
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ServiceError> {
        out.push(b']');
        Ok(())
    }
}

/// Lists rejected messages, last received first.
///
/// For administrators. Without their bodies.
#[utoipa::path(
    get, path = "/rejected-messages/", tag = "rejected messages", operation_id = "listRejectedMessages",
    params(ListQuery), responses(Paged<RejectedMessageShape<'static>>)
)]
async fn list(
    State(rejected): Rejected,
    Caller(caller): Caller,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    let ListQuery { reason, from, to, limit, cursor } = query;
    let request = RejectedMessageRequest {
        filter: filter(reason, from, to)?,
        limit: limit.map(|Count(limit)| limit),
        cursor: cursor.map(|Cursor(cursor)| cursor),
    };
    let list = rejected.list(&caller, request).await?;
    let link = next_page("/rejected-messages/", &uri, list.next)?;
    let body = streaming::document(list.pages, RejectedMessageEncoder { is_first: true }, None).await?;
    Ok(([(CONTENT_TYPE, "application/json")], link, body).into_response())
}

/// Returns a rejected message with its body.
///
/// For administrators.
#[utoipa::path(
    get, path = "/rejected-messages/{id}", tag = "rejected messages", operation_id = "getRejectedMessage",
    params(RejectedMessagePath),
    responses((status = OK, description = "The message, whole.", body = RejectedMessageWithBodyShape<'static>))
)]
async fn one(
    State(rejected): Rejected,
    Caller(caller): Caller,
    Path(RejectedMessagePath { id }): Path<RejectedMessagePath>,
    _: NoParameters,
) -> Result<Response, Problem> {
    let (message, bytes) = rejected.get(&caller, id).await?;
    let body = body::with_body(&RejectedMessageShape::from(&message), bytes);
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Tries to store a rejected message again.
///
/// For administrators. Safe to repeat: the message is stored once.
#[utoipa::path(
    post, path = "/rejected-messages/{id}/replay", tag = "rejected messages", operation_id = "replayRejectedMessage",
    params(RejectedMessagePath),
    responses((status = OK, description = "The outcome.", body = ReplayShape))
)]
async fn replay(
    State(rejected): Rejected,
    Caller(caller): Caller,
    Path(RejectedMessagePath { id }): Path<RejectedMessagePath>,
    _: NoParameters,
) -> Result<Json<ReplayShape>, Problem> {
    Ok(Json(rejected.replay(&caller, id).await?.into()))
}

/// Tries to store all rejected messages of a filter again.
///
/// For administrators. Safe to repeat. What does not fit into the time limit is left to the request
/// that the `Link` header names.
#[utoipa::path(
    post, path = "/rejected-messages/replay", tag = "rejected messages", operation_id = "replayRejectedMessages",
    params(FilterQuery),
    responses((
        status = OK, description = "The outcome.", body = ReplaySummaryShape,
        headers(("Link" = String, description = "Continues with the rest, if any is left: `<…>; rel=\"next\"`."))
    ))
)]
async fn replay_all(
    State(rejected): Rejected,
    Caller(caller): Caller,
    State(HealthState { limits, .. }): State<HealthState>,
    Query(query): Query<FilterQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    let within = limits.request / PART_OF_LIMIT;
    let (filter, cursor) = query.filter()?;
    let summary = rejected.replay_all(&caller, filter, cursor, within).await?;
    let ReplaySummary { stored, still_rejected, next } = summary;
    let shape = ReplaySummaryShape { stored, still_rejected, complete: next.is_none() };
    let link = next_page("/rejected-messages/replay", &uri, next)?;
    Ok((link, Json(shape)).into_response())
}

/// Discards all rejected messages of a filter permanently.
///
/// For administrators. At least one of `reason`, `from` and `to` must be given. What does not fit
/// into the time limit is left to the request that the `Link` header names.
#[utoipa::path(
    post, path = "/rejected-messages/discard", tag = "rejected messages", operation_id = "discardRejectedMessages",
    params(FilterQuery),
    responses((
        status = OK, description = "How many are gone.", body = DiscardSummaryShape,
        headers(("Link" = String, description = "Continues with the rest, if any is left: `<…>; rel=\"next\"`."))
    ), Reauthentication)
)]
async fn discard_all(
    State(rejected): Rejected,
    AnyCaller(caller): AnyCaller,
    State(HealthState { limits, .. }): State<HealthState>,
    Query(query): Query<FilterQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    let within = limits.request / PART_OF_LIMIT;
    let (filter, cursor) = query.filter()?;
    let DiscardSummary { discarded, next } =
        rejected.discard_all(&caller.user, filter, cursor, within, caller.sign_in).await?;
    let shape = DiscardSummaryShape { discarded, complete: next.is_none() };
    let link = next_page("/rejected-messages/discard", &uri, next)?;
    Ok((link, Json(shape)).into_response())
}

/// Discards a rejected message permanently.
///
/// For administrators.
#[utoipa::path(
    delete, path = "/rejected-messages/{id}", tag = "rejected messages", operation_id = "discardRejectedMessage",
    params(RejectedMessagePath), responses((status = NO_CONTENT, description = "The message is gone."), Reauthentication)
)]
async fn discard(
    State(rejected): Rejected,
    AnyCaller(caller): AnyCaller,
    Path(RejectedMessagePath { id }): Path<RejectedMessagePath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    rejected.discard(&caller.user, id, caller.sign_in).await?;
    Ok(StatusCode::NO_CONTENT)
}

type Limit = Count<MAX_REJECTED_MESSAGES>;

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only messages that were rejected for this reason.
    #[serde(deserialize_with = "reason")]
    #[param(value_type = ReasonCode, required = false)]
    reason: Option<RejectionReason>,
    /// Only messages received at this time or later.
    #[param(inline)]
    from: Option<Moment>,
    /// Only messages received before this time.
    #[param(inline)]
    to: Option<Moment>,
    /// At most this many messages, with a `Link` to the next page while there are more. Without
    /// `limit`: all, streamed.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the page begins: opaque, from the `Link` of an earlier answer to the same request. Any
    /// other is refused.
    #[param(inline)]
    cursor: Option<Cursor>,
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct FilterQuery {
    /// Only messages that were rejected for this reason.
    #[serde(deserialize_with = "reason")]
    #[param(value_type = ReasonCode, required = false)]
    reason: Option<RejectionReason>,
    /// Only messages received at this time or later.
    #[param(inline)]
    from: Option<Moment>,
    /// Only messages received before this time.
    #[param(inline)]
    to: Option<Moment>,
    /// Where to go on: opaque, from the `Link` of an earlier answer to the same request. Any other
    /// is refused.
    #[param(inline)]
    cursor: Option<Cursor>,
}

impl FilterQuery {
    fn filter(self) -> Result<(RejectedMessageFilter, Option<String>), Problem> {
        let Self { reason, from, to, cursor } = self;
        Ok((filter(reason, from, to)?, cursor.map(|Cursor(cursor)| cursor)))
    }
}

/// Refuses a range that holds nothing.
fn filter(
    reason: Option<RejectionReason>,
    from: Option<Moment>,
    to: Option<Moment>,
) -> Result<RejectedMessageFilter, Problem> {
    let (from, to) = (from.map(|Moment(from)| from), to.map(|Moment(to)| to));
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Problem::invalid("from", "must be before `to`"));
    }
    Ok(RejectedMessageFilter { reason, from, to })
}

fn reason<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RejectionReason>, D::Error> {
    let reason = RejectionReason::from_code(&String::deserialize(deserializer)?);
    reason.map(Some).ok_or_else(|| {
        let codes = RejectionReason::ALL.map(|reason| format!("`{}`", reason.code()));
        D::Error::custom(format!("must be one of {}", codes.join(", ")))
    })
}
