//! What the evaluation mode serves without a token is for programs on this machine and for this
//! service's own page, not for other pages in the same browser.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};

use crate::error::{Kind, Problem};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The origin of a request.
pub(super) struct SameOrigin {
    host: Option<Authority>,
    /// Whether a program sent it, or a page of this origin.
    is_same: bool,
}

impl SameOrigin {
    /// Refuses requests of other pages, also of one whose name was made to resolve to this machine
    /// (DNS rebinding): its requests carry that name as host, neither an address nor a name of this
    /// machine.
    pub(super) fn require(&self, own_host: &str) -> Result<(), Problem> {
        let is_ours = self.host.as_ref().is_some_and(|host| is_known(host.host(), own_host));
        if !is_ours {
            return Err(Problem::new(
                Kind::Forbidden,
                "evaluation mode is used by this machine's address or name: `127.0.0.1`, `localhost`, or what \
                 REST_HOST holds",
            ));
        }
        if self.is_same {
            Ok(())
        } else {
            Err(Problem::new(Kind::Forbidden, "only this service's own page and programs may ask this"))
        }
    }
}

fn is_known(host: &str, own_host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.eq_ignore_ascii_case(own_host)
        || address.parse::<IpAddr>().is_ok()
}

impl<S: Send + Sync> FromRequestParts<S> for SameOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let host = only(&parts.headers, &HOST).and_then(|host| host.parse::<Authority>().ok());
        let host = parts.uri.authority().cloned().or(host);
        let is_same = match (parts.headers.contains_key(&SEC_FETCH_SITE), parts.headers.contains_key(ORIGIN))
        {
            // `none`: typed into the address bar, not sent by a page.
            (true, _) => matches!(only(&parts.headers, &SEC_FETCH_SITE), Some("same-origin" | "none")),
            // An older browser.
            (false, true) => only(&parts.headers, &ORIGIN)
                .and_then(|origin| origin.split_once("://"))
                .is_some_and(|(_, origin)| host.as_ref().is_some_and(|host| host.as_str() == origin)),
            (false, false) => true,
        };
        Ok(Self { host, is_same })
    }
}

/// The value of a header that occurs once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    async fn is_let_in(headers: &[(&str, &str)]) -> bool {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let Ok(said) = SameOrigin::from_request_parts(&mut parts, &()).await;
        said.require("monit.example.org").is_ok()
    }

    #[tokio::test]
    async fn programs_and_the_own_page_are_accepted() {
        for host in [
            "127.0.0.1:5000",
            "localhost:5000",
            "[::1]:5000",
            "LOCALHOST",
            "192.168.0.7",
            "monit.example.org",
        ] {
            assert!(is_let_in(&[("host", host)]).await, "{host}");
            assert!(is_let_in(&[("host", host), ("sec-fetch-site", "same-origin")]).await, "{host}");
            assert!(is_let_in(&[("host", host), ("origin", &format!("http://{host}"))]).await, "{host}");
        }
    }

    #[tokio::test]
    async fn other_pages_are_not() {
        let host = ("host", "127.0.0.1:5000");
        for site in ["cross-site", "same-site", "", "Same-Origin "] {
            assert!(!is_let_in(&[host, ("sec-fetch-site", site)]).await, "{site}");
        }
        for origin in
            ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:5001", "127.0.0.1:5000"]
        {
            assert!(!is_let_in(&[host, ("origin", origin)]).await, "{origin}");
        }
        let twice = [host, ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
        assert!(!is_let_in(&twice).await);
    }

    #[tokio::test]
    async fn a_name_that_was_made_to_point_here_is_refused() {
        for host in
            ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", "localhost.evil.example", ""]
        {
            assert!(!is_let_in(&[("host", host), ("sec-fetch-site", "same-origin")]).await, "{host}");
        }
        assert!(!is_let_in(&[]).await);
    }
}
