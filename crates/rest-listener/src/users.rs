//! `/users/`: who may sign in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mymonit_model::User;
use mymonit_services::{UserDraft, UserProfileDraft, UserService};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present};
use crate::openapi::{Conflict, EmailText, Endpoints, PersonNameText, RoleName, UserIdText, UsernameText};
use crate::path::{UserPath, encoded};
use crate::query::NoParameters;

type Users = State<Arc<dyn UserService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list, create))
        .guarded(routes!(me))
        .guarded(routes!(one, update, erase))
}

/// Somebody who may sign in.
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

/// A user to be made.
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

/// A user as it shall be from now on. `user_id` and `role`, where given, must be the stored ones.
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

/// Lists all users.
///
/// For administrators.
#[utoipa::path(
    get, path = "/users/", tag = "users", operation_id = "listUsers",
    responses((status = OK, description = "All users but the erased ones.", body = [UserShape]))
)]
async fn list(
    State(users): Users,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<UserShape>>, Problem> {
    let users = users.list(&caller).await?;
    Ok(Json(users.into_iter().map(UserShape::from).collect()))
}

/// Adds a user.
///
/// For administrators. The id cannot be one that an erased user had.
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

/// Shows the caller's own record.
#[utoipa::path(
    get, path = "/users/me", tag = "users", operation_id = "getOwnUser",
    responses((status = OK, description = "The user whom the token stands for.", body = UserShape))
)]
async fn me(Caller(caller): Caller, _: NoParameters) -> Json<UserShape> {
    Json(caller.into())
}

/// Shows a user.
///
/// For administrators and the user. To other scientists every id is forbidden, whether there is such a user or not.
#[utoipa::path(
    get, path = "/users/{user_id}", tag = "users", operation_id = "getUser", params(UserPath),
    responses((status = OK, description = "The user.", body = UserShape))
)]
async fn one(
    State(users): Users,
    Caller(caller): Caller,
    UserPath(user_id): UserPath,
    _: NoParameters,
) -> Result<Json<UserShape>, Problem> {
    Ok(Json(users.get(&caller, &user_id).await?.into()))
}

/// Replaces what can change of a user.
///
/// For administrators and the user; `username` is changed by administrators only. Takes what GET gave.
#[utoipa::path(
    put, path = "/users/{user_id}", tag = "users", operation_id = "updateUser", params(UserPath),
    request_body = UserUpdateShape,
    responses((status = OK, description = "The user as it is now.", body = UserShape), Conflict)
)]
async fn update(
    State(users): Users,
    Caller(caller): Caller,
    UserPath(user_id): UserPath,
    _: NoParameters,
    json::Json(shape): json::Json<UserUpdateShape>,
) -> Result<Json<UserShape>, Problem> {
    let UserUpdateShape { user_id: given_id, name, username, email, role } = shape;
    let profile = UserProfileDraft { name: name.into(), username: username.into(), email: email.into() };
    Ok(Json(users.update(&caller, &user_id, given_id, role, profile).await?.into()))
}

/// Erases a user for good.
///
/// For administrators and the user. Name, username, e-mail and associations are removed; the id stays, for audit, and
/// cannot be used again. The last administrator cannot be erased.
#[utoipa::path(
    delete, path = "/users/{user_id}", tag = "users", operation_id = "eraseUser", params(UserPath),
    responses((status = NO_CONTENT, description = "The personal data are gone."), Conflict)
)]
async fn erase(
    State(users): Users,
    Caller(caller): Caller,
    UserPath(user_id): UserPath,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    users.erase(&caller, &user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
