//! The documentation of errors, to which operations refer.

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{Object, ObjectBuilder, Ref, Response, ResponseBuilder, Schema, Type};

use super::request_id;
use super::schemas::one_of;
use crate::error::{Kind, PROBLEM_JSON};

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "documents what crate::error writes")]
pub(super) struct ProblemShape {
    /// The status of the answer.
    status: u16,
    /// The reason phrase of the status.
    title: String,
    /// What is wrong with this request, naming the field or parameter; for people.
    detail: String,
    /// The kind of error; stable, for programs.
    #[schema(schema_with = codes)]
    code: String,
}

fn codes() -> Object {
    one_of(Kind::ALL.map(Kind::code))
}

/// The name among the components.
pub(super) fn name(kind: Kind) -> String {
    format!("{kind:?}")
}

/// The description and an example of the detail.
fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::InvalidArgument => {
            ("Malformed JSON, or a field or parameter that is missing or wrong.", "`name` must not be blank")
        }
        Kind::Unauthenticated => ("No token, or one that is not valid.", "the request needs a valid token"),
        Kind::Forbidden => (
            "The role or the API token does not allow it, or the user of the ID token is not known here or was erased.",
            "only an administrator may do this",
        ),
        Kind::ReauthenticationRequired => (
            "As Forbidden; or the sign-in is longer ago than this service allows for what cannot be undone.",
            "this needs a recent sign-in; sign in again, and repeat it with the new ID token",
        ),
        Kind::NotFound => (
            "No such thing; or an experiment that this scientist is not associated with, or that the API token may not read, \
             which looks the same.",
            "there is no such experiment",
        ),
        Kind::MethodNotAllowed => (
            "The path does not take this method; `Allow` names those it takes.",
            "this path takes GET, HEAD, OPTIONS",
        ),
        Kind::RequestTimeout => ("The body did not arrive in time.", "the body did not arrive in time"),
        Kind::Conflict => ("It conflicts with stored data.", "`name` is in use by another experiment"),
        Kind::PayloadTooLarge => ("The body is too large.", "a body may have at most 1048576 bytes"),
        Kind::UnsupportedMediaType => (
            "The media type of the body is not JSON, or the body is compressed.",
            "the body must be JSON in UTF-8, with `Content-Type: application/json`",
        ),
        Kind::TooManyRequests => ("Too many requests.", "too many requests"),
        Kind::Unavailable => {
            ("The database or the signing keys are unavailable.", "the service is unavailable for now")
        }
        Kind::Internal => ("A defect; the log holds the cause.", "internal error"),
    }
}

/// All errors by name.
pub(super) fn all() -> impl Iterator<Item = (String, Response)> {
    Kind::ALL.into_iter().map(|kind| (name(kind), refusal(kind)))
}

fn refusal(kind: Kind) -> Response {
    let (description, _) = words(kind);
    let content = ContentBuilder::new().schema(Some(schema(kind))).example(Some(example(kind))).build();
    let response = ResponseBuilder::new()
        .description(description)
        .header(request_id::X_REQUEST_ID, request_id::header())
        .content(PROBLEM_JSON, content);
    match kind {
        Kind::Unauthenticated => response
            .header("WWW-Authenticate", header("The authentication scheme: `Bearer`.", one_of(["Bearer"]))),
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
    let code = match kind {
        // An operation may answer 403 for either reason.
        Kind::ReauthenticationRequired => one_of([Kind::Forbidden, kind].map(Kind::code)),
        _ => one_of([kind.code()]),
    };
    let fields = ObjectBuilder::new().property("status", status).property("code", code);
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
