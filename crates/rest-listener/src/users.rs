//! `/users/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use mymonit_model::User;
use mymonit_services::{MAX_LISTED, UserDraft, UserProfileDraft, UserService};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::caller::{AnyCaller, Caller};
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present};
use crate::openapi::{
    Conflict, EmailText, Endpoints, Paged, PersonNameText, Reauthentication, RoleName, UserIdText,
    UsernameText,
};
use crate::path::{Path, UserPath};
use crate::query::{Count, Cursor, NoParameters, Query, Search, encoded, list_request, listed};

type Users = State<Arc<dyn UserService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list, create))
        .guarded(routes!(me))
        .guarded(routes!(one, update, erase))
}

/// A person who may sign in.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserShape {
    #[schema(value_type = UserIdText)]
    user_id: String,
    #[schema(value_type = PersonNameText)]
    name: String,
    #[schema(value_type = UsernameText)]
    username: String,
    #[schema(value_type = EmailText)]
    email: String,
    #[schema(value_type = RoleName)]
    role: &'static str,
}

impl From<User> for UserShape {
    fn from(user: User) -> Self {
        Self {
            user_id: user.user_id.to_string(),
            name: user.name.reveal().to_string(),
            username: user.username.reveal().to_string(),
            email: user.email.reveal().as_str().to_owned(),
            role: user.role.as_str(),
        }
    }
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewUser, example = json!({
    "user_id": "S003", "name": "Lise Meitner", "username": "Vq3hJz0sT9cYw2LmK8nRb5XdPeG1",
    "email": "lmeitner@home.cern", "role": "SCIENTIST"
}))]
struct NewUserShape {
    #[schema(value_type = UserIdText)]
    user_id: String,
    #[schema(value_type = PersonNameText)]
    name: String,
    #[schema(value_type = UsernameText)]
    username: String,
    #[schema(value_type = EmailText)]
    email: String,
    #[schema(value_type = RoleName)]
    role: String,
}

impl From<NewUserShape> for UserDraft {
    fn from(shape: NewUserShape) -> Self {
        let NewUserShape { user_id, name, username, email, role } = shape;
        let profile = UserProfileDraft { name: name.into(), username: username.into(), email: email.into() };
        Self { user_id, role, profile }
    }
}

/// The new state of a user. `user_id` and `role`, if present, must equal the stored ones.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserUpdate, example = json!({
    "user_id": "S001", "name": "Peter W. Higg", "username": "uJayGH994iVa2TY5auSNYZoUpwk1",
    "email": "phigg@home.cern", "role": "SCIENTIST"
}))]
struct UserUpdateShape {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = UserIdText, required = false)]
    user_id: Option<String>,
    #[schema(value_type = PersonNameText)]
    name: String,
    #[schema(value_type = UsernameText)]
    username: String,
    #[schema(value_type = EmailText)]
    email: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = RoleName, required = false)]
    role: Option<String>,
}

type Limit = Count<MAX_LISTED>;

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only users that have this text in id, name, username or e-mail address, in whatever case.
    #[param(inline)]
    search: Option<Search>,
    /// At most this many users, with a `Link` to the next page while there are more. Without
    /// `limit`: all.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the page begins: opaque, from the `Link` of an earlier answer to the same request. Any
    /// other is refused.
    #[param(inline)]
    cursor: Option<Cursor>,
}

/// Lists users, without the erased ones.
///
/// For administrators.
#[utoipa::path(
    get, path = "/users/", tag = "users", operation_id = "listUsers", params(ListQuery),
    responses(Paged<UserShape>)
)]
async fn list(
    State(users): Users,
    Caller(caller): Caller,
    Query(ListQuery { search, limit, cursor }): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    listed::<_, UserShape>("/users/", &uri, users.list(&caller, list_request(search, limit, cursor)).await?)
}

/// Adds a user.
///
/// For administrators. The id of an erased user cannot be used again.
#[utoipa::path(
    post, path = "/users/", tag = "users", operation_id = "createUser", request_body = NewUserShape,
    responses(Created<UserShape>, Conflict)
)]
async fn create(
    State(users): Users,
    Caller(caller): Caller,
    _: NoParameters,
    json::Json(user): json::Json<NewUserShape>,
) -> Result<Created<UserShape>, Problem> {
    let user = users.create(&caller, user.into()).await?;
    Ok(Created { location: format!("/users/{}", encoded(user.user_id.as_str())), thing: user.into() })
}

/// Returns the caller's own record.
#[utoipa::path(
    get, path = "/users/me", tag = "users", operation_id = "getOwnUser",
    responses((status = OK, description = "The user of the token.", body = UserShape))
)]
async fn me(AnyCaller(caller): AnyCaller, _: NoParameters) -> Json<UserShape> {
    Json(caller.user.into())
}

/// Returns a user.
///
/// For administrators and the user. To other scientists every id is forbidden, known or not.
#[utoipa::path(
    get, path = "/users/{user_id}", tag = "users", operation_id = "getUser", params(UserPath),
    responses((status = OK, description = "The user.", body = UserShape))
)]
async fn one(
    State(users): Users,
    Caller(caller): Caller,
    Path(UserPath { user_id }): Path<UserPath>,
    _: NoParameters,
) -> Result<Json<UserShape>, Problem> {
    Ok(Json(users.get(&caller, &user_id).await?.into()))
}

/// Updates a user.
///
/// For administrators and the user; `username` is changed by administrators only. Takes what GET
/// returned.
#[utoipa::path(
    put, path = "/users/{user_id}", tag = "users", operation_id = "updateUser", params(UserPath),
    request_body = UserUpdateShape,
    responses((status = OK, description = "The updated user.", body = UserShape), Conflict, Reauthentication)
)]
async fn update(
    State(users): Users,
    AnyCaller(caller): AnyCaller,
    Path(UserPath { user_id }): Path<UserPath>,
    _: NoParameters,
    json::Json(shape): json::Json<UserUpdateShape>,
) -> Result<Json<UserShape>, Problem> {
    let UserUpdateShape { user_id: given_id, name, username, email, role } = shape;
    let profile = UserProfileDraft { name: name.into(), username: username.into(), email: email.into() };
    Ok(Json(users.update(&caller.user, &user_id, given_id, role, profile, caller.sign_in).await?.into()))
}

/// Erases a user permanently.
///
/// For administrators and the user. Name, username, e-mail and associations are removed. The id
/// stays for audit and cannot be used again. The last administrator cannot be erased.
#[utoipa::path(
    delete, path = "/users/{user_id}", tag = "users", operation_id = "eraseUser", params(UserPath),
    responses((status = NO_CONTENT, description = "The personal data are gone."), Conflict, Reauthentication)
)]
async fn erase(
    State(users): Users,
    AnyCaller(caller): AnyCaller,
    Path(UserPath { user_id }): Path<UserPath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    users.erase(&caller.user, &user_id, caller.sign_in).await?;
    Ok(StatusCode::NO_CONTENT)
}
