use rust_decimal::Decimal;
use serde::Deserialize;

use super::{SourceError, wrong};

/// A number of a TOML file: as a number, or in quotation marks where its digits matter.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "must be a number")]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Number {
    pub(super) fn decimal(&self, key: &str) -> Result<Decimal, SourceError> {
        let text = match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        };
        crate::number::decimal(&text)
            .ok_or_else(|| wrong(key, &text, "a decimal number of at most 28 digits"))
    }
}
