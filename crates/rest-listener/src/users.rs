//! `/users/`: who may sign in.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use mymonit_model::User;
use mymonit_services::{UserDraft, UserProfileDraft, UserService};
use serde::{Deserialize, Serialize};

use crate::RestState;
use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present};
use crate::path::{UserPath, encoded};
use crate::query::NoParameters;

type Users = State<Arc<dyn UserService>>;

pub(crate) fn router() -> Router<RestState> {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/me", get(me))
        .route("/users/{user_id}", get(one).put(update).delete(erase))
}

/// `User` of specification §5, for a client that may see it.
#[derive(Serialize)]
pub(crate) struct UserShape {
    user_id: String,
    name: String,
    username: String,
    email: String,
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
#[derive(Deserialize)]
struct NewUserShape {
    user_id: String,
    name: String,
    username: String,
    email: String,
    role: String,
}

impl From<NewUserShape> for UserDraft {
    fn from(shape: NewUserShape) -> Self {
        let NewUserShape { user_id, name, username, email, role } = shape;
        let profile = UserProfileDraft { name: name.into(), username: username.into(), email: email.into() };
        Self { user_id, role, profile }
    }
}

/// A user as it shall be from now on.
#[derive(Deserialize)]
struct UserUpdateShape {
    #[serde(default, deserialize_with = "present")]
    user_id: Option<String>,
    name: String,
    username: String,
    email: String,
    #[serde(default, deserialize_with = "present")]
    role: Option<String>,
}

async fn list(
    State(users): Users,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<UserShape>>, Problem> {
    let users = users.list(&caller).await?;
    Ok(Json(users.into_iter().map(UserShape::from).collect()))
}

async fn create(
    State(users): Users,
    Caller(caller): Caller,
    _: NoParameters,
    json::Json(user): json::Json<NewUserShape>,
) -> Result<Created<UserShape>, Problem> {
    let user = users.create(&caller, user.into()).await?;
    Ok(Created { location: format!("/users/{}", encoded(user.user_id.as_str())), thing: user.into() })
}

async fn me(Caller(caller): Caller, _: NoParameters) -> Json<UserShape> {
    Json(caller.into())
}

async fn one(
    State(users): Users,
    Caller(caller): Caller,
    UserPath(user_id): UserPath,
    _: NoParameters,
) -> Result<Json<UserShape>, Problem> {
    Ok(Json(users.get(&caller, &user_id).await?.into()))
}

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

async fn erase(
    State(users): Users,
    Caller(caller): Caller,
    UserPath(user_id): UserPath,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    users.erase(&caller, &user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
