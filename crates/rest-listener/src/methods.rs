//! The methods that a path does not have.

use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::header::ALLOW;
use http::{Method, StatusCode};

use crate::error::{Kind, Problem};

/// Answers OPTIONS with the methods of the path, and any other method with 405. `allowed` lists
/// them without OPTIONS.
pub(crate) fn complete<S>(methods: MethodRouter<S>, allowed: &str) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let allowed = format!("{allowed}, OPTIONS");
    methods.fallback(async move |method: Method| -> Response {
        let answer = if method == Method::OPTIONS {
            StatusCode::NO_CONTENT.into_response()
        } else {
            Problem::new(Kind::MethodNotAllowed, format!("this path takes {allowed}")).into_response()
        };
        ([(ALLOW, allowed)], answer).into_response()
    })
}
