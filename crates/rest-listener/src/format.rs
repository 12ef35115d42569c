//! In which format a client wants to read measures: by the parameter `format`, or by `Accept`.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::error::Problem;
use crate::weighted::{Preference, Weight, preferences};

/// A format of measures, in the order in which they are taken where the client does not care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Ndjson,
    Csv,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::Ndjson, Self::Csv];

    /// The name, which is also the extension of a file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// The format that the parameter names, or else the one that `Accept` likes best.
    ///
    /// # Errors
    /// Names the parameter or the header where neither allows a format that there is. HTTP would let the service
    /// ignore such an `Accept`; but whoever asks for another format is not helped by JSON in its place.
    pub(crate) fn wanted(parameter: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(name) = parameter {
            let format = Self::ALL.into_iter().find(|format| format.name() == name);
            return format.ok_or_else(|| Problem::invalid("format", "must be `json`, `ndjson` or `csv`"));
        }
        let Some(preferences) = preferences(headers, ACCEPT) else { return Ok(Self::Json) };
        let weighted = Self::ALL.into_iter().map(|format| (format, format.weight(&preferences)));
        // Of equal ones the first.
        let best = weighted.rev().max_by_key(|(_, weight)| *weight).filter(|(_, weight)| *weight > 0);
        best.map(|(format, _)| format).ok_or_else(|| {
            Problem::invalid("Accept", "must allow `application/json`, `application/x-ndjson` or `text/csv`")
        })
    }

    /// How much the client wants this format: what the most specific of its media ranges says (RFC 9110 §12.5.1).
    fn weight(self, preferences: &[Preference]) -> Weight {
        let specific = preferences.iter().filter_map(|range| Some((self.specificity(range)?, range.weight)));
        specific.max().map_or(0, |(_, weight)| weight)
    }

    /// How closely a media range describes this format, if it does so at all.
    fn specificity(self, range: &Preference) -> Option<usize> {
        let (media_type, parameters): (_, &[(&str, &str)]) = match self {
            Self::Json => ("application/json", &[("charset", "utf-8")]),
            Self::Ndjson => ("application/x-ndjson", &[("charset", "utf-8")]),
            Self::Csv => ("text/csv", &[("charset", "utf-8"), ("header", "present")]),
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
        Format::wanted(None, &headers).ok()
    }

    #[test]
    fn json_is_for_those_who_do_not_care() {
        assert_eq!(Format::wanted(None, &HeaderMap::new()).unwrap(), Format::Json);
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
            "text/csv;charset=latin1",
            "application/json;profile=x",
            "json",
            "text/csv;q=7",
        ] {
            assert_eq!(by_accept(accept), None, "{accept}");
        }
    }

    #[test]
    fn the_parameter_wins_over_the_header() {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("image/png"))]);
        assert_eq!(Format::wanted(Some("csv"), &headers).unwrap(), Format::Csv);
        assert!(Format::wanted(Some("CSV"), &headers).is_err());
        assert!(Format::wanted(Some(""), &headers).is_err());
    }
}
