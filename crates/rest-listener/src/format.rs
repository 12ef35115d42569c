//! The format of measures that a client requests: by the parameter `format`, or by `Accept`.

use http::HeaderMap;
use http::header::ACCEPT;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::Problem;
use crate::weighted::{Preference, Weight, preferences};

/// A format of measures; the first ones are preferred where the client has no preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Json,
    Ndjson,
    Csv,
    Arrow,
}

impl Format {
    const ALL: [Self; 4] = [Self::Json, Self::Ndjson, Self::Csv, Self::Arrow];

    /// The file name extension.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            // That of the streaming format; `.arrow` is that of the file format.
            Self::Arrow => "arrows",
        }
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The format that `Accept` prefers.
    ///
    /// # Errors
    /// Names the header if it allows no format of the service. HTTP would permit JSON all the same,
    /// but the client could not read it.
    pub(crate) fn accepted(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(preferences) = preferences(headers, ACCEPT) else { return Ok(Self::Json) };
        let weighted = Self::ALL.into_iter().map(|format| (format, format.weight(&preferences)));
        // Of equal ones the first.
        let best = weighted.rev().max_by_key(|(_, weight)| *weight).filter(|(_, weight)| *weight > 0);
        best.map(|(format, _)| format).ok_or_else(|| {
            let allowed = "must allow `application/json`, `application/x-ndjson`, `text/csv` or `application/vnd.apache.arrow.stream`";
            Problem::invalid("Accept", allowed)
        })
    }

    /// The weight of this format: that of the most specific media range (RFC 9110 §12.5.1).
    fn weight(self, preferences: &[Preference]) -> Weight {
        let specific = preferences.iter().filter_map(|range| Some((self.specificity(range)?, range.weight)));
        specific.max().map_or(0, |(_, weight)| weight)
    }

    /// How closely a media range describes this format, if it does so at all.
    fn specificity(self, range: &Preference) -> Option<usize> {
        let media_type = self.media_type().split(';').next()?;
        let parameters: &[(&str, &str)] = match self {
            Self::Json | Self::Ndjson => &[("charset", "utf-8")],
            Self::Csv => &[("charset", "utf-8"), ("header", "present")],
            Self::Arrow => &[],
        };
        let (top, _) = media_type.split_once('/')?;
        let kind = match range.what.as_str() {
            "*/*" => 0,
            what if what == media_type => 2,
            what if what.strip_suffix("/*") == Some(top) => 1,
            _ => return None,
        };
        let has = |(name, value): &(String, String)| parameters.contains(&(name, value));
        range.parameters.iter().all(has).then_some(kind + range.parameters.len())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn by_accept(accept: &'static str) -> Option<Format> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        Format::accepted(&headers).ok()
    }

    #[test]
    fn json_is_for_those_who_do_not_care() {
        assert_eq!(Format::accepted(&HeaderMap::new()).unwrap(), Format::Json);
        for accept in [
            "*/*",
            "",
            "application/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/csv, application/json",
            "*/*, text/csv",
            "application/json; charset=utf-8",
        ] {
            assert_eq!(by_accept(accept), Some(Format::Json), "{accept}");
        }
    }

    #[test]
    fn the_greatest_weight_wins_and_the_most_specific_range_counts() {
        for (accept, format) in [
            ("text/csv", Format::Csv),
            ("TEXT/CSV;Charset=UTF-8", Format::Csv),
            ("text/csv; header=present", Format::Csv),
            ("text/*", Format::Csv),
            ("application/x-ndjson", Format::Ndjson),
            ("application/json;q=0.5, text/csv;q=0.6", Format::Csv),
            ("application/json;q=0.5, */*;q=0.1, application/x-ndjson;q=0.501", Format::Ndjson),
            ("application/json;q=0, */*", Format::Ndjson),
            ("application/json;q=0, application/*;q=0, */*;q=0.1", Format::Csv),
            ("application/vnd.apache.arrow.stream", Format::Arrow),
            ("application/vnd.apache.arrow.stream, */*;q=0.9", Format::Arrow),
            ("image/png, text/csv;q=0.001", Format::Csv),
            ("text/csv;q=0.1, text/csv;charset=utf-8;q=0.9, application/json;q=0.5", Format::Csv),
        ] {
            assert_eq!(by_accept(accept), Some(format), "{accept}");
        }
    }

    #[test]
    fn a_format_that_there_is_not_is_refused() {
        for accept in [
            "image/png",
            "application/xml",
            "text/csv;q=0",
            "*/*;q=0",
            "text/csv;header=absent",
            "application/vnd.apache.arrow.file",
            "application/vnd.apache.arrow.stream;charset=utf-8",
            "text/csv;charset=latin1",
            "application/json;profile=x",
            "json",
            "text/csv;q=7",
        ] {
            assert_eq!(by_accept(accept), None, "{accept}");
        }
    }
}
