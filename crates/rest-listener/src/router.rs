use axum::Router;
use axum::middleware::{from_fn_with_state, map_request};

use crate::openapi::Endpoints;
use crate::{
    AllowedOrigins, RestState, docs, edge, experiments, health, measure_types, measures, rejected_messages,
    scientists_experiments, users,
};

/// All endpoints, as a service that has an answer to every request. Routes are written without a trailing
/// slash; with one, a path reaches the same route.
/// Pages of the given origins may read the answers.
pub fn router(state: RestState, origins: AllowedOrigins) -> Router {
    let (metrics, trusted_proxies) = (state.metrics.clone(), state.trusted_proxies.clone());
    let edge_state = edge::EdgeState { origins, metrics, trusted_proxies };
    let routes = endpoints()
        .into_router()
        .fallback(edge::no_such_path)
        .layer(map_request(edge::note_route))
        .with_state(state);
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
