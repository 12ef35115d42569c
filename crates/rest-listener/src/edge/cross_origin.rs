//! Which web pages of other origins may use this API (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//! None may unless it is configured. Tokens are sent by the page's own script, never by the browser by itself, so
//! credentials are not spoken of.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
    VARY,
};
use http::{HeaderValue, Method};
use thiserror::Error;
use url::Url;

/// What a page may send beyond what any page may.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-request-id");
/// What a page may read beyond what any page may.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "allow, content-disposition, link, location, mymonit-window, retry-after, www-authenticate, x-request-id",
);
/// For how many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins whose pages may read answers; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Arc<[HeaderValue]>);

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no origin such as `https://monit.example.org`: scheme, host and, unless it is the scheme's own, port"
)]
pub struct InvalidOrigin(String);

impl AllowedOrigins {
    /// Takes origins as browsers write them: `https://monit.example.org`, `http://localhost:8080`.
    ///
    /// # Errors
    /// Names the first text that is none; `*` is none, so that nobody opens the API to every page at once.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        let origins =
            origins.into_iter().map(|text| origin(text).ok_or_else(|| InvalidOrigin(text.to_owned())));
        origins.collect::<Result<_, _>>().map(Self)
    }

    /// Lets the page that asked read the answer, if it may, and answers a browser's question beforehand.
    pub(super) fn share(&self, request: CrossOrigin, response: &mut Response) {
        if self.0.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
        let Some(origin) = request.origin.filter(|origin| self.0.contains(origin)) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !request.is_preflight {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        } else if let Some(methods) = headers.get(ALLOW).cloned() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

fn origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    // Only a text that is an origin and nothing else comes out as it went in. A `*`, which a host name may hold, would
    // be taken for a pattern by people and by nobody else.
    let is_origin = url.origin().ascii_serialization() == text && !text.contains('*');
    is_origin.then(|| HeaderValue::from_str(text).ok())?
}

/// What a browser says of the page that asks.
pub(super) struct CrossOrigin {
    origin: Option<HeaderValue>,
    /// Whether it asks beforehand what the page may send.
    is_preflight: bool,
}

impl CrossOrigin {
    pub(super) fn of(request: &Request) -> Self {
        let headers = request.headers();
        Self {
            origin: headers.get(ORIGIN).cloned(),
            is_preflight: request.method() == Method::OPTIONS
                && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_write_them() {
        for good in ["https://monit.example.org", "http://localhost:8080", "http://[::1]:8080"] {
            assert_eq!(AllowedOrigins::new([good]).unwrap().0.len(), 1, "{good}");
        }
        assert_eq!(AllowedOrigins::new(["https://a.org", "https://b.org"]).unwrap().0.len(), 2);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "*",
            "null",
            "monit.example.org",
            "https://monit.example.org/",
            "https://monit.example.org:443",
            "https://Monit.example.org",
            "https://user@monit.example.org",
            "https://*.example.org",
            "https://monit.example.org/path",
            "ftp://monit.example.org",
            "https://a.org https://b.org",
        ] {
            let refusal = AllowedOrigins::new(["https://good.org", bad]).unwrap_err();
            assert_eq!(refusal, InvalidOrigin(bad.to_owned()));
        }
    }
}
