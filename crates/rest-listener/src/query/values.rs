//! Values that several queries have, with their schemas.

use std::borrow::Cow;

use mymonit_model::{InvalidField, Timestamp};
use mymonit_services::MAX_SEARCH_CHARS;
use serde::de::{Deserialize, Deserializer, Error};
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A time, in RFC 3339 or Unix seconds.
pub(crate) struct Moment(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = with_plus(&String::deserialize(deserializer)?);
        text.parse().map(Self).map_err(|InvalidField { message, .. }| Error::custom(message))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        Schema::from(absolute().build()).into()
    }
}

/// A time that may also be relative to now; [`super::resolve_times`] has made it absolute before it
/// is read.
#[derive(serde::Deserialize)]
pub(crate) struct RelativeMoment(#[serde(deserialize_with = "moment")] pub(crate) Timestamp);

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Moment::deserialize(deserializer).map(|Moment(time)| time)
}

/// The units of relative times: seconds, and the most digits, so that no time is before 1970.
const UNITS: [(&str, i64, usize); 5] =
    [("s", 1, 9), ("m", 60, 7), ("h", 3_600, 5), ("d", 86_400, 4), ("w", 604_800, 3)];

/// Resolves `now`, or `now-` with an amount.
pub(super) fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let ago = text.strip_prefix("now")?;
    if ago.is_empty() {
        return Some(now);
    }
    let ago = ago.strip_prefix('-')?;
    let (amount, unit) = ago.split_at_checked(ago.len().checked_sub(1)?)?;
    let (_, seconds, most) = UNITS.into_iter().find(|(name, ..)| *name == unit)?;
    let is_plain =
        amount.len() <= most && !amount.starts_with('0') && amount.bytes().all(|byte| byte.is_ascii_digit());
    let amount: i64 = amount.parse().ok().filter(|_| is_plain)?;
    Timestamp::from_unix_nanos(now.unix_nanos() - amount * seconds * 1_000_000_000)
}

impl PartialSchema for RelativeMoment {
    fn schema() -> RefOr<Schema> {
        let amounts = UNITS.map(|(unit, _, digits)| format!("[1-9][0-9]{{0,{}}}{unit}", digits - 1));
        let relative = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^now(-({}))?$", amounts.join("|"))))
            .description(Some("Relative to the time of the request."))
            .examples(["now-7d"]);
        Schema::from(absolute().item(relative).build()).into()
    }
}

impl ToSchema for RelativeMoment {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("RelativeMoment")
    }
}

fn absolute() -> AnyOfBuilder {
    // From 1970 to the first months of 2262, where nanoseconds in 64 bits end.
    let rfc3339 = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some("^(19[7-9][0-9]|2[01][0-9]{2}|22[0-5][0-9]|226[0-2])-"))
        .description(Some(
            "An RFC 3339 date and time, not before 1970-01-01T00:00:00Z and not after 2262-04-11T23:47:16Z.",
        ))
        .examples(["2022-04-06T07:05:00Z"]);
    let unix_seconds = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(Timestamp::MAX_UNIX_SECONDS))
        .description(Some("Unix seconds, with or without a fraction, of which nine digits count."))
        .examples([1_649_228_700]);
    AnyOfBuilder::new().item(rfc3339).item(unix_seconds)
}

impl ToSchema for Moment {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Moment")
    }
}

/// A time as it was typed. The only space in a time separates date and time; any other was a `+`
/// that was not percent-encoded.
pub(super) fn with_plus(time: &str) -> String {
    const SEPARATOR: usize = "2022-04-06".len();
    let typed = |(index, character)| if character == ' ' && index != SEPARATOR { '+' } else { character };
    time.char_indices().map(typed).collect()
}

/// An integer from 1 to `MAX`.
pub(crate) struct Count<const MAX: u32>(pub(crate) u32);

impl<'de, const MAX: u32> Deserialize<'de> for Count<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let count = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        count
            .filter(|count| (1..=MAX).contains(count))
            .map(Self)
            .ok_or_else(|| Error::custom(format!("must be an integer from 1 to {MAX}")))
    }
}

impl<const MAX: u32> PartialSchema for Count<MAX> {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MAX))
            .examples([1000.min(MAX)]);
        Schema::from(schema.build()).into()
    }
}

impl<const MAX: u32> ToSchema for Count<MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Count")
    }
}

/// Where the next page begins; opaque.
#[derive(serde::Deserialize)]
pub(crate) struct Cursor(pub(crate) String);

impl PartialSchema for Cursor {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$"));
        Schema::from(schema.build()).into()
    }
}

impl ToSchema for Cursor {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Cursor")
    }
}

/// Text to search for; the services check its length.
#[derive(serde::Deserialize)]
pub(crate) struct Search(pub(crate) String);

impl PartialSchema for Search {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX_SEARCH_CHARS));
        Schema::from(schema.build()).into()
    }
}

impl ToSchema for Search {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Search")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_are_before_now() {
        let now = Timestamp::from_unix_nanos(1_800_000_000_000_000_007).unwrap();
        let seconds_ago = |text: &str| {
            let time: Timestamp = relative(text, now)?;
            Some((now.unix_nanos() - time.unix_nanos()) / 1_000_000_000)
        };
        for (text, seconds) in [
            ("now", 0),
            ("now-90s", 90),
            ("now-2m", 120),
            ("now-1h", 3_600),
            ("now-7d", 604_800),
            ("now-1w", 604_800),
        ] {
            assert_eq!(seconds_ago(text), Some(seconds), "{text}");
        }
        for (unit, _, digits) in UNITS {
            assert!(seconds_ago(&format!("now-{}{unit}", "9".repeat(digits))).is_some());
            assert_eq!(seconds_ago(&format!("now-1{}{unit}", "0".repeat(digits))), None);
        }
        for text in [
            "", "no", "Now", "now-", "now-h", "now-1", "now-0h", "now-1.5h", "now--1h", "now+1h", "now-1y",
            "now-1é",
        ] {
            assert_eq!(seconds_ago(text), None, "{text}");
        }
    }
}
