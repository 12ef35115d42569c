//! The JSON body of a request, and the errors of a wrong one.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, Unexpected, Visitor};
use serde_json::error::Category;
use tower_http::timeout::TimeoutError;

use crate::error::{Kind, Problem};

/// The most bytes of a body.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A JSON object from the client. Fields that the shape does not have are ignored.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        parse(&whole(request, state).await?).map(Self)
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let refusal = |detail| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return refusal("the body must not be compressed");
    }
    match headers.get(CONTENT_TYPE).map(|value| value.to_str().is_ok_and(is_json)) {
        Some(true) => Ok(()),
        _ => refusal("the body must be JSON in UTF-8, with `Content-Type: application/json`"),
    }
}

/// Whether a media type is JSON in UTF-8, which is also JSON's default.
fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.ends_with("+json"));
    let is_utf8 = |charset: &str| charset.trim_matches('"').eq_ignore_ascii_case("utf-8");
    is_json
        && parts
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .all(|(_, charset)| is_utf8(charset.trim()))
}

/// The body within the limits of the middleware.
async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Problem::new(Kind::PayloadTooLarge, format!("a body may have at most {MAX_BYTES} bytes"));
        }
        let mut causes = successors(rejection.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
        if causes.any(|cause| cause.is::<TimeoutError>()) {
            Problem::new(Kind::RequestTimeout, "the body did not arrive in time")
        } else {
            Problem::invalid("body", "ended before it was whole")
        }
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::invalid("body", "must be UTF-8"))?;
    match text.trim_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        None => return Err(Problem::invalid("body", "is missing")),
        Some(b'{') => {}
        // serde would take an array for the fields in their order.
        Some(_) => {
            serde_json::from_str::<IgnoredAny>(text).map_err(|error| malformed("body", &error))?;
            return Err(must_be_an_object());
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(explain)?;
    deserializer.end().map_err(|error| malformed("body", &error))?;
    Ok(value)
}

fn must_be_an_object() -> Problem {
    Problem::invalid("body", "must be a JSON object")
}

fn malformed(field: &str, error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    Problem::invalid(field, &format!("is not valid JSON at line {line}, column {column}"))
}

/// Rewords serde's message, which repeats the client's input.
fn explain(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let error = error.into_inner();
    // `.` is the object itself, `?` a part without a name.
    let field = if path.contains(['.', '?']) { "body" } else { &path };
    if error.classify() != Category::Data {
        return malformed(field, &error);
    }
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
    if let Some(name) = quoted(message, "missing field `") {
        Problem::invalid(name, "is missing")
    } else if let Some(name) = quoted(message, "duplicate field `") {
        Problem::invalid(name, "occurs twice in the body")
    } else {
        let expected = message.rsplit_once(", expected ").map_or("of another type", |(_, expected)| expected);
        Problem::invalid(field, &format!("must be {}", expected))
    }
}

fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_suffix('`')
}

const WHOLE_NUMBER: &str = "an integer from 0 to 4294967295";

/// An integer. JSON does not distinguish `1.0` from `1`.
pub(crate) struct WholeNumber(pub(crate) u32);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole_number(deserializer).map(Self)
    }
}

/// For [`WholeNumber`]s that may be left out but not be `null`.
pub(crate) fn present_whole_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    whole_number(deserializer).map(Some)
}

fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct WholeNumberVisitor;

    impl Visitor<'_> for WholeNumberVisitor {
        type Value = u32;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(WHOLE_NUMBER)
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u32, E> {
            u32::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<u32, E> {
            // Rust formats an integral float without a point.
            number.to_string().parse().map_err(|_| E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    deserializer.deserialize_any(WholeNumberVisitor)
}

/// For `Option` fields that may be left out but not be `null`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
