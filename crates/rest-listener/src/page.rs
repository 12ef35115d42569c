//! `/static/`: the page in which people sign in, look at experiments and administer (specification §6). Its files are
//! part of the program; what it needs to know of this service, it asks for.

mod files;
mod policy;
mod same_origin;
mod sign_in;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};

use crate::RestState;
use crate::error::{Kind, Problem};
use same_origin::SameOrigin;
pub use sign_in::{EvaluationDoor, EvaluationUser, FirebaseProject, InvalidFirebase, SignIn};

/// Where people find it.
const ADDRESS: &str = "/static/index.html";
/// What the page never uses, and so cannot be made to use.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=()",
);
/// A file whose name changes with what it holds, or one that is small enough to be asked for again.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The page of this service.
#[derive(Clone)]
pub struct Page(Arc<Inner>);

struct Inner {
    sign_in: SignIn,
    /// Under which name the service listens, to tell its own page from one that only pretends to be.
    host: String,
    policy: HeaderValue,
}

impl Page {
    /// A page whose users sign in that way, of a service that listens on that host.
    pub fn new(sign_in: SignIn, host: &str) -> Self {
        let policy = policy::content_security_policy(&sign_in);
        Self(Arc::new(Inner { sign_in, host: host.to_owned(), policy }))
    }
}

pub(crate) fn router() -> Router<RestState> {
    let to_the_page = || async { Redirect::temporary(ADDRESS) };
    Router::new()
        .route("/", get(to_the_page))
        .route("/static", get(to_the_page))
        .route("/static/configuration.json", get(configuration))
        .route("/static/evaluation-tokens/{user_id}", post(evaluation_token))
        .route("/static/{*file}", get(file))
}

/// Gives a file of the page.
async fn file(State(Page(page)): State<Page>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let name = uri.path().strip_prefix("/static/").unwrap_or_default();
    let file = files::find(name).ok_or_else(|| Problem::new(Kind::NotFound, "there is no such file"))?;
    let caching = if file.is_named_by_content() { FOR_GOOD } else { ASK_AGAIN };
    let page_headers = [
        (CACHE_CONTROL, caching),
        (CONTENT_SECURITY_POLICY, page.policy.clone()),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    Ok((page_headers, file.answer(&headers)).into_response())
}

/// Tells the page how people sign in here. Nothing of it is secret: it is what Firebase calls the configuration of a web
/// app, or the users of the evaluation mode, which protects nothing.
async fn configuration(
    State(Page(page)): State<Page>,
    same_origin: SameOrigin,
) -> Result<Json<Value>, Problem> {
    Ok(Json(match &page.sign_in {
        SignIn::Firebase(project) => json!({
            "sign_in": "firebase",
            "project_id": project.project_id,
            "api_key": project.api_key,
            "auth_domain": project.auth_domain(),
            "emulator": project.emulator,
        }),
        SignIn::Evaluation(door) => {
            same_origin.require(&page.host)?;
            json!({ "sign_in": "evaluation", "users": door.users().await? })
        }
    }))
}

/// Gives a token of one of the evaluation mode's users, to the page of this very service and to programs; not to what
/// other pages send.
async fn evaluation_token(
    State(Page(page)): State<Page>,
    same_origin: SameOrigin,
    Path(user_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let SignIn::Evaluation(door) = &page.sign_in else {
        return Err(Problem::new(Kind::NotFound, "there is nothing at this path"));
    };
    same_origin.require(&page.host)?;
    let token = door.token(&user_id).await?;
    let token = token.ok_or_else(|| Problem::new(Kind::NotFound, "there is no such user"))?;
    Ok(Json(json!({ "token": token })))
}
