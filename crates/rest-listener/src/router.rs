use axum::Router;
use axum::middleware::{from_fn, map_request};

use crate::{
    RestState, edge, experiments, health, measure_types, measures, rejected_messages, scientists_experiments,
    users,
};

/// All endpoints, as a service that has an answer to every request. Routes are written without a trailing
/// slash; with one, a path reaches the same route.
pub fn router(state: RestState) -> Router {
    let routes = Router::new()
        .merge(users::router())
        .merge(experiments::router())
        .merge(scientists_experiments::router())
        .merge(measures::router())
        .merge(measure_types::router())
        .merge(rejected_messages::router())
        .merge(health::router())
        .fallback(edge::no_such_path)
        .layer(map_request(edge::note_route))
        .with_state(state);
    // Around the routes instead of in them, because it changes the path before they are looked for.
    Router::new().fallback_service(routes).layer(from_fn(edge::edge))
}
