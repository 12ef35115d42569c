use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use serde::Serialize;

/// The answer to a POST that created a resource.
pub(crate) struct Created<T> {
    /// The path, percent-encoded.
    pub(crate) location: String,
    /// The resource.
    pub(crate) thing: T,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, [(LOCATION, self.location)], Json(self.thing)).into_response()
    }
}
