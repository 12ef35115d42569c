//! Every refusal as an answer that operations refer to.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{Object, ObjectBuilder, Ref, Response, ResponseBuilder, Schema, Type};

use super::parameters::X_REQUEST_ID;
use super::schemas::one_of;
use crate::error::{Kind, PROBLEM_JSON};

/// A refusal (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "the document's face of the problems that crate::error writes")]
pub(super) struct ProblemShape {
    /// The status of the answer.
    status: u16,
    /// The status in words.
    title: String,
    /// What is wrong with this very request, naming the field or parameter; written for people.
    detail: String,
    /// What kind of refusal this is; stable, written for programs.
    #[schema(schema_with = codes)]
    code: String,
}

fn codes() -> Object {
    one_of(Kind::ALL.map(Kind::code))
}

/// The name of a refusal among the components.
pub(super) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidArgument => "InvalidArgument",
        Kind::Unauthenticated => "Unauthenticated",
        Kind::Forbidden => "Forbidden",
        Kind::NotFound => "NotFound",
        Kind::MethodNotAllowed => "MethodNotAllowed",
        Kind::RequestTimeout => "RequestTimeout",
        Kind::Conflict => "Conflict",
        Kind::PayloadTooLarge => "PayloadTooLarge",
        Kind::UnsupportedMediaType => "UnsupportedMediaType",
        Kind::TooManyRequests => "TooManyRequests",
        Kind::Unavailable => "Unavailable",
        Kind::Internal => "Internal",
    }
}

/// When a refusal is given, and what one says.
fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::InvalidArgument => {
            ("Malformed JSON, or a field or parameter that is missing or wrong.", "`name` must not be blank")
        }
        Kind::Unauthenticated => {
            ("No token, or one that does not verify.", "the request needs a valid ID token")
        }
        Kind::Forbidden => (
            "The role does not allow it, or the token's user is not known here or was erased.",
            "only an administrator may do this",
        ),
        Kind::NotFound => (
            "No such thing; or an experiment that this scientist is not associated with, which looks the same.",
            "there is no such experiment",
        ),
        Kind::MethodNotAllowed => (
            "The path does not take this method; `Allow` names those it takes.",
            "this path takes GET, HEAD, OPTIONS",
        ),
        Kind::RequestTimeout => ("The body did not arrive in time.", "the body did not arrive in time"),
        Kind::Conflict => ("It contradicts what is there.", "`name` is in use by another experiment"),
        Kind::PayloadTooLarge => ("The body is too large.", "a body may have at most 1048576 bytes"),
        Kind::UnsupportedMediaType => (
            "The body is no JSON by its own account, or is compressed.",
            "the body must be JSON in UTF-8, with `Content-Type: application/json`",
        ),
        Kind::TooManyRequests => ("Too many requests.", "too many requests"),
        Kind::Unavailable => {
            ("The database or the signing keys are away for now.", "the service is unavailable for now")
        }
        Kind::Internal => ("A defect; the log holds the cause.", "internal error"),
    }
}

/// All refusals by name.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Response)> {
    Kind::ALL.into_iter().map(|kind| (name(kind), refusal(kind)))
}

fn refusal(kind: Kind) -> Response {
    let (description, _) = words(kind);
    let content = ContentBuilder::new().schema(Some(schema(kind))).example(Some(example(kind))).build();
    let response = ResponseBuilder::new()
        .description(description)
        .header(X_REQUEST_ID, request_id())
        .content(PROBLEM_JSON, content);
    match kind {
        Kind::Unauthenticated => {
            response.header("WWW-Authenticate", header("How to ask: `Bearer`.", one_of(["Bearer"])))
        }
        Kind::TooManyRequests | Kind::Unavailable => response.header(
            "Retry-After",
            header(
                "Seconds after which to try again.",
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)),
            ),
        ),
        Kind::MethodNotAllowed => response.header(
            "Allow",
            header("The methods that the path takes.", ObjectBuilder::new().schema_type(Type::String)),
        ),
        _ => response,
    }
    .build()
}

/// A problem of that status and code.
fn schema(kind: Kind) -> Schema {
    let status = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([kind.status().as_u16()]));
    let fields = ObjectBuilder::new().property("status", status).property("code", one_of([kind.code()]));
    AllOfBuilder::new().item(Ref::from_schema_name(ProblemShape::name())).item(fields).build().into()
}

fn example(kind: Kind) -> Value {
    let (_, detail) = words(kind);
    let status = kind.status();
    json!({
        "status": status.as_u16(),
        "title": status.canonical_reason().unwrap_or_default(),
        "detail": detail,
        "code": kind.code(),
    })
}

fn header(description: &str, schema: impl Into<Schema>) -> Header {
    HeaderBuilder::new().description(Some(description)).schema(Some(schema.into())).build()
}

/// The header with the request id in an answer.
pub(super) fn request_id() -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$"));
    header("Names the request in each of its log lines.", schema)
}
