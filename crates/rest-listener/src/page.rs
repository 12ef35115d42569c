//! `/static/`: the web page. Its files are part of the binary; it fetches the rest of its
//! configuration.

mod files;
mod policy;
mod same_origin;
mod sign_in;

use std::sync::Arc;

use axum::extract::{FromRef, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};

use crate::error::{Kind, Problem};
use crate::methods;
use same_origin::SameOrigin;
pub use sign_in::{EvaluationTokens, EvaluationUser, FirebaseProject, InvalidFirebase, SignIn};

const ADDRESS: &str = "/static/index.html";
/// Features that the page does not use, so no injected script can.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-get=()",
);
/// For files whose name changes with their content, and for all others.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The web page.
#[derive(Clone)]
pub struct Page(Arc<Inner>);

struct Inner {
    sign_in: SignIn,
    /// The host that the service listens on, which the page's requests name.
    host: String,
    policy: HeaderValue,
}

impl Page {
    /// `host` is the host that the service listens on.
    pub fn new(sign_in: SignIn, host: &str) -> Self {
        let policy = policy::content_security_policy(&sign_in);
        Self(Arc::new(Inner { sign_in, host: host.to_owned(), policy }))
    }
}

pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Page: FromRef<S>,
{
    let to_the_page = || async { Redirect::temporary(ADDRESS) };
    let reading = |methods| methods::complete(methods, "GET, HEAD");
    Router::new()
        .route("/", reading(get(to_the_page)))
        .route("/static", reading(get(to_the_page)))
        .route("/static/configuration.json", reading(get(configuration)))
        .route("/static/evaluation-tokens/{user_id}", methods::complete(post(evaluation_token), "POST"))
        .route("/static/{*file}", reading(get(file)))
}

/// Returns a file of the page.
async fn file(State(Page(page)): State<Page>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let name = uri.path().strip_prefix("/static/").unwrap_or_default();
    let file = files::find(name).ok_or_else(|| Problem::new(Kind::NotFound, "unknown file"))?;
    let caching = if file.is_named_by_content() { IMMUTABLE } else { REVALIDATE };
    let page_headers = [
        (CACHE_CONTROL, caching),
        (CONTENT_SECURITY_POLICY, page.policy.clone()),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    Ok((page_headers, file.answer(&headers)).into_response())
}

/// Returns how users sign in. Nothing of it is secret: Firebase's web configuration, or the users
/// of the evaluation mode.
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
        SignIn::Evaluation(tokens) => {
            same_origin.require(&page.host)?;
            json!({ "sign_in": "evaluation", "users": tokens.users().await? })
        }
    }))
}

/// Returns a token of a user of the evaluation mode, to this service's page and to programs of this
/// machine.
async fn evaluation_token(
    State(Page(page)): State<Page>,
    same_origin: SameOrigin,
    Path(user_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let SignIn::Evaluation(tokens) = &page.sign_in else {
        return Err(Problem::new(Kind::NotFound, "unknown path"));
    };
    same_origin.require(&page.host)?;
    let token = tokens.token(&user_id).await?.ok_or_else(|| Problem::new(Kind::NotFound, "unknown user"))?;
    Ok(Json(json!({ "token": token })))
}
