//! `/rejected-messages/`: what could never be stored, and may be after all.

mod body;

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_TYPE, LINK};
use http::request::Parts;
use mymonit_services::message::{MessageId, RejectionReason};
use mymonit_services::ports::{RejectedMessage, RejectedMessageFilter};
use mymonit_services::{
    MAX_REJECTED_MESSAGES, RejectedMessageRequest, RejectedMessageService, Replay, ReplaySummary,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::encoder::Encoder;
use crate::error::Problem;
use crate::openapi::{Endpoints, Paged, ReasonCode, StoredTimestamp, cursor, limit, moment, text_in_query};
use crate::path::RejectedMessagePath;
use crate::query::{NoParameters, Parameters};
use crate::{Limits, streaming};

/// Which part of the time that a request may take a replay of many uses before it answers with what it has done:
/// the message in hand may take long, and the answer has to be on its way before the time is over.
const PART_OF_LIMIT: u32 = 6;

type Rejected = State<Arc<dyn RejectedMessageService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list))
        .guarded(routes!(replay_all))
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
    /// Text, or `{"$base64": "…"}` where it is no UTF-8, as for binary values within the properties.
    #[schema(required = true, value_type = Option<BinaryText>)]
    message_id: Option<Value>,
    /// The AMQP properties that the message came with.
    #[schema(value_type = Object)]
    properties: &'a Value,
    /// How many bytes the body has.
    size: u64,
}

/// A rejected message with its body.
#[derive(ToSchema)]
#[schema(as = RejectedMessageWithBody)]
#[expect(dead_code, reason = "the document's face of what the module body writes piece by piece")]
struct RejectedMessageWithBodyShape<'a> {
    #[serde(flatten)]
    message: RejectedMessageShape<'a>,
    body_encoding: BodyEncoding,
    /// The body as text, or in base64 if it is no UTF-8.
    body: String,
}

/// How the body of a rejected message is shown.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document's face of what the module body writes piece by piece")]
enum BodyEncoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "base64")]
    Base64,
}

/// Text, or bytes that are none.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the document's face of what is made as JSON")]
enum BinaryText {
    Text(String),
    Bytes {
        #[serde(rename = "$base64")]
        base64: String,
    },
}

impl<'a> From<&'a RejectedMessage> for RejectedMessageShape<'a> {
    fn from(message: &'a RejectedMessage) -> Self {
        let RejectedMessage { id, rejection, received_at, message_id, properties, size } = message;
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

/// What became of one message that was replayed.
#[derive(Serialize, ToSchema)]
#[schema(as = Replay)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ReplayShape {
    /// It is stored now, and no longer a rejected message.
    Stored {
        /// How many measures it held.
        measures: usize,
    },
    /// It still cannot be stored, and stays.
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

/// What became of many messages that were replayed.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplaySummary)]
struct ReplaySummaryShape {
    stored: u64,
    still_rejected: u64,
    /// Whether all messages of the filter were tried. If not, the `Link` header names what goes on with the rest.
    complete: bool,
}

/// Rejected messages as an array of objects.
struct RejectedMessageEncoder {
    is_first: bool,
}

impl Encoder for RejectedMessageEncoder {
    type Item = RejectedMessage;
    const MEDIA_TYPE: &'static str = "application/json";

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.push(b'[');
    }

    fn item(&mut self, message: &RejectedMessage, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        // Memory takes whatever is written to it, and every such shape is JSON.
        let _ = serde_json::to_writer(out, &RejectedMessageShape::from(message));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.push(b']');
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
    query: ListQuery,
) -> Result<Response, Problem> {
    let list = rejected.list(&caller, query.request()?).await?;
    let link = list.next.map(|cursor| (LINK, query.0.link_to_next("/rejected-messages/", &cursor)));
    let body = streaming::document(list.pages, RejectedMessageEncoder { is_first: true }, None).await?;
    Ok(([(CONTENT_TYPE, RejectedMessageEncoder::MEDIA_TYPE)], AppendHeaders(link), body).into_response())
}

/// Shows a rejected message with its body.
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
    RejectedMessagePath(id): RejectedMessagePath,
    _: NoParameters,
) -> Result<Response, Problem> {
    let (message, bytes) = rejected.get(&caller, id).await?;
    let body = body::with_body(&RejectedMessageShape::from(&message), bytes);
    Ok(([(CONTENT_TYPE, RejectedMessageEncoder::MEDIA_TYPE)], body).into_response())
}

