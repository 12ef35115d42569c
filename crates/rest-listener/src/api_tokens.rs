//! `/users/me/tokens/` and `/users/{user_id}/tokens/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mymonit_model::ApiToken;
use mymonit_services::{ApiTokenDraft, ApiTokenService};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::AnyCaller;
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, WholeNumber, present_whole_number};
use crate::openapi::{
    ApiTokenIdNumber, ApiTokenNameText, Conflict, Endpoints, ExperimentIdNumber, ExperimentIds,
    StoredTimestamp,
};
use crate::path::{ApiTokenPath, OwnApiTokenPath, Path, UserPath};
use crate::query::NoParameters;

type ApiTokens = State<Arc<dyn ApiTokenService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list_own, create))
        .guarded(routes!(revoke_own))
        .guarded(routes!(list))
        .guarded(routes!(revoke))
        .with_schema::<CreatedApiTokenShape>()
}

/// An API token without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiToken)]
struct ApiTokenShape {
    #[schema(value_type = ApiTokenIdNumber)]
    token_id: u64,
    #[schema(value_type = ApiTokenNameText)]
    name: String,
    #[schema(value_type = StoredTimestamp)]
    created_at: String,
    /// From when on it is not accepted.
    #[schema(value_type = StoredTimestamp)]
    expires_at: String,
    /// The experiments that it may read; `null` for all that its user may read.
    #[schema(value_type = Option<Vec<ExperimentIdNumber>>, required = true)]
    experiments: Option<Vec<u32>>,
    /// The full hour of its last use; `null` if it was not used yet.
    #[schema(value_type = Option<StoredTimestamp>, required = true)]
    last_used_at: Option<String>,
}

impl From<ApiToken> for ApiTokenShape {
    fn from(token: ApiToken) -> Self {
        let ApiToken { id, name, created_at, expires_at, experiments, last_used_at } = token;
        let experiments = experiments.map(|ids| ids.into_iter().map(|id| id.get()).collect());
        Self {
            token_id: id.get(),
            name: name.to_string(),
            created_at: created_at.to_string(),
            expires_at: expires_at.to_string(),
            experiments,
            last_used_at: last_used_at.map(|at| at.to_string()),
        }
    }
}

/// An API token with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiToken)]
struct CreatedApiTokenShape {
    #[serde(flatten)]
    token: ApiTokenShape,
    /// Sent as `Authorization: Bearer mymonit_…`.
    #[schema(pattern = "^mymonit_[A-Za-z0-9_-]{43}$")]
    secret: String,
}

/// A new API token. Without `expires_in_days` it is accepted for 90 days, or `API_TOKEN_MAX_DAYS`
/// if that is less; without `experiments` it reads all that its user may read.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiToken, example = json!({"name": "nightly plots", "expires_in_days": 30, "experiments": [1]}))]
struct NewApiTokenShape {
    #[schema(value_type = ApiTokenNameText)]
    name: String,
    /// At most `API_TOKEN_MAX_DAYS`.
    #[serde(default, deserialize_with = "present_whole_number")]
    #[schema(value_type = u32, required = false, minimum = 1)]
    expires_in_days: Option<u32>,
    #[serde(default)]
    #[schema(value_type = ExperimentIds, required = false)]
    experiments: Option<Vec<WholeNumber>>,
}

impl From<NewApiTokenShape> for ApiTokenDraft {
    fn from(shape: NewApiTokenShape) -> Self {
        let NewApiTokenShape { name, expires_in_days, experiments } = shape;
        let experiments = experiments.map(|ids| ids.into_iter().map(|WholeNumber(id)| id).collect());
        Self { name, expires_in_days, experiments }
    }
}

/// Lists the caller's API tokens.
///
/// Expired ones included. With an ID token only.
#[utoipa::path(
    get, path = "/users/me/tokens/", tag = "API tokens", operation_id = "listOwnApiTokens",
    responses((status = OK, description = "The tokens, without their secrets.", body = [ApiTokenShape]))
)]
async fn list_own(
    State(tokens): ApiTokens,
    AnyCaller(caller): AnyCaller,
    _: NoParameters,
) -> Result<Json<Vec<ApiTokenShape>>, Problem> {
    let tokens = tokens.list_own(&caller).await?;
    Ok(Json(tokens.into_iter().map(ApiTokenShape::from).collect()))
}

/// Creates an API token for the caller.
///
/// The answer alone has its secret. At most 20 for each user. With an ID token only.
#[utoipa::path(
    post, path = "/users/me/tokens/", tag = "API tokens", operation_id = "createApiToken",
    request_body = NewApiTokenShape, responses(Created<CreatedApiTokenShape>, Conflict)
)]
async fn create(
    State(tokens): ApiTokens,
    AnyCaller(caller): AnyCaller,
    _: NoParameters,
    json::Json(shape): json::Json<NewApiTokenShape>,
) -> Result<Created<CreatedApiTokenShape>, Problem> {
    let (token, secret) = tokens.create(&caller, shape.into()).await?;
    let location = format!("/users/me/tokens/{}", token.id);
    let thing = CreatedApiTokenShape { token: token.into(), secret: secret.into_revealed() };
    Ok(Created { location, thing })
}

/// Revokes an API token of the caller.
///
/// Immediately and permanently. With an ID token only.
#[utoipa::path(
    delete, path = "/users/me/tokens/{token_id}", tag = "API tokens", operation_id = "revokeOwnApiToken",
    params(OwnApiTokenPath), responses((status = NO_CONTENT, description = "It is no longer accepted."))
)]
async fn revoke_own(
    State(tokens): ApiTokens,
    AnyCaller(caller): AnyCaller,
    Path(OwnApiTokenPath { token_id }): Path<OwnApiTokenPath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    tokens.revoke_own(&caller, token_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the API tokens of a user.
///
/// For administrators. Expired ones included. With an ID token only.
#[utoipa::path(
    get, path = "/users/{user_id}/tokens/", tag = "API tokens", operation_id = "listApiTokens", params(UserPath),
    responses((status = OK, description = "The tokens, without their secrets.", body = [ApiTokenShape]))
)]
async fn list(
    State(tokens): ApiTokens,
    AnyCaller(caller): AnyCaller,
    Path(UserPath { user_id }): Path<UserPath>,
    _: NoParameters,
) -> Result<Json<Vec<ApiTokenShape>>, Problem> {
    let tokens = tokens.list(&caller, &user_id).await?;
    Ok(Json(tokens.into_iter().map(ApiTokenShape::from).collect()))
}

/// Revokes an API token of a user.
///
/// For administrators. Immediately and permanently. With an ID token only.
#[utoipa::path(
    delete, path = "/users/{user_id}/tokens/{token_id}", tag = "API tokens", operation_id = "revokeApiToken",
    params(ApiTokenPath), responses((status = NO_CONTENT, description = "It is no longer accepted."))
)]
async fn revoke(
    State(tokens): ApiTokens,
    AnyCaller(caller): AnyCaller,
    Path(ApiTokenPath { user_id, token_id }): Path<ApiTokenPath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    tokens.revoke(&caller, &user_id, token_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
