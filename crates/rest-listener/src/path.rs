//! The path of a request: which of its spellings are one, and the parameters that stand in it.

use std::borrow::Cow;

use axum::extract::{FromRequestParts, RawPathParams};
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;
use mymonit_model::ExperimentId;
use mymonit_services::ServiceError;
use mymonit_services::ports::RejectedMessageId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::error::Problem;
use crate::openapi::{EXPERIMENT_ID, PathParameter, REJECTED_MESSAGE_ID, USER_ID, in_path};

/// Everything but RFC 3986's unreserved characters.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Text as one segment of a path or one value of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The address with the one spelling of its path by which the router knows it: without a trailing slash
/// (specification §5), and without percent-encoding where none is needed (RFC 3986 §6.2.2.2).
pub(crate) fn normalised(uri: &Uri) -> Option<Uri> {
    let path = match uri.path().strip_suffix('/') {
        None | Some("") => uri.path(),
        Some(path) => path,
    };
    let path = without_needless_encoding(path);
    if path == uri.path() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

fn without_needless_encoding(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, encoded)) = rest.split_once('%') {
        plain.push_str(before);
        match encoded.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(char::from(byte));
                rest = &encoded[2..];
            }
            _ => {
                plain.push('%');
                rest = encoded;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// `{experiment_id}` of the path.
pub(crate) struct ExperimentPath(pub(crate) ExperimentId);

/// `{user_id}` of the path; whether it can be an id at all is the services' matter.
pub(crate) struct UserPath(pub(crate) String);

/// `{experiment_id}/{user_id}` of the path.
pub(crate) struct AssociationPath {
    pub(crate) experiment_id: ExperimentId,
    pub(crate) user_id: String,
}

/// `{id}` of a rejected message in the path.
pub(crate) struct RejectedMessagePath(pub(crate) RejectedMessageId);

impl<S: Send + Sync> FromRequestParts<S> for ExperimentPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(experiment_id(&parameters(parts, state).await?)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(named(&parameters(parts, state).await?, "user_id").to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AssociationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = parameters(parts, state).await?;
        let user_id = named(&parameters, "user_id").to_owned();
        Ok(Self { experiment_id: experiment_id(&parameters)?, user_id })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RejectedMessagePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = parameters(parts, state).await?;
        let text = named(&parameters, "id");
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_plain && *number > 0);
        let id = number.ok_or_else(|| Problem::invalid("id", "must be a positive integer of 64 bits"))?;
        Ok(Self(RejectedMessageId::new(id)))
    }
}

/// Tells the document which parameters an extractor takes out of the path.
macro_rules! document {
    ($($extractor:ty: $parameters:expr),+ $(,)?) => {$(
        impl IntoParams for $extractor {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                const PARAMETERS: &[PathParameter] = &$parameters;
                in_path(PARAMETERS)
            }
        }
    )+};
}

document! {
    ExperimentPath: [EXPERIMENT_ID],
    UserPath: [USER_ID],
    AssociationPath: [EXPERIMENT_ID, USER_ID],
    RejectedMessagePath: [REJECTED_MESSAGE_ID],
}

/// The decoded parameters of the path.
async fn parameters<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, Problem> {
    if !is_well_encoded(parts.uri.path()) {
        return Err(Problem::invalid("path", "has a `%` without two hexadecimal digits after it"));
    }
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Problem::invalid("path", "is not UTF-8 when its percent-encoding is undone"))
}

fn experiment_id(parameters: &RawPathParams) -> Result<ExperimentId, Problem> {
    Ok(named(parameters, "experiment_id").parse().map_err(ServiceError::from)?)
}

/// A parameter of a route that has it; a route that lacked it would answer 404 to everything.
fn named<'a>(parameters: &'a RawPathParams, name: &str) -> &'a str {
    parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

/// Whether every `%` begins an encoded byte.
pub(crate) fn is_well_encoded(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(uri: &'static str) -> String {
        let uri = Uri::from_static(uri);
        normalised(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn one_trailing_slash_makes_no_difference_encoded_or_not() {
        assert_eq!(spelt("/users/"), "/users");
        assert_eq!(spelt("/users"), "/users");
        assert_eq!(spelt("/users/?a=/"), "/users?a=/");
        assert_eq!(spelt("/users/A%20B/"), "/users/A%20B");
        assert_eq!(spelt("/users/A%2F/"), "/users/A%2F");
        assert_eq!(spelt("/users/A%2F"), "/users/A%2F");
        assert_eq!(spelt("/users//"), "/users/");
        assert_eq!(spelt("/"), "/");
        assert_eq!(spelt("http://host/users/"), "http://host/users");
    }

    #[test]
    fn needless_percent_encoding_makes_no_difference() {
        assert_eq!(spelt("/%75sers/%6De"), "/users/me");
        assert_eq!(spelt("/users/%7e%2D%5f"), "/users/~-_");
        assert_eq!(spelt("/users/%e2%84%a6%"), "/users/%e2%84%a6%");
        assert_eq!(spelt("/users/%2575"), "/users/%2575");
        assert_eq!(spelt("/users/%+1"), "/users/%+1");
    }

    #[test]
    fn a_percent_sign_begins_an_encoded_byte() {
        for good in ["", "/a", "%20", "a%20b%C3%a9"] {
            assert!(is_well_encoded(good), "{good}");
        }
        for bad in ["%", "%2", "%zz", "%%20", "a%2", "%é", "%+1"] {
            assert!(!is_well_encoded(bad), "{bad}");
        }
    }
}