/// Tries to store a rejected message again.
///
/// For administrators. Safe to repeat: the message is stored once.
#[utoipa::path(
    post, path = "/rejected-messages/{id}/replay", tag = "rejected messages", operation_id = "replayRejectedMessage",
    params(RejectedMessagePath),
    responses((status = OK, description = "What became of it.", body = ReplayShape))
)]
async fn replay(
    State(rejected): Rejected,
    Caller(caller): Caller,
    RejectedMessagePath(id): RejectedMessagePath,
    _: NoParameters,
) -> Result<Json<ReplayShape>, Problem> {
    Ok(Json(rejected.replay(&caller, id).await?.into()))
}

/// Tries to store all rejected messages of a filter again.
///
/// For administrators. Safe to repeat. What does not fit into the time of one request is left to the next one, which the
/// `Link` header names.
#[utoipa::path(
    post, path = "/rejected-messages/replay", tag = "rejected messages", operation_id = "replayRejectedMessages",
    params(ReplayQuery),
    responses((
        status = OK, description = "What became of them.", body = ReplaySummaryShape,
        headers(("Link" = String, description = "What goes on with the rest, if any is left: `<…>; rel=\"next\"`."))
    ))
)]
async fn replay_all(
    State(rejected): Rejected,
    Caller(caller): Caller,
    limits: Option<Extension<Limits>>,
    query: ReplayQuery,
) -> Result<Response, Problem> {
    let within = limits.map_or_else(Limits::default, |Extension(limits)| limits).request / PART_OF_LIMIT;
    let cursor = query.0.once("cursor")?.map(str::to_owned);
    let summary = rejected.replay_all(&caller, filter(&query.0)?, cursor, within).await?;
    let ReplaySummary { stored, still_rejected, next } = summary;
    let shape = ReplaySummaryShape { stored, still_rejected, complete: next.is_none() };
    let link = next.map(|cursor| (LINK, query.0.link_to_next("/rejected-messages/replay", &cursor)));
    Ok((AppendHeaders(link), Json(shape)).into_response())
}

/// Discards a rejected message for good.
///
/// For administrators.
#[utoipa::path(
    delete, path = "/rejected-messages/{id}", tag = "rejected messages", operation_id = "discardRejectedMessage",
    params(RejectedMessagePath), responses((status = NO_CONTENT, description = "The message is gone."))
)]
async fn discard(
    State(rejected): Rejected,
    Caller(caller): Caller,
    RejectedMessagePath(id): RejectedMessagePath,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    rejected.discard(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which rejected messages the client wants to see.
struct ListQuery(Parameters);

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        const KNOWN: [&str; 5] = ["reason", "from", "to", "limit", "cursor"];
        Parameters::parse(parts.uri.query(), &KNOWN).map(Self)
    }
}

impl IntoParams for ListQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = filter_parameters().to_vec();
        parameters.extend([limit(MAX_REJECTED_MESSAGES, "messages"), cursor()]);
        parameters
    }
}

impl ListQuery {
    fn request(&self) -> Result<RejectedMessageRequest, Problem> {
        Ok(RejectedMessageRequest {
            filter: filter(&self.0)?,
            limit: self.0.count("limit", MAX_REJECTED_MESSAGES)?,
            cursor: self.0.once("cursor")?.map(str::to_owned),
        })
    }
}

/// Which rejected messages the client wants to replay.
struct ReplayQuery(Parameters);

impl<S: Send + Sync> FromRequestParts<S> for ReplayQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        const KNOWN: [&str; 4] = ["reason", "from", "to", "cursor"];
        Parameters::parse(parts.uri.query(), &KNOWN).map(Self)
    }
}

impl IntoParams for ReplayQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = filter_parameters().to_vec();
        parameters.push(cursor());
        parameters
    }
}

fn filter_parameters() -> [Parameter; 3] {
    [
        text_in_query::<ReasonCode>("reason", "Only those that were rejected for this reason."),
        moment("from", "Only those received at this moment or later."),
        moment("to", "Only those received before this moment."),
    ]
}

fn filter(parameters: &Parameters) -> Result<RejectedMessageFilter, Problem> {
    Ok(RejectedMessageFilter {
        reason: parameters.once("reason")?.map(reason).transpose()?,
        from: parameters.time("from")?,
        to: parameters.time("to")?,
    })
}

fn reason(code: &str) -> Result<RejectionReason, Problem> {
    RejectionReason::from_code(code).ok_or_else(|| {
        let codes = RejectionReason::ALL.map(|reason| format!("`{}`", reason.code()));
        Problem::invalid("reason", &format!("must be one of {}", codes.join(", ")))
    })
}
