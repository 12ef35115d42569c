//! The body of a request as JSON, and what to tell a client whose body is none.

use std::fmt;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, Unexpected, Visitor};
use serde_json::error::Category;

use crate::Limits;
use crate::error::{Kind, Problem};

/// The greatest number of bytes of a body (specification §5).
const MAX_BYTES: usize = 1 << 20;

/// A JSON object from the client. Fields that the shape does not have are ignored.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let limits = request.extensions().get::<Limits>().copied().unwrap_or_default();
        let bytes = tokio::time::timeout(limits.body_read, whole(request.into_body()))
            .await
            .map_err(|_| Problem::new(Kind::RequestTimeout, "the body did not arrive in time"))??;
        parse(&bytes).map(Self)
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

async fn whole(body: Body) -> Result<Bytes, Problem> {
    match Limited::new(body, MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(Problem::new(Kind::PayloadTooLarge, format!("a body may have at most {MAX_BYTES} bytes")))
        }
        Err(_) => Err(Problem::invalid("body", "ended before it was whole")),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::invalid("body", "must be UTF-8"))?;
    match text.trim_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        None => return Err(Problem::invalid("body", "is missing")),
        Some(b'{') => {}
        // An array would be taken for the fields in the order of the shape.
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
    Problem::invalid(field, &format!("is not valid JSON: {error}"))
}

/// Serde's message in the words of this API. Those of serde would repeat what the client sent.
fn explain(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let error = error.into_inner();
    // `.` is the object itself, `?` what was not understood far enough to have a name.
    let field = if path.contains(['.', '?']) { "body" } else { &path };
    if error.classify() != Category::Data {
        return malformed(field, &error);
    }
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
    if let Some(name) = quoted(message, "missing field `") {
        Problem::invalid(name, "is missing")
    } else if let Some(name) = quoted(message, "duplicate field `") {
        Problem::invalid(name, "stands twice in the body")
    } else {
        let expected = message.rsplit_once(", expected ").map_or("of another type", |(_, expected)| expected);
        Problem::invalid(field, &format!("must be {}", expected))
    }
}

fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_suffix('`')
}

const WHOLE_NUMBER: &str = "an integer from 0 to 4294967295";

/// For whole numbers that may be left out but not be `null`. To JSON `1.0` is one as much as `1` is.
pub(crate) fn present_whole_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u32>, D::Error> {
    struct WholeNumber;

    impl Visitor<'_> for WholeNumber {
        type Value = u32;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(WHOLE_NUMBER)
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u32, E> {
            u32::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<u32, E> {
            // Written out, a whole number has no point.
            number.to_string().parse().map_err(|_| E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    deserializer.deserialize_any(WholeNumber).map(Some)
}

/// For `Option` fields that may be left out but not be `null`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
