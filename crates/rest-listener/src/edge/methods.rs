//! Methods that a path does not have, and the answers that axum makes by itself.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};

use super::empty;
use crate::error::{Kind, Problem, Refusal};

/// The method's name for the log; not that of one which a client made up.
pub(super) fn name(method: &Method) -> &'static str {
    const KNOWN: [(Method, &str); 9] = [
        (Method::GET, "GET"),
        (Method::HEAD, "HEAD"),
        (Method::POST, "POST"),
        (Method::PUT, "PUT"),
        (Method::DELETE, "DELETE"),
        (Method::OPTIONS, "OPTIONS"),
        (Method::PATCH, "PATCH"),
        (Method::TRACE, "TRACE"),
        (Method::CONNECT, "CONNECT"),
    ];
    KNOWN.iter().find(|(known, _)| known == method).map_or("other", |(_, name)| name)
}

/// Brings into the shape of specification §5 what axum answers by itself, and answers OPTIONS.
pub(super) fn complete(method: &Method, response: Response) -> Response {
    let status = response.status();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return not_allowed(method, &response);
    }
    if (status.is_client_error() || status.is_server_error()) && !is_ours(&response) {
        return Problem::new(Kind::of(status), status.canonical_reason().unwrap_or("refused"))
            .into_response();
    }
    response
}

fn is_ours(response: &Response) -> bool {
    response.extensions().get::<Refusal>().is_some()
        || response.headers().get(CONTENT_TYPE).is_some_and(|media_type| media_type == "application/json")
}

fn not_allowed(method: &Method, response: &Response) -> Response {
    let allowed = allowed(response);
    let mut answer = if method == Method::OPTIONS {
        empty(StatusCode::NO_CONTENT)
    } else {
        Problem::new(Kind::MethodNotAllowed, format!("this path takes {allowed}")).into_response()
    };
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    answer
}

/// The methods that axum has for the path, and OPTIONS, which every path has.
fn allowed(response: &Response) -> String {
    let known = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
    let methods = known.split(',').map(str::trim).filter(|method| !method.is_empty());
    methods.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
}
