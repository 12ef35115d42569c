//! `/health/`: liveness and readiness.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRef, State};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::openapi::Endpoints;
use crate::state::HealthState;

pub(crate) fn endpoints<S>() -> Endpoints<S>
where
    S: Clone + Send + Sync + 'static,
    HealthState: FromRef<S>,
{
    Endpoints::default().open(routes!(live)).open(routes!(ready))
}

/// The process runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Live)]
struct LiveShape {
    #[schema(example = "live")]
    status: &'static str,
}

/// Whether the service can do its work, part by part.
#[derive(Serialize, ToSchema)]
#[schema(as = Ready)]
struct ReadyShape {
    /// `ready` or `not ready`.
    #[schema(example = "ready")]
    status: &'static str,
    parts: BTreeMap<&'static str, PartShape>,
}

/// One part of the service.
#[derive(Serialize, ToSchema)]
#[schema(as = Part)]
struct PartShape {
    ready: bool,
    /// The state, such as `consuming` or `unavailable`.
    #[schema(example = "consuming")]
    state: &'static str,
}

/// Answers while the process runs.
#[utoipa::path(
    get, path = "/health/live", tag = "health", operation_id = "live",
    responses((status = OK, description = "The process runs.", body = LiveShape))
)]
async fn live() -> Json<LiveShape> {
    Json(LiveShape { status: "live" })
}

/// Reports whether the service can do its work.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "ready",
    responses(
        (status = OK, description = "The database answers and the consumer is consuming.", body = ReadyShape),
        (status = SERVICE_UNAVAILABLE, description = "A part is not ready.", body = ReadyShape)
    )
)]
async fn ready(State(HealthState { probes, .. }): State<HealthState>) -> (StatusCode, Json<ReadyShape>) {
    let states = join_all(probes.iter().map(|probe| probe.state())).await;
    let is_ready = states.iter().all(|state| state.ready);
    let shapes = states.into_iter().map(|state| PartShape { ready: state.ready, state: state.state });
    let parts = probes.iter().map(|probe| probe.part()).zip(shapes).collect();
    let (code, status) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (code, Json(ReadyShape { status, parts }))
}
