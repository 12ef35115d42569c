use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use mymonit_model::{ExperimentId, User, UserId, Username};
use mymonit_services::{Credentials, MeasureReader, UserService};
use tracing::Span;

use crate::error::Problem;
use crate::path::ExperimentPath;

/// The user who asks. A handler that takes this argument is out of reach without a valid token; it stands
/// before all arguments that are made of the client's input, so that only users learn what is wrong with it.
pub(crate) struct Caller(pub(crate) User);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<dyn UserService>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let users = <Arc<dyn UserService>>::from_ref(state);
        let user = users.authenticate(credentials(&parts.headers)).await?;
        note(&user.user_id);
        Ok(Self(user))
    }
}

/// Notes for the request's line who asks.
pub(crate) fn note(user_id: &UserId) {
    Span::current().record("user_id", user_id.as_str());
}

/// Somebody with a valid token who asks for the measures of the experiment in the path. A path that names none is
/// refused, too, but only once the user is known, as with [`Caller`].
///
/// Who it is has not been asked yet: mostly one question tells that together with the measures
/// ([`MeasureService::read_at_once`]). Whatever else is to be said to them, [`Self::known`] comes first.
///
/// [`MeasureService::read_at_once`]: mymonit_services::MeasureService::read_at_once
pub(crate) struct ReadingCaller {
    users: Arc<dyn UserService>,
    pub(crate) username: Username,
    pub(crate) experiment_id: ExperimentId,
}

impl ReadingCaller {
    /// The user who asks.
    pub(crate) async fn known(self) -> Result<MeasureReader, Problem> {
        let reader = self.users.reader(&self.username, self.experiment_id).await?;
        note(&reader.user.user_id);
        Ok(reader)
    }
}

impl<S> FromRequestParts<S> for ReadingCaller
where
    S: Send + Sync,
    Arc<dyn UserService>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let experiment_id = match ExperimentPath::from_request_parts(parts, state).await {
            Ok(ExperimentPath(experiment_id)) => experiment_id,
            Err(wrong_path) => {
                Caller::from_request_parts(parts, state).await?;
                return Err(wrong_path);
            }
        };
        let users = <Arc<dyn UserService>>::from_ref(state);
        let username = users.verify(credentials(&parts.headers)).await?;
        Ok(Self { users, username, experiment_id })
    }
}

fn credentials(headers: &HeaderMap) -> Credentials<'_> {
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
