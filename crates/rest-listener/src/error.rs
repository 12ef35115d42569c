//! From errors to answers (specification §5), one to one:
//!
//! | kind | status | code |
//! |---|---|---|
//! | a field or parameter is missing or wrong | 400 | `invalid_argument` |
//! | no valid token | 401 | `unauthenticated` |
//! | the caller may not | 403 | `forbidden` |
//! | no such thing | 404 | `not_found` |
//! | no such method here | 405 | `method_not_allowed` |
//! | the body did not come in time | 408 | `request_timeout` |
//! | it contradicts what is there | 409 | `conflict` |
//! | the body is too large | 413 | `payload_too_large` |
//! | the body is no JSON by its own account | 415 | `unsupported_media_type` |
//! | too many requests | 429 | `too_many_requests` |
//! | the database or the signing keys are away | 503 | `unavailable` |
//! | anything else | 500 | `internal` |
//!
//! What the client is told is written for it. Why something failed inside goes to the log with the
//! request's line (see [`Refusal`]), never to the client.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mymonit_services::ports::Cause;
use mymonit_services::{ServiceError, with_sources};
use serde::Serialize;

/// Seconds after which a client may well try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// The media type of a refusal (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The kinds of refusals, in the order of their status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidArgument,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    TooManyRequests,
    Unavailable,
    Internal,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 12] = [
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::Internal,
    ];

    const fn policy(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid_argument"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict"),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        self.policy().0
    }

    /// The stable code.
    pub(crate) const fn code(self) -> &'static str {
        self.policy().1
    }

    /// The kind of an answer of which nothing but the status is known.
    pub(crate) fn of(status: StatusCode) -> Self {
        let other = if status.is_client_error() { Self::InvalidArgument } else { Self::Internal };
        Self::ALL.into_iter().find(|kind| kind.status() == status).unwrap_or(other)
    }
}

/// A refusal on its way to the client, as `application/problem+json` (RFC 9457).
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    why: Option<String>,
}

/// What the log is told about a refusal. Every answer that a [`Problem`] became carries one.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The stable code.
    pub(crate) code: &'static str,
    /// The cause, which the client is not told.
    pub(crate) why: Option<String>,
}

#[derive(Serialize)]
struct Shape<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
    code: &'a str,
}

impl Problem {
    /// A refusal of that kind; `detail` is for the client.
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), why: None }
    }

    /// The refusal of a field or parameter. The message reads on after its name.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        ServiceError::invalid(field, message).into()
    }

    /// Adds what only the log may know.
    pub(crate) fn because(self, why: impl Into<String>) -> Self {
        Self { why: Some(why.into()), ..self }
    }

    fn failed(kind: Kind, detail: String, cause: &Cause) -> Self {
        Self::new(kind, detail).because(with_sources(cause.as_ref()))
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::InvalidArgument { .. } => Self::new(Kind::InvalidArgument, detail),
            ServiceError::Unauthenticated { reason } => {
                Self::new(Kind::Unauthenticated, detail).because(reason)
            }
            ServiceError::Forbidden(_) => Self::new(Kind::Forbidden, detail),
            ServiceError::NotFound(_) => Self::new(Kind::NotFound, detail),
            ServiceError::Conflict(_) => Self::new(Kind::Conflict, detail),
            ServiceError::Unavailable(cause) => Self::failed(Kind::Unavailable, detail, &cause),
            ServiceError::Internal(cause) => Self::failed(Kind::Internal, detail, &cause),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.kind.policy();
        let title = status.canonical_reason().unwrap_or_default();
        let shape = Shape { status: status.as_u16(), title, detail: &self.detail, code };
        // Text and numbers always become JSON.
        let body = serde_json::to_vec(&shape).unwrap_or_default();
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))]);
        match self.kind {
            Kind::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::TooManyRequests | Kind::Unavailable => {
                headers.insert(RETRY_AFTER, RETRY_SECONDS);
            }
            _ => {}
        }
        let mut response = (status, headers, body).into_response();
        response.extensions_mut().insert(Refusal { code, why: self.why });
        response
    }
}
