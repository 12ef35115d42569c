use axum::Router;
use axum::middleware::{from_fn_with_state, map_request};

use crate::openapi::Endpoints;
use crate::{
    AllowedOrigins, HealthState, RestState, docs, edge, experiments, health, measure_types, measures, page,
    rejected_messages, scientists_experiments, users,
};

/// All endpoints, as a service that has an answer to every request. Routes are written without a trailing
/// slash; with one, a path reaches the same route.
/// Pages of the given origins may read the answers.
pub fn router(state: RestState, origins: AllowedOrigins) -> Router {
    let health = state.health.clone();
    within_edge(endpoints().into_router().merge(page::router()).with_state(state), health, origins)
}

/// Only `/health/`, for a process that does not run the REST listener and has to be looked after all the same.
pub fn health_router(state: HealthState) -> Router {
    within_edge(health::routes(state.clone()), state, AllowedOrigins::default())
}

fn within_edge(routes: Router, health: HealthState, origins: AllowedOrigins) -> Router {
    let HealthState { metrics, trusted_proxies, .. } = health;
    let edge_state = edge::EdgeState { origins, metrics, trusted_proxies };
    let routes = routes.fallback(edge::no_such_path).layer(map_request(edge::note_route));
    // Around the routes instead of in them, because it changes the path before they are looked for.
    Router::new().fallback_service(routes).layer(from_fn_with_state(edge_state, edge::edge))
}

/// All endpoints, in the order in which the document lists them.
pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .merge(users::endpoints())
        .merge(experiments::endpoints())
        .merge(scientists_experiments::endpoints())
        .merge(measures::endpoints())
        .merge(measure_types::endpoints())
        .merge(rejected_messages::endpoints())
        .merge(health::endpoints())
        .merge(docs::endpoints())
}
