//! The query of a request, read strictly: a parameter that is misspelt must not silently give another answer.

use axum::extract::FromRequestParts;
use http::request::Parts;
use mymonit_model::Timestamp;
use percent_encoding::percent_decode_str;

use crate::error::Problem;
use crate::path::{encoded, is_well_encoded};

/// The parameters of a query, decoded, in their order.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads a query that may hold the parameters `known` and no others.
    pub(crate) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, Problem> {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| parameter(pair, known)).collect::<Result<_, _>>().map(Self)
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn once(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.every(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => Err(Problem::invalid(name, "may be given only once")),
        }
    }

    /// The values of a parameter that may be repeated.
    pub(crate) fn every(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The moment of a parameter that may be given once.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.once(name)? else { return Ok(None) };
        let moment = with_plus(text).parse::<Timestamp>();
        moment.map(Some).map_err(|refusal| Problem::invalid(name, &refusal.message))
    }

    /// The number of a parameter that may be given once, of which the service knows that it may be `greatest` at
    /// most.
    pub(crate) fn count(&self, name: &str, greatest: u32) -> Result<Option<u32>, Problem> {
        let Some(text) = self.once(name)? else { return Ok(None) };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let count = is_plain.then(|| text.parse().ok()).flatten();
        count
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, &format!("must be an integer from 1 to {greatest}")))
    }

    /// The `Link` header (RFC 8288) of the page after this one: the same request with the cursor set.
    pub(crate) fn link_to_next(&self, path: &str, cursor: &str) -> String {
        let kept = self.0.iter().filter(|(name, _)| *name != "cursor").map(|(name, value)| match *name {
            "from" | "to" => (*name, with_plus(value)),
            _ => (*name, value.clone()),
        });
        let pairs: Vec<_> = kept
            .chain([("cursor", cursor.to_owned())])
            .map(|(name, value)| format!("{name}={}", encoded(&value)))
            .collect();
        format!("<{path}?{}>; rel=\"next\"", pairs.join("&"))
    }
}

/// A time as it was typed. The only space that a time may hold stands between date and time, after ten
/// characters; any other was a `+` (of an offset, say) that stood in the address without being percent-encoded.
fn with_plus(time: &str) -> String {
    const BETWEEN: usize = "2022-04-06".len();
    let typed = |(index, character)| if character == ' ' && index != BETWEEN { '+' } else { character };
    time.char_indices().map(typed).collect()
}

fn parameter(pair: &str, known: &[&'static str]) -> Result<(&'static str, String), Problem> {
    let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = decoded(raw_name).ok_or_else(|| Problem::invalid("query", "is not UTF-8, percent-encoded"))?;
    let name = known.iter().find(|known| **known == name).ok_or_else(|| unknown(&name, known))?;
    let value = decoded(raw_value).ok_or_else(|| Problem::invalid(name, "is not UTF-8, percent-encoded"))?;
    Ok((*name, value))
}

fn unknown(name: &str, known: &[&'static str]) -> Problem {
    let name: String = name.chars().take(40).collect();
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Problem::invalid(&name, &format!("is no parameter of this request; its parameters are: {known}"))
}

/// Undoes the encoding of forms, in which a `+` is a space.
fn decoded(raw: &str) -> Option<String> {
    if !is_well_encoded(raw) {
        return None;
    }
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

/// The query of a request that takes no parameters.
pub(crate) struct NoParameters;

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Parameters::parse(parts.uri.query(), &[]).map(|_| Self)
    }
}
