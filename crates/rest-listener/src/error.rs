//! The one mapping from errors to answers. Causes are logged with the request's line, never sent.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mymonit_services::ports::Cause;
use mymonit_services::{ServiceError, with_sources};
use serde::Serialize;

/// Seconds after which to try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// The media type of a refusal (RFC 9457).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The kinds of errors, in the order of their status. The document names them as here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidArgument,
    Unauthenticated,
    Forbidden,
    ReauthenticationRequired,
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
    pub(crate) const ALL: [Self; 13] = [
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::ReauthenticationRequired,
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
            Self::ReauthenticationRequired => (StatusCode::FORBIDDEN, "reauthentication_required"),
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

    /// The kind of an answer with this status.
    pub(crate) fn of(status: StatusCode) -> Self {
        let other = if status.is_client_error() { Self::InvalidArgument } else { Self::Internal };
        Self::ALL.into_iter().find(|kind| kind.status() == status).unwrap_or(other)
    }
}

/// A refusal, as `application/problem+json` (RFC 9457).
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    cause: Option<String>,
}

/// The log fields of a refusal; an extension of each [`Problem`] response.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// The stable code.
    pub(crate) code: &'static str,
    /// For the log only.
    pub(crate) cause: Option<String>,
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
        Self { kind, detail: detail.into(), cause: None }
    }

    /// The refusal of a field or parameter. The message continues its name.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        ServiceError::invalid(field, message).into()
    }

    /// Adds the cause, for the log only.
    pub(crate) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
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
            ServiceError::ReauthenticationRequired => Self::new(Kind::ReauthenticationRequired, detail),
            ServiceError::NotFound(_) => Self::new(Kind::NotFound, detail),
            ServiceError::Conflict(_) => Self::new(Kind::Conflict, detail),
            ServiceError::TooManyRequests(_) => Self::new(Kind::TooManyRequests, detail),
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
        response.extensions_mut().insert(Refusal { code, cause: self.cause });
        response
    }
}
