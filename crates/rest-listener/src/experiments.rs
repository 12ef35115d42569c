//! `/experiments/`: what is being measured.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mymonit_model::Experiment;
use mymonit_services::ExperimentService;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present_whole_number};
use crate::openapi::{Conflict, Endpoints, ExperimentIdNumber, ExperimentNameText};
use crate::path::ExperimentPath;
use crate::query::NoParameters;

type Experiments = State<Arc<dyn ExperimentService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(list, create)).guarded(routes!(one, rename))
}

/// A scientific experiment whose measures are collected.
#[derive(Serialize, ToSchema)]
#[schema(as = Experiment)]
struct ExperimentShape {
    #[schema(value_type = ExperimentIdNumber)]
    experiment_id: u32,
    #[schema(value_type = ExperimentNameText)]
    name: String,
}

impl From<Experiment> for ExperimentShape {
    fn from(experiment: Experiment) -> Self {
        Self { experiment_id: experiment.experiment_id.get(), name: experiment.name.to_string() }
    }
}

/// An experiment to be made; the system gives it its id.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewExperiment, example = json!({"name": "neutrino-flux"}))]
struct NewExperimentShape {
    #[schema(value_type = ExperimentNameText)]
    name: String,
}

/// An experiment as it shall be from now on. `experiment_id`, where given, must be the one of the path.
#[derive(Deserialize, ToSchema)]
#[schema(as = ExperimentUpdate, example = json!({"experiment_id": 1, "name": "device-vibrations"}))]
struct ExperimentUpdateShape {
    #[serde(default, deserialize_with = "present_whole_number")]
    #[schema(value_type = ExperimentIdNumber, required = false)]
    experiment_id: Option<u32>,
    #[schema(value_type = ExperimentNameText)]
    name: String,
}

/// Lists experiments.
///
/// All of them for an administrator, the associated ones for a scientist.
#[utoipa::path(
    get, path = "/experiments/", tag = "experiments", operation_id = "listExperiments",
    responses((status = OK, description = "The experiments that the caller may see.", body = [ExperimentShape]))
)]
async fn list(
    State(experiments): Experiments,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<ExperimentShape>>, Problem> {
    let experiments = experiments.list(&caller).await?;
    Ok(Json(experiments.into_iter().map(ExperimentShape::from).collect()))
}

/// Adds an experiment.
///
/// For administrators.
#[utoipa::path(
    post, path = "/experiments/", tag = "experiments", operation_id = "createExperiment",
    request_body = NewExperimentShape, responses(Created<ExperimentShape>, Conflict)
)]
async fn create(
    State(experiments): Experiments,
    Caller(caller): Caller,
    _: NoParameters,
    json::Json(shape): json::Json<NewExperimentShape>,
) -> Result<Created<ExperimentShape>, Problem> {
    let experiment = experiments.create(&caller, &shape.name).await?;
    Ok(Created { location: format!("/experiments/{}", experiment.experiment_id), thing: experiment.into() })
}

/// Shows an experiment.
///
/// For administrators and associated scientists.
#[utoipa::path(
    get, path = "/experiments/{experiment_id}", tag = "experiments", operation_id = "getExperiment",
    params(ExperimentPath), responses((status = OK, description = "The experiment.", body = ExperimentShape))
)]
async fn one(
    State(experiments): Experiments,
    Caller(caller): Caller,
    ExperimentPath(experiment_id): ExperimentPath,
    _: NoParameters,
) -> Result<Json<ExperimentShape>, Problem> {
    Ok(Json(experiments.get(&caller, experiment_id).await?.into()))
}

/// Renames an experiment.
///
/// For administrators. Takes what GET gave.
#[utoipa::path(
    put, path = "/experiments/{experiment_id}", tag = "experiments", operation_id = "updateExperiment",
    params(ExperimentPath), request_body = ExperimentUpdateShape,
    responses((status = OK, description = "The experiment as it is now.", body = ExperimentShape), Conflict)
)]
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
