//! Reading parameters of a query or a path strictly, into a struct that also documents them.
//!
//! A struct derives `Deserialize` (with `deny_unknown_fields` and `default`) and `IntoParams`; a
//! parameter is one field. An unknown or repeated parameter, a bad percent-encoding and a bad value
//! are refused by name.

mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::LINK;
use http::request::Parts;
use http::{HeaderName, Uri};
use mymonit_model::{InvalidField, Timestamp};
use mymonit_services::{List, ListRequest, MAX_LISTED};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use utoipa::IntoParams;

use crate::error::Problem;
pub(crate) use values::{Count, Cursor, Moment, RelativeMoment, Search};

/// Characters of an unknown parameter's name that a refusal repeats.
const MAX_QUOTED: usize = 40;

/// The query of a request.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        read(pairs(parts.uri.query())?).map(Self)
    }
}

/// The query of a request that has no parameters.
pub(crate) type NoParameters = Query<Nothing>;

#[derive(serde::Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Reads decoded parameters; those of one name become one field.
pub(crate) fn read<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, Problem> {
    let mut fields = BTreeMap::<_, Values>::new();
    for (name, value) in pairs {
        fields.entry(name).or_default().0.push(value);
    }
    let fields = MapDeserializer::<_, Invalid>::new(fields.into_iter());
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let name = error.path().iter().next().map(ToString::to_string).unwrap_or_default();
        let name: String = name.chars().take(MAX_QUOTED).collect();
        Problem::invalid(&name, &error.into_inner().0)
    })
}

/// The `Link` header (RFC 8288) to the page that begins at `cursor`: the same request with that
/// cursor. `path` is the documented one.
pub(crate) fn next_page(
    path: &str,
    request: &Uri,
    cursor: Option<String>,
) -> Result<AppendHeaders<Option<(HeaderName, String)>>, Problem> {
    let Some(cursor) = cursor else { return Ok(AppendHeaders(None)) };
    let mut link = format!("<{path}?");
    for (name, value) in pairs(request.query())?.into_iter().filter(|(name, _)| name != "cursor") {
        let value = if ["from", "to"].contains(&&*name) { values::with_plus(&value) } else { value };
        link.push_str(&format!("{name}={}&", encoded(&value)));
    }
    link.push_str(&format!("cursor={}>; rel=\"next\"", encoded(&cursor)));
    Ok(AppendHeaders(Some((LINK, link))))
}

/// Replaces relative times of the request by absolute ones, so that the next page has the same.
pub(crate) fn resolve_times(request: &mut Uri, now: Timestamp) -> Result<(), Problem> {
    const REFUSAL: &str =
        "must be `now`, or `now-` and a number with a unit (`s`, `m`, `h`, `d`, `w`) such as `now-7d`";
    let is_relative =
        |(name, value): &(String, String)| ["from", "to"].contains(&&**name) && value.starts_with("now");
    let mut pairs = pairs(request.query())?;
    if !pairs.iter().any(is_relative) {
        return Ok(());
    }
    for pair in pairs.iter_mut().filter(|pair| is_relative(pair)) {
        let time = values::relative(&pair.1, now).ok_or_else(|| Problem::invalid(&pair.0, REFUSAL))?;
        pair.1 = time.to_string();
    }
    let query: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let resolved = format!("{}?{}", request.path(), query.join("&"));
    *request = resolved.parse().map_err(|_| Problem::invalid("query", "is too long"))?;
    Ok(())
}

/// The parameters that all lists of users and experiments have in common.
pub(crate) fn list_request(
    search: Option<Search>,
    limit: Option<Count<MAX_LISTED>>,
    cursor: Option<Cursor>,
) -> ListRequest {
    ListRequest {
        search: search.map(|Search(search)| search),
        limit: limit.map(|Count(limit)| limit),
        cursor: cursor.map(|Cursor(cursor)| cursor),
    }
}

/// A list, with a `Link` to its next page.
pub(crate) fn listed<T, Shape: From<T> + Serialize>(
    path: &str,
    request: &Uri,
    List { items, next }: List<T>,
) -> Result<Response, Problem> {
    let link = next_page(path, request, next)?;
    Ok((link, Json(items.into_iter().map(Shape::from).collect::<Vec<_>>())).into_response())
}

/// The parameters of a query, decoded, in their order.
fn pairs(query: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(pair).collect()
}

fn pair(pair: &str) -> Result<(String, String), Problem> {
    const REFUSAL: &str = "must be UTF-8, percent-encoded";
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = decoded(name).ok_or_else(|| Problem::invalid("query", REFUSAL))?;
    let value = decoded(value).ok_or_else(|| Problem::invalid(&name, REFUSAL))?;
    Ok((name, value))
}

/// Decodes a form (a `+` is a space).
fn decoded(raw: &str) -> Option<String> {
    if !is_well_encoded(raw) {
        return None;
    }
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

/// Whether every `%` begins an encoded byte.
pub(crate) fn is_well_encoded(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

/// Text as one segment of a path or one value of a query.
pub(crate) fn encoded(text: &str) -> String {
    /// All but the unreserved characters of RFC 3986.
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The values of one parameter.
#[derive(Default)]
struct Values(Vec<String>);

impl Values {
    fn once(self) -> Result<String, Invalid> {
        let mut values = self.0.into_iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value.unwrap_or_default()),
            _ => Err(Invalid("may be given only once".to_owned())),
        }
    }
}

impl<'de> Deserializer<'de> for Values {
    type Error = Invalid;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_string(self.once()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_seq(SeqDeserializer::new(self.0.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.once()?.into_deserializer().deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Invalid> for Values {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// What is wrong with a parameter; continues its name.
#[derive(Debug)]
struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

impl de::Error for Invalid {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        let known = if known.is_empty() { "none".to_owned() } else { quoted(known) };
        Self(format!("is no parameter of this request; its parameters are: {known}"))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self(format!("must be one of {}", quoted(known)))
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Deserializes a value of the model from its text.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err = InvalidField>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|InvalidField { message, .. }| de::Error::custom(message))
}

/// [`parsed`] for a parameter that may be left out.
pub(crate) fn optional<'de, D: Deserializer<'de>, T: FromStr<Err = InvalidField>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    parsed(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

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
