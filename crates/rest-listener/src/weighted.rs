//! Lists of preferences with weights, as in `Accept` and `Accept-Encoding` (RFC 9110 §12.4).

use http::HeaderMap;
use http::header::HeaderName;

/// The weight of a preference (RFC 9110), in thousandths; zero is refused.
pub(crate) type Weight = u16;

/// The elements of all headers of that name, each with its parameters and its weight. Malformed
/// elements are skipped. `None` if the header is absent or empty.
pub(crate) fn preferences(headers: &HeaderMap, name: HeaderName) -> Option<Vec<Preference>> {
    let values = headers.get_all(name);
    let elements: Vec<_> = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|element| std::str::from_utf8(element).ok())
        .map(str::trim)
        .filter(|element| !element.is_empty())
        .collect();
    if elements.is_empty() && values.iter().all(|value| value.to_str().is_ok()) {
        return None;
    }
    Some(elements.into_iter().filter_map(preference).collect())
}

/// One element of a list of preferences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preference {
    /// What is preferred, in lower case.
    pub(crate) what: String,
    /// Its parameters, names and values in lower case, without quotes.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) weight: Weight,
}

fn preference(element: &str) -> Option<Preference> {
    let mut parts = element.split(';').map(str::trim);
    let what = parts.next().filter(|what| !what.is_empty())?.to_ascii_lowercase();
    let (mut parameters, mut weight) = (Vec::new(), 1_000);
    for part in parts.filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "q" {
            weight = thousandths(value)?;
            // Extensions follow, of which none is defined.
            break;
        }
        parameters.push((name, value.trim_matches('"').to_ascii_lowercase()));
    }
    Some(Preference { what, parameters, weight })
}

/// A weight from 0 to 1 with at most three digits after the point.
fn thousandths(text: &str) -> Option<Weight> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_well_formed = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: Weight = format!("{fraction:0<3}").parse().ok().filter(|_| is_well_formed)?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT;

    use super::*;

    fn read(values: &[&'static str]) -> Option<Vec<(String, Weight)>> {
        let headers = values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect();
        let preferences = preferences(&headers, ACCEPT)?;
        Some(preferences.into_iter().map(|each| (each.what, each.weight)).collect())
    }

    fn weights(value: &'static str) -> Vec<(String, Weight)> {
        read(&[value]).unwrap()
    }

    fn pair(what: &str, weight: Weight) -> (String, Weight) {
        (what.to_owned(), weight)
    }

    #[test]
    fn elements_have_weights_between_nothing_and_all() {
        assert_eq!(weights("gzip"), [pair("gzip", 1_000)]);
        assert_eq!(
            weights("a;q=0, b;q=1 ,c; Q=0.5,d;q=0.001,e;q=1.000,f;q=0.,"),
            [pair("a", 0), pair("b", 1_000), pair("c", 500), pair("d", 1), pair("e", 1_000), pair("f", 0)]
        );
        assert_eq!(read(&["a", "b;q=0.2"]).unwrap(), [pair("a", 1_000), pair("b", 200)]);
    }

    #[test]
    fn elements_that_break_the_grammar_are_left_out() {
        for wrong in ["a;q=2", "a;q=1.001", "a;q=0.0001", "a;q=", "a;q=-1", "a;q=0.x", "a;q", ";q=1", "a;b"] {
            assert_eq!(weights(wrong), [], "{wrong}");
        }
        assert_eq!(weights("a;q=2, b"), [pair("b", 1_000)]);
    }

    #[test]
    fn absent_and_empty_headers_have_no_preference() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["", " , "]), None);
    }

    #[test]
    fn parameters_are_read_up_to_the_weight() {
        let headers = HeaderMap::from_iter([(
            ACCEPT,
            HeaderValue::from_static("Text/CSV; Header=Present ;charset=\"UTF-8\";q=0.5;x=y"),
        )]);
        let expected = Preference {
            what: "text/csv".to_owned(),
            parameters: vec![
                ("header".to_owned(), "present".to_owned()),
                ("charset".to_owned(), "utf-8".to_owned()),
            ],
            weight: 500,
        };
        assert_eq!(preferences(&headers, ACCEPT).unwrap(), [expected]);
    }
}
