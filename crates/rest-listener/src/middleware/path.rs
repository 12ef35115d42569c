//! One spelling of each path, for the router.
//!
//! tower-http's `NormalizePath` also takes `//users` and `/users//` for `/users`, which are 404
//! here, and leaves percent-encoding as it is.

use std::borrow::Cow;

use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;

/// Removes one trailing slash, and percent-encoding where none is needed (RFC 3986 §6.2.2.2).
pub(super) async fn normalize(mut request: Request) -> Request {
    if let Some(uri) = normalized(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn normalized(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(uri.path());
    let path = without_needless_encoding(path);
    if path == uri.path() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

fn without_needless_encoding(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, encoded)) = rest.split_once('%') {
        plain.push_str(before);
        match encoded.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(char::from(byte));
                rest = &encoded[2..];
            }
            _ => {
                plain.push('%');
                rest = encoded;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(uri: &'static str) -> String {
        let uri = Uri::from_static(uri);
        normalized(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn one_trailing_slash_makes_no_difference_encoded_or_not() {
        assert_eq!(spelt("/users/"), "/users");
        assert_eq!(spelt("/users"), "/users");
        assert_eq!(spelt("/users/?a=/"), "/users?a=/");
        assert_eq!(spelt("/users/A%20B/"), "/users/A%20B");
        assert_eq!(spelt("/users/A%2F/"), "/users/A%2F");
        assert_eq!(spelt("/users/A%2F"), "/users/A%2F");
        assert_eq!(spelt("/users//"), "/users/");
        assert_eq!(spelt("/"), "/");
        assert_eq!(spelt("http://host/users/"), "http://host/users");
    }

    #[test]
    fn needless_percent_encoding_makes_no_difference() {
        assert_eq!(spelt("/%75sers/%6De"), "/users/me");
        assert_eq!(spelt("/users/%7e%2D%5f"), "/users/~-_");
        assert_eq!(spelt("/users/%e2%84%a6%"), "/users/%e2%84%a6%");
        assert_eq!(spelt("/users/%2575"), "/users/%2575");
        assert_eq!(spelt("/users/%+1"), "/users/%+1");
    }
}
