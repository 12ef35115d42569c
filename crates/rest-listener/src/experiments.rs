//! `/experiments/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use mymonit_model::Experiment;
use mymonit_services::ports::Archived;
use mymonit_services::{ExperimentDraft, ExperimentService, ListRequest, MAX_LISTED};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::caller::{AnyCaller, Caller};
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present, present_whole_number};
use crate::openapi::{Conflict, DescriptionText, Endpoints, ExperimentIdNumber, ExperimentNameText, Paged};
use crate::path::{ExperimentPath, Path, UserPath};
use crate::query::{Count, Cursor, NoParameters, Query, Search, encoded, list_request, listed};

type Experiments = State<Arc<dyn ExperimentService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list, create))
        .guarded(routes!(one, update))
        .guarded(routes!(of_user))
}

/// A scientific experiment whose measures are collected.
#[derive(Serialize, ToSchema)]
#[schema(as = Experiment)]
struct ExperimentShape {
    #[schema(value_type = ExperimentIdNumber)]
    experiment_id: u32,
    #[schema(value_type = ExperimentNameText)]
    name: String,
    #[schema(value_type = DescriptionText)]
    description: String,
    /// Whether it is over: its measures can be read, and it takes no new ones.
    archived: bool,
}

impl From<Experiment> for ExperimentShape {
    fn from(experiment: Experiment) -> Self {
        let Experiment { experiment_id, name, description, archived } = experiment;
        let description = description.as_str().to_owned();
        Self { experiment_id: experiment_id.get(), name: name.to_string(), description, archived }
    }
}

/// A new experiment; the system assigns its id.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewExperiment, example = json!({"name": "neutrino-flux", "description": "since 2022, in hall 7"}))]
struct NewExperimentShape {
    #[schema(value_type = ExperimentNameText)]
    name: String,
    #[serde(default)]
    #[schema(value_type = DescriptionText, required = false)]
    description: String,
}

/// The new state of an experiment. `experiment_id`, if present, must equal that of the path.
/// Without `description` or `archived` they stay as they are.
#[derive(Deserialize, ToSchema)]
#[schema(as = ExperimentUpdate, example = json!({
    "experiment_id": 1, "name": "device-vibrations", "description": "since 2022, in hall 7", "archived": false
}))]
struct ExperimentUpdateShape {
    #[serde(default, deserialize_with = "present_whole_number")]
    #[schema(value_type = ExperimentIdNumber, required = false)]
    experiment_id: Option<u32>,
    #[schema(value_type = ExperimentNameText)]
    name: String,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = DescriptionText, required = false)]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    archived: Option<bool>,
}

type Limit = Count<MAX_LISTED>;

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only experiments that have this text in name or description, in whatever case.
    #[param(inline)]
    search: Option<Search>,
    /// Whether archived experiments are listed; `exclude` unless given.
    #[param(inline)]
    archived: Option<ArchivedName>,
    /// At most this many experiments, with a `Link` to the next page while there are more. Without
    /// `limit`: all.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the page begins: opaque, from the `Link` of an earlier answer to the same request. Any
    /// other is refused.
    #[param(inline)]
    cursor: Option<Cursor>,
}

impl ListQuery {
    fn request(self) -> (Archived, ListRequest) {
        let Self { search, archived, limit, cursor } = self;
        (archived.map(Archived::from).unwrap_or_default(), list_request(search, limit, cursor))
    }
}

/// The names of what is listed of archived experiments.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ArchivedName {
    Exclude,
    Include,
    Only,
}

impl From<ArchivedName> for Archived {
    fn from(name: ArchivedName) -> Self {
        match name {
            ArchivedName::Exclude => Self::Exclude,
            ArchivedName::Include => Self::Include,
            ArchivedName::Only => Self::Only,
        }
    }
}

/// Lists experiments.
///
/// All of them for an administrator, the associated ones for a scientist; with a restricted API
/// token, those of them that it may read.
#[utoipa::path(
    get, path = "/experiments/", tag = "experiments", operation_id = "listExperiments", params(ListQuery),
    responses(Paged<ExperimentShape>)
)]
async fn list(
    State(experiments): Experiments,
    AnyCaller(caller): AnyCaller,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (archived, request) = query.request();
    listed::<_, ExperimentShape>("/experiments/", &uri, experiments.list(&caller, archived, request).await?)
}

/// Lists the experiments of a user.
///
/// For administrators and the user: those that the user is associated with.
#[utoipa::path(
    get, path = "/users/{user_id}/experiments", tag = "associations", operation_id = "listExperimentsOfUser",
    params(UserPath, ListQuery), responses(Paged<ExperimentShape>)
)]
async fn of_user(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(UserPath { user_id }): Path<UserPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (archived, request) = query.request();
    let list = experiments.list_of(&caller, &user_id, archived, request).await?;
    listed::<_, ExperimentShape>(&format!("/users/{}/experiments", encoded(&user_id)), &uri, list)
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
    let NewExperimentShape { name, description } = shape;
    let draft = ExperimentDraft { name, description: Some(description), ..ExperimentDraft::default() };
    let experiment = experiments.create(&caller, draft).await?;
    Ok(Created { location: format!("/experiments/{}", experiment.experiment_id), thing: experiment.into() })
}

/// Returns an experiment.
///
/// For administrators and associated scientists.
#[utoipa::path(
    get, path = "/experiments/{experiment_id}", tag = "experiments", operation_id = "getExperiment",
    params(ExperimentPath), responses((status = OK, description = "The experiment.", body = ExperimentShape))
)]
async fn one(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
) -> Result<Json<ExperimentShape>, Problem> {
    Ok(Json(experiments.get(&caller, experiment_id).await?.into()))
}

/// Renames, describes or archives an experiment, or brings it back.
///
/// For administrators. Takes what GET returned. Messages for an archived experiment are rejected;
/// when it is brought back they can be replayed.
#[utoipa::path(
    put, path = "/experiments/{experiment_id}", tag = "experiments", operation_id = "updateExperiment",
    params(ExperimentPath), request_body = ExperimentUpdateShape,
    responses((status = OK, description = "The updated experiment.", body = ExperimentShape), Conflict)
)]
async fn update(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
    json::Json(shape): json::Json<ExperimentUpdateShape>,
) -> Result<Json<ExperimentShape>, Problem> {
    let ExperimentUpdateShape { experiment_id: given_id, name, description, archived } = shape;
    let draft = ExperimentDraft { experiment_id: given_id, name, description, archived };
    Ok(Json(experiments.update(&caller, experiment_id, draft).await?.into()))
}
