//! Puts all endpoints together: the router, and the document of the REST contract.

use std::sync::LazyLock;

use axum::Router;

use crate::middleware::{AllowedOrigins, layered};
use crate::openapi::{Endpoints, document};
use crate::state::{HealthState, RestState};
use crate::{
    api_tokens, docs, experiments, flags, health, measure_types, measures, page, publishers,
    rejected_messages, scientists_experiments, sensors, users,
};

/// All endpoints within the middleware. Pages of the given origins may read the answers.
pub fn router(state: RestState, origins: AllowedOrigins) -> Router {
    let health = state.health.clone();
    let routes = endpoints().into_router().merge(page::router()).with_state(state);
    layered(routes, health, origins)
}

/// Only `/health/`, for a process without REST listener.
pub fn health_router(state: HealthState) -> Router {
    let routes = health::endpoints::<HealthState>().into_router().with_state(state.clone());
    layered(routes, state, AllowedOrigins::default())
}

/// The document as text: `/api.yaml`, `api.yaml` and the output of `mymonit openapi`.
pub fn openapi_yaml() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // A document made of text and numbers always becomes YAML.
        document(&endpoints()).to_yaml().unwrap_or_default()
    });
    &TEXT
}

/// All endpoints, in the order of the document.
fn endpoints() -> Endpoints {
    Endpoints::default()
        .merge(users::endpoints())
        .merge(api_tokens::endpoints())
        .merge(experiments::endpoints())
        .merge(scientists_experiments::endpoints())
        .merge(measures::endpoints())
        .merge(measure_types::endpoints())
        .merge(publishers::endpoints())
        .merge(sensors::endpoints())
        .merge(flags::endpoints())
        .merge(rejected_messages::endpoints())
        .merge(health::endpoints())
        .merge(docs::endpoints(openapi_yaml))
}
