//! `/rejected-messages/`: what could never be stored, and may be after all.

mod body;

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
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

use crate::caller::Caller;
use crate::encoder::Encoder;
use crate::error::Problem;
use crate::path::RejectedMessagePath;
use crate::query::{NoParameters, Parameters};
use crate::{Limits, RestState, streaming};

/// Which part of the time that a request may take a replay of many uses before it answers with what it has done:
/// the message in hand may take long, and the answer has to be on its way before the time is over.
const PART_OF_LIMIT: u32 = 6;

type Rejected = State<Arc<dyn RejectedMessageService>>;

pub(crate) fn router() -> Router<RestState> {
    Router::new()
        .route("/rejected-messages", get(list))
        .route("/rejected-messages/replay", post(replay_all))
        .route("/rejected-messages/{id}", get(one).delete(discard))
        .route("/rejected-messages/{id}/replay", post(replay))
}

/// `RejectedMessage` of specification §5, without its body.
#[derive(Serialize)]
struct RejectedMessageShape<'a> {
    id: u64,
    reason: &'static str,
    detail: &'a str,
    received_at: String,
    /// Text, or `{"$base64": "…"}` where it is no UTF-8, as for binary values within the properties.
    message_id: Option<Value>,
    properties: &'a Value,
    size: u64,
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
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ReplayShape {
    Stored { measures: usize },
    Rejected { reason: &'static str, detail: String },
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
#[derive(Serialize)]
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

async fn list(
    State(rejected): Rejected,
    Caller(caller): Caller,
    query: ListQuery,
) -> Result<Response, Problem> {
    let list = rejected.list(&caller, query.request()?).await?;
    let link = list.next.map(|cursor| (LINK, query.0.link_to_next("/rejected-messages/", &cursor)));
    let body = streaming::document(list.pages, RejectedMessageEncoder { is_first: true }).await?;
    Ok(([(CONTENT_TYPE, RejectedMessageEncoder::MEDIA_TYPE)], AppendHeaders(link), body).into_response())
}

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

async fn replay(
    State(rejected): Rejected,
    Caller(caller): Caller,
    RejectedMessagePath(id): RejectedMessagePath,
    _: NoParameters,
) -> Result<Json<ReplayShape>, Problem> {
    Ok(Json(rejected.replay(&caller, id).await?.into()))
}

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

impl ListQuery {
    fn request(&self) -> Result<RejectedMessageRequest, Problem> {
        Ok(RejectedMessageRequest {
            filter: filter(&self.0)?,
            limit: self.0.limit(MAX_REJECTED_MESSAGES)?,
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
