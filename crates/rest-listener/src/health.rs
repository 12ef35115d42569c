//! `/health/`: whether the process runs, and whether it can do its work (specification §10).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use http::StatusCode;
use mymonit_services::ReadinessProbe;
use serde::Serialize;

use crate::RestState;

pub(crate) fn router() -> Router<RestState> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

#[derive(Serialize)]
struct LiveShape {
    status: &'static str,
}

#[derive(Serialize)]
struct ReadyShape {
    status: &'static str,
    parts: BTreeMap<&'static str, PartShape>,
}

#[derive(Serialize)]
struct PartShape {
    ready: bool,
    state: &'static str,
}

async fn live() -> Json<LiveShape> {
    Json(LiveShape { status: "live" })
}

async fn ready(State(probes): State<Arc<[Arc<dyn ReadinessProbe>]>>) -> (StatusCode, Json<ReadyShape>) {
    let states = join_all(probes.iter().map(|probe| probe.state())).await;
    let is_ready = states.iter().all(|state| state.ready);
    let shapes = states.into_iter().map(|state| PartShape { ready: state.ready, state: state.state });
    let parts = probes.iter().map(|probe| probe.part()).zip(shapes).collect();
    let (code, status) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (code, Json(ReadyShape { status, parts }))
}
