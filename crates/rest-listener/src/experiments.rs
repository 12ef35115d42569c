//! `/experiments/`: what is being measured.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mymonit_model::Experiment;
use mymonit_services::ExperimentService;
use serde::{Deserialize, Serialize};

use crate::RestState;
use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present};
use crate::path::ExperimentPath;
use crate::query::NoParameters;

type Experiments = State<Arc<dyn ExperimentService>>;

pub(crate) fn router() -> Router<RestState> {
    Router::new()
        .route("/experiments", get(list).post(create))
        .route("/experiments/{experiment_id}", get(one).put(rename))
}

/// `Experiment` of specification §5.
#[derive(Serialize)]
struct ExperimentShape {
    experiment_id: u32,
    name: String,
}

impl From<Experiment> for ExperimentShape {
    fn from(experiment: Experiment) -> Self {
        Self { experiment_id: experiment.experiment_id.get(), name: experiment.name.to_string() }
    }
}

/// An experiment to be made; the system gives it its id.
#[derive(Deserialize)]
struct NewExperimentShape {
    name: String,
}

/// An experiment as it shall be from now on.
#[derive(Deserialize)]
struct ExperimentUpdateShape {
    #[serde(default, deserialize_with = "present")]
    experiment_id: Option<u32>,
    name: String,
}

async fn list(
    State(experiments): Experiments,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<ExperimentShape>>, Problem> {
    let experiments = experiments.list(&caller).await?;
    Ok(Json(experiments.into_iter().map(ExperimentShape::from).collect()))
}

async fn create(
    State(experiments): Experiments,
    Caller(caller): Caller,
    _: NoParameters,
    json::Json(shape): json::Json<NewExperimentShape>,
) -> Result<Created<ExperimentShape>, Problem> {
    let experiment = experiments.create(&caller, &shape.name).await?;
    Ok(Created { location: format!("/experiments/{}", experiment.experiment_id), thing: experiment.into() })
}

async fn one(
    State(experiments): Experiments,
    Caller(caller): Caller,
    ExperimentPath(experiment_id): ExperimentPath,
    _: NoParameters,
) -> Result<Json<ExperimentShape>, Problem> {
    Ok(Json(experiments.get(&caller, experiment_id).await?.into()))
}

async fn rename(
    State(experiments): Experiments,
    Caller(caller): Caller,
    ExperimentPath(experiment_id): ExperimentPath,
    _: NoParameters,
    json::Json(shape): json::Json<ExperimentUpdateShape>,
) -> Result<Json<ExperimentShape>, Problem> {
    let ExperimentUpdateShape { experiment_id: given_id, name } = shape;
    Ok(Json(experiments.rename(&caller, experiment_id, given_id, &name).await?.into()))
}
