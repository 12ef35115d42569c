//! `/scientists-experiments/`: which scientists may read which experiments.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mymonit_model::User;
use mymonit_services::ExperimentService;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::json;
use crate::openapi::{Conflict, Endpoints, ExperimentIdNumber, UserIdText};
use crate::path::{AssociationPath, ExperimentPath, Path};
use crate::query::{NoParameters, encoded};
use crate::users::UserShape;

type Experiments = State<Arc<dyn ExperimentService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(list))
        .guarded(routes!(scientists, replace))
        .guarded(routes!(associate, dissociate))
        .with_schema::<AssociationShape>()
}

/// The scientists by the number of their experiment.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct AssociationsShape(BTreeMap<u32, ScientistsShape>);

impl PartialSchema for AssociationsShape {
    fn schema() -> RefOr<Schema> {
        let numbers = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[1-9][0-9]*$"));
        let schema = ObjectBuilder::new()
            .property_names(Some(numbers))
            .additional_properties(Some(Ref::from_schema_name(ScientistsShape::name())))
            .description(Some("The scientists by the number of their experiment."));
        Schema::from(schema.build()).into()
    }
}

impl ToSchema for AssociationsShape {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Associations")
    }
}

/// The scientists of one experiment.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Scientists)]
struct ScientistsShape {
    users: Vec<UserShape>,
}

impl From<Vec<User>> for ScientistsShape {
    fn from(users: Vec<User>) -> Self {
        Self { users: users.into_iter().map(UserShape::from).collect() }
    }
}

/// The whole set of an experiment's scientists.
#[derive(Deserialize, ToSchema)]
#[schema(as = ScientistIds, example = json!({"user_ids": ["S001", "S002"]}))]
struct ScientistIdsShape {
    #[schema(value_type = Vec<UserIdText>)]
    user_ids: Vec<String>,
}

/// A new association.
#[derive(Serialize, ToSchema)]
#[schema(as = Association)]
struct AssociationShape {
    #[schema(value_type = ExperimentIdNumber)]
    experiment_id: u32,
    #[schema(value_type = UserIdText)]
    user_id: String,
}

/// Lists all associations, by the number of the experiment.
///
/// For administrators.
#[utoipa::path(
    get, path = "/scientists-experiments/", tag = "associations", operation_id = "listAssociations",
    responses((status = OK, description = "The scientists of each experiment that has any.", body = AssociationsShape))
)]
async fn list(
    State(experiments): Experiments,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<AssociationsShape>, Problem> {
    let mut by_experiment = AssociationsShape::default();
    for (experiment_id, user) in experiments.associations(&caller).await? {
        by_experiment.0.entry(experiment_id.get()).or_default().users.push(user.into());
    }
    Ok(Json(by_experiment))
}

/// Lists the scientists of an experiment.
///
/// For administrators.
#[utoipa::path(
    get, path = "/scientists-experiments/{experiment_id}", tag = "associations", operation_id = "listScientists",
    params(ExperimentPath), responses((status = OK, description = "The scientists.", body = ScientistsShape))
)]
async fn scientists(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
) -> Result<Json<ScientistsShape>, Problem> {
    Ok(Json(experiments.scientists(&caller, experiment_id).await?.into()))
}

/// Replaces the scientists of an experiment, all at once.
///
/// For administrators. Who is not among them is no longer associated. Only scientists can be
/// associated.
#[utoipa::path(
    put, path = "/scientists-experiments/{experiment_id}", tag = "associations", operation_id = "replaceScientists",
    params(ExperimentPath), request_body = ScientistIdsShape,
    responses((status = OK, description = "The scientists as they are now.", body = ScientistsShape))
)]
async fn replace(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
    json::Json(ScientistIdsShape { user_ids }): json::Json<ScientistIdsShape>,
) -> Result<Json<ScientistsShape>, Problem> {
    Ok(Json(experiments.replace_scientists(&caller, experiment_id, &user_ids).await?.into()))
}

/// Associates a scientist with an experiment.
///
/// For administrators. Only scientists can be associated.
#[utoipa::path(
    post, path = "/scientists-experiments/{experiment_id}/{user_id}", tag = "associations",
    operation_id = "associate", params(AssociationPath), responses(Created<AssociationShape>, Conflict)
)]
async fn associate(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(AssociationPath { experiment_id, user_id }): Path<AssociationPath>,
    _: NoParameters,
) -> Result<Created<AssociationShape>, Problem> {
    let (experiment, user) = experiments.associate(&caller, experiment_id, &user_id).await?;
    let (experiment_id, user_id) = (experiment.experiment_id.get(), user.user_id.to_string());
    let location = format!("/scientists-experiments/{experiment_id}/{}", encoded(&user_id));
    Ok(Created { location, thing: AssociationShape { experiment_id, user_id } })
}

/// Ends an association.
///
/// For administrators.
#[utoipa::path(
    delete, path = "/scientists-experiments/{experiment_id}/{user_id}", tag = "associations",
    operation_id = "dissociate", params(AssociationPath),
    responses((status = NO_CONTENT, description = "The scientist may no longer read the experiment's measures."))
)]
async fn dissociate(
    State(experiments): Experiments,
    Caller(caller): Caller,
    Path(AssociationPath { experiment_id, user_id }): Path<AssociationPath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    experiments.dissociate(&caller, experiment_id, &user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
