use axum::Router;

use crate::RestState;

/// All endpoints, as a service that answers every request.
pub fn router(state: RestState) -> Router {
    Router::new().with_state(state)
}
