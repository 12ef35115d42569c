use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, MatchedPath, RawPathParams};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use mymonit_model::{ExperimentId, User};
use mymonit_services::{Credentials, Principal, Reach, UserService};
use tracing::Span;

use crate::error::Problem;

/// The authenticated user. A handler with this argument needs a valid token. It comes before all
/// arguments made of the client's input, so parameters are validated after authentication.
///
/// API tokens that are restricted to experiments read below `/experiments/{experiment_id}` and
/// `/measures/{experiment_id}` only.
pub(crate) struct Caller(pub(crate) User);

/// [`Caller`] where every API token may read, or where the service decides by more than the user.
pub(crate) struct AnyCaller(pub(crate) Principal);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<dyn UserService>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let reach = match experiment_of(parts, state).await {
            Some(id) => Reach::Experiment(id),
            None => Reach::Other,
        };
        authenticate(parts, state, reach).await.map(|principal| Self(principal.user))
    }
}

impl<S> FromRequestParts<S> for AnyCaller
where
    S: Send + Sync,
    Arc<dyn UserService>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        authenticate(parts, state, Reach::Everyone).await.map(Self)
    }
}

async fn authenticate<S>(parts: &Parts, state: &S, reading: Reach) -> Result<Principal, Problem>
where
    Arc<dyn UserService>: FromRef<S>,
{
    let users = <Arc<dyn UserService>>::from_ref(state);
    let is_reading = [Method::GET, Method::HEAD].contains(&parts.method);
    let reach = if is_reading { reading } else { Reach::Change };
    let principal = users.authenticate(credentials(&parts.headers), reach).await?;
    // For the log line of the request.
    Span::current().record("user_id", principal.user.user_id.as_str());
    Ok(principal)
}

/// The experiment to which the path belongs.
async fn experiment_of<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<ExperimentId> {
    const PATHS: [&str; 2] = ["/experiments/{experiment_id}", "/measures/{experiment_id}"];
    let route = parts.extensions.get::<MatchedPath>()?.as_str();
    let is_below =
        |path| route.strip_prefix(path).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'));
    if !PATHS.into_iter().any(is_below) {
        return None;
    }
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, id) = parameters.iter().find(|(name, _)| *name == "experiment_id")?;
    id.parse().ok()
}

/// The credentials of the request.
pub(crate) fn credentials(headers: &HeaderMap) -> Credentials<'_> {
    match bearer_token(headers) {
        Ok(token) => Credentials::Token(token),
        Err(reason) => Credentials::Unusable(reason),
    }
}

/// The token of the one `Authorization: Bearer` header (RFC 6750 §2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&str, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or("no Authorization header")?;
    if values.next().is_some() {
        return Err("more than one Authorization header");
    }
    parse(value).ok_or("the Authorization header is not `Bearer` and one token")
}

fn parse(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.trim_matches(' ').split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let is_one = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    (scheme.eq_ignore_ascii_case("bearer") && is_one).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Option<String> {
        let headers = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect();
        bearer_token(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "Bearer   a.b.c", "Bearer a.b.c "] {
            assert_eq!(of(&[header]).as_deref(), Some("a.b.c"), "{header}");
        }
    }

    #[test]
    fn anything_but_one_header_with_one_token_is_none() {
        let wrong =
            ["", "Bearer", "Bearer ", "a.b.c", "Basic a.b.c", "Bearer a b", "Bearera.b.c", "Bearer a,b"];
        for header in wrong {
            assert_eq!(of(&[header]), None, "{header}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Bearer a", "Bearer a"]), None);
    }
}
