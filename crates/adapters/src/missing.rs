//! Markers that instruments write where a value is missing: texts, numbers and limits.

use serde::Deserialize;

use crate::number::{NumberFormat, plain};

/// A marker as it is written in a description: `"NAN"`, `-9999`, `">= 9.9e37"`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "must be a text, a number or a limit such as \">= 9.9e37\"")]
pub(crate) enum Marker {
    Integer(i64),
    Float(f64),
    Text(String),
}

/// The markers of a source or of one measure.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Missing {
    texts: Vec<String>,
    numbers: Vec<f64>,
    limits: Vec<Limit>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
}

impl Limit {
    /// A limit such as `<-1e30` or `>= 9.9e37`; `None` if the text does not begin as one.
    fn parse(text: &str, format: NumberFormat) -> Option<Result<Self, String>> {
        type Kind = fn(f64) -> Limit;
        let kinds: [(&str, Kind); 4] =
            [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Below), (">", Self::Above)];
        let (limit, kind) = kinds.iter().find_map(|(sign, kind)| Some((text.strip_prefix(sign)?, kind)))?;
        let limit = limit.trim();
        Some(number(limit, format).map(kind).ok_or_else(|| format!("`{limit}` is not a number")))
    }

    fn covers(self, number: f64) -> bool {
        match self {
            Self::Below(limit) => number < limit,
            Self::AtMost(limit) => number <= limit,
            Self::Above(limit) => number > limit,
            Self::AtLeast(limit) => number >= limit,
        }
    }
}

/// The number of a marker, in the number format of the source or with a decimal point.
fn number(text: &str, format: NumberFormat) -> Option<f64> {
    let parse = |format| plain(text, format)?.parse().ok();
    parse(format).or_else(|| parse(NumberFormat::default()))
}

impl Missing {
    /// # Errors
    /// A limit that is not a number.
    pub(crate) fn new(markers: &[Marker], format: NumberFormat) -> Result<Self, String> {
        let mut this = Self::default();
        for marker in markers {
            match marker {
                #[expect(clippy::cast_precision_loss, reason = "values are doubles, too")]
                Marker::Integer(number) => this.numbers.push(*number as f64),
                Marker::Float(number) => this.numbers.push(*number),
                Marker::Text(text) => this.add(text.trim(), format)?,
            }
        }
        Ok(this)
    }

    fn add(&mut self, text: &str, format: NumberFormat) -> Result<(), String> {
        if let Some(limit) = Limit::parse(text, format) {
            self.limits.push(limit?);
        } else if let Some(number) = number(text, format) {
            self.numbers.push(number);
        } else {
            self.texts.push(text.to_owned());
        }
        Ok(())
    }

    /// Adds the markers of another list.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.texts.extend_from_slice(&other.texts);
        self.numbers.extend_from_slice(&other.numbers);
        self.limits.extend_from_slice(&other.limits);
        self
    }

    /// Whether a trimmed text is a marker.
    pub(crate) fn has_text(&self, text: &str) -> bool {
        text.is_empty() || self.texts.iter().any(|marker| marker.eq_ignore_ascii_case(text))
    }

    /// Whether a number, in the unit of the source, is a marker.
    pub(crate) fn has_number(&self, number: f64) -> bool {
        self.numbers.contains(&number) || self.limits.iter().any(|limit| limit.covers(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(markers: &[&str], format: NumberFormat) -> Missing {
        let markers: Vec<_> = markers.iter().map(|text| Marker::Text((*text).to_owned())).collect();
        Missing::new(&markers, format).unwrap()
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let missing = missing(&["-9999", "9.9E37", "NAN"], NumberFormat::default());
        for number in [-9999.0, -9.999E+03, 9.9e37] {
            assert!(missing.has_number(number), "{number}");
        }
        for number in [9999.0, -9998.999, 9.99999999e37, f64::INFINITY, 0.0] {
            assert!(!missing.has_number(number), "{number}");
        }
        assert!(missing.has_text("NAN") && missing.has_text("") && !missing.has_text("-9999.00"));
    }

    #[test]
    fn limits_cover_values_beyond_them() {
        let missing = missing(&[">= 9.9e37", "<-1e30"], NumberFormat::default());
        assert!([9.9e37, 1e300, f64::INFINITY, -2e30].iter().all(|number| missing.has_number(*number)));
        assert!([9.8e37, -1e30, 0.0].iter().all(|number| !missing.has_number(*number)));
        for wrong in ["> x", ">=", "< 1,5"] {
            assert!(Missing::new(&[Marker::Text(wrong.to_owned())], NumberFormat::default()).is_err());
        }
    }

    #[test]
    fn markers_use_the_number_format_of_the_source() {
        let comma = NumberFormat { decimal: ',', thousands: Some('.') };
        let missing = missing(&["-9.999,5", ">=1.000.000"], comma);
        assert!(missing.has_number(-9999.5) && missing.has_number(1e6) && !missing.has_number(-9.9995));
    }
}
