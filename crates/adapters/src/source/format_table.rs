//! `[format]`: how the source is written.

use regex::Regex;
use regex::bytes::RegexSet;
use serde::Deserialize;

use super::wrong;
use super::{CsvFormat, Format, JsonFormat, NdjsonFormat, PassOver, SourceError, TextFormat, XmlFormat};
use crate::missing::Marker;
use crate::number::NumberFormat;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormatTable {
    pub(super) kind: Option<Kind>,
    pub(super) encoding: Option<String>,
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
    pub(super) missing: Option<Vec<Marker>>,
    pub(super) pattern: Option<String>,
    pub(super) pass_over: Option<OneOrMany<String>>,
    pub(super) skip_lines: Option<u64>,
    pub(super) skip_rows: Option<u64>,
    pub(super) short_rows: Option<bool>,
    pub(super) comment: Option<char>,
    pub(super) delimiter: Option<char>,
    pub(super) quote: Option<String>,
    pub(super) header: Option<bool>,
    pub(super) records: Option<String>,
    pub(super) parallel: Option<bool>,
}

/// One or several of the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Lines: a number each, or what a pattern finds.
    #[default]
    Text,
    /// Comma-separated values.
    Csv,
    /// JSON, one value in each line.
    Ndjson,
    /// JSON documents.
    Json,
    /// XML documents.
    Xml,
}

impl FormatTable {
    pub(super) fn numbers(&self) -> Result<NumberFormat, SourceError> {
        let decimal = self.decimal.unwrap_or('.');
        if !matches!(decimal, '.' | ',') {
            return Err(wrong("format.decimal", &decimal.to_string(), "`.` or `,`"));
        }
        if self.thousands == Some(decimal) {
            return Err(wrong(
                "format.thousands",
                &decimal.to_string(),
                "another sign than `format.decimal`",
            ));
        }
        Ok(NumberFormat { decimal, thousands: self.thousands })
    }

    pub(super) fn format(&self) -> Result<Format, SourceError> {
        let kind = self.kind.unwrap_or_default();
        self.check_kind(kind)?;
        let comment = self.comment.map(|comment| ascii("format.comment", comment)).transpose()?;
        let (skip_lines, pass_over) = (self.skip_lines.unwrap_or(0), self.pass_over()?);
        Ok(match kind {
            Kind::Text => {
                let pattern = self.pattern.as_deref().map(Regex::new).transpose();
                let pattern = pattern.map_err(|error| SourceError(format!("`format.pattern`: {error}")))?;
                Format::Text(TextFormat { pattern, skip_lines, comment, pass_over })
            }
            Kind::Csv => {
                let (delimiter, quote) = self.signs()?;
                Format::Csv(CsvFormat {
                    delimiter,
                    quote,
                    header: self.header.unwrap_or(true),
                    skip_lines,
                    skip_rows: self.skip_rows.unwrap_or(0),
                    short_rows: self.short_rows.unwrap_or(false),
                    comment,
                    pass_over,
                })
            }
            Kind::Ndjson => Format::Ndjson(NdjsonFormat { pass_over }),
            Kind::Json => Format::Json(JsonFormat {
                records: self.records.clone().unwrap_or_default(),
                parallel: self.parallel.unwrap_or(false),
            }),
            Kind::Xml => {
                let records = self.records.clone();
                let records = records.ok_or_else(|| {
                    SourceError("`format.records` is missing: the path of the elements that are records, such as \"run/sample\"".to_owned())
                })?;
                Format::Xml(XmlFormat { records })
            }
        })
    }

    fn signs(&self) -> Result<(u8, Option<u8>), SourceError> {
        let quote = match self.quote.as_deref() {
            None => Some(b'"'),
            Some("") => None,
            Some(quote) => match quote.as_bytes() {
                [quote] if quote.is_ascii() => Some(*quote),
                _ => {
                    let allowed = "an ASCII character, or nothing for no quotes";
                    return Err(wrong("format.quote", quote, allowed));
                }
            },
        };
        let delimiter = ascii("format.delimiter", self.delimiter.unwrap_or(','))?;
        if Some(delimiter) == quote || matches!(delimiter, b'\n' | b'\r') {
            let allowed = "another character than `format.quote` or a line end";
            return Err(wrong("format.delimiter", &char::from(delimiter).to_string(), allowed));
        }
        Ok((delimiter, quote))
    }

    fn pass_over(&self) -> Result<PassOver, SourceError> {
        let patterns = self.pass_over.as_ref().map(|patterns| RegexSet::new(patterns.as_slice()));
        let patterns = patterns.transpose();
        patterns.map(PassOver).map_err(|error| SourceError(format!("`format.pass_over`: {error}")))
    }

    fn check_kind(&self, kind: Kind) -> Result<(), SourceError> {
        use Kind::{Csv, Json, Ndjson, Text, Xml};
        let belongs: [(&str, bool, &[Kind]); 11] = [
            ("pattern", self.pattern.is_some(), &[Text]),
            ("pass_over", self.pass_over.is_some(), &[Text, Csv, Ndjson]),
            ("skip_lines", self.skip_lines.is_some(), &[Text, Csv]),
            ("skip_rows", self.skip_rows.is_some(), &[Csv]),
            ("short_rows", self.short_rows.is_some(), &[Csv]),
            ("comment", self.comment.is_some(), &[Text, Csv]),
            ("delimiter", self.delimiter.is_some(), &[Csv]),
            ("quote", self.quote.is_some(), &[Csv]),
            ("header", self.header.is_some(), &[Csv]),
            ("records", self.records.is_some(), &[Json, Xml]),
            ("parallel", self.parallel.is_some(), &[Json]),
        ];
        match belongs.iter().find(|(_, is_set, kinds)| *is_set && !kinds.contains(&kind)) {
            None => Ok(()),
            Some((key, ..)) => {
                Err(SourceError(format!("`format.{key}` does not apply to this `format.kind`")))
            }
        }
    }
}

fn ascii(key: &str, held: char) -> Result<u8, SourceError> {
    let byte = u8::try_from(held).ok().filter(u8::is_ascii);
    byte.ok_or_else(|| wrong(key, &held.to_string(), "an ASCII character"))
}
