//! Cross-origin access (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>), for configured
//! origins only.
//!
//! tower-http's `CorsLayer` answers every OPTIONS with 200; here the path answers with its methods.
//! No credentials are allowed: the page's script sends tokens, the browser never does.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
    VARY,
};
use http::{HeaderValue, Method};
use thiserror::Error;
use url::Url;

/// What a page may send beside the headers that any page may send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-request-id");
/// What a page may read beside the headers that any page may read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "allow, content-disposition, link, location, mymonit-window, retry-after, www-authenticate, x-request-id",
);
/// Seconds for which a browser may keep the answer to a preflight.
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
    /// Names the first text that is not an origin; `*` is not.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        let origins =
            origins.into_iter().map(|text| origin(text).ok_or_else(|| InvalidOrigin(text.to_owned())));
        origins.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    // A text that is more than an origin does not come out as it went in. Url takes a `*` as part
    // of a host name.
    let is_origin = url.origin().ascii_serialization() == text && !text.contains('*');
    is_origin.then(|| HeaderValue::from_str(text).ok())?
}

/// Lets pages of the allowed origins read the answer.
pub(super) async fn share(State(origins): State<AllowedOrigins>, request: Request, next: Next) -> Response {
    let asked = request.headers();
    let is_preflight =
        request.method() == Method::OPTIONS && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let origin = asked.get(ORIGIN).filter(|origin| origins.0.contains(origin)).cloned();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_name(ORIGIN));
    let Some(origin) = origin else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if !is_preflight {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    } else if let Some(methods) = headers.get(ALLOW).cloned() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    response
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
