//! `/scientists-experiments/`: who may read which experiment.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use mymonit_services::ExperimentService;
use serde::Serialize;

use crate::RestState;
use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::path::{AssociationPath, encoded};
use crate::query::NoParameters;
use crate::users::UserShape;

type Experiments = State<Arc<dyn ExperimentService>>;

pub(crate) fn router() -> Router<RestState> {
    Router::new()
        .route("/scientists-experiments", get(list))
        .route("/scientists-experiments/{experiment_id}/{user_id}", post(associate).delete(dissociate))
}

/// The scientists of one experiment.
#[derive(Default, Serialize)]
struct ScientistsShape {
    users: Vec<UserShape>,
}

/// An association that was made.
#[derive(Serialize)]
struct AssociationShape {
    experiment_id: u32,
    user_id: String,
}

async fn list(
    State(experiments): Experiments,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<BTreeMap<u32, ScientistsShape>>, Problem> {
    let mut by_experiment = BTreeMap::<_, ScientistsShape>::new();
    for (experiment_id, user) in experiments.associations(&caller).await? {
        by_experiment.entry(experiment_id.get()).or_default().users.push(user.into());
    }
    Ok(Json(by_experiment))
}

async fn associate(
    State(experiments): Experiments,
    Caller(caller): Caller,
    AssociationPath { experiment_id, user_id }: AssociationPath,
    _: NoParameters,
) -> Result<Created<AssociationShape>, Problem> {
    let (experiment, user) = experiments.associate(&caller, experiment_id, &user_id).await?;
    let (experiment_id, user_id) = (experiment.experiment_id.get(), user.user_id.to_string());
    let location = format!("/scientists-experiments/{experiment_id}/{}", encoded(&user_id));
    Ok(Created { location, thing: AssociationShape { experiment_id, user_id } })
}

async fn dissociate(
    State(experiments): Experiments,
    Caller(caller): Caller,
    AssociationPath { experiment_id, user_id }: AssociationPath,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    experiments.dissociate(&caller, experiment_id, &user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
