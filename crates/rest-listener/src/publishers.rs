//! `/publishers/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mymonit_model::{ExperimentId, Publisher};
use mymonit_services::PublisherService;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::error::Problem;
use crate::json::{self, present_whole_number};
use crate::openapi::{Endpoints, ExperimentIdNumber, PublisherNameText};
use crate::path::{Path, PublisherPath};
use crate::query::NoParameters;

type Publishers = State<Arc<dyn PublisherService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(list)).guarded(routes!(one, put, delete))
}

/// A broker account that publishes measures.
#[derive(Serialize, ToSchema)]
#[schema(as = Publisher)]
struct PublisherShape {
    #[schema(value_type = PublisherNameText)]
    name: String,
    /// The experiments that it may publish to, ascending; `null` means any.
    #[schema(required = true, value_type = Option<Vec<ExperimentIdNumber>>)]
    experiments: Option<Vec<u32>>,
}

impl From<Publisher> for PublisherShape {
    fn from(Publisher { name, experiments }: Publisher) -> Self {
        let experiments = experiments.map(|ids| ids.into_iter().map(ExperimentId::get).collect());
        Self { name: name.to_string(), experiments }
    }
}

/// The whole publisher. `name`, where given, must be the one in the path.
#[derive(Deserialize, ToSchema)]
#[schema(as = PublisherUpdate, example = json!({"name": "station-1", "experiments": [1]}))]
struct PublisherUpdateShape {
    #[serde(default, deserialize_with = "json::present")]
    #[schema(value_type = PublisherNameText, required = false)]
    name: Option<String>,
    /// The ids of the experiments that it may publish to; `null` means any.
    // With an own function, so that a list that is left out is not taken for `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, value_type = Option<Vec<ExperimentIdNumber>>)]
    experiments: Option<Vec<GivenId>>,
}

/// The id of an experiment as clients write it.
#[derive(Deserialize)]
struct GivenId(#[serde(deserialize_with = "present_whole_number")] Option<u32>);

/// Lists the publishers, by name.
///
/// For administrators. A publisher that is not listed may publish to any experiment.
#[utoipa::path(
    get, path = "/publishers/", tag = "publishers", operation_id = "listPublishers",
    responses((status = OK, description = "All publishers.", body = [PublisherShape]))
)]
async fn list(
    State(publishers): Publishers,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<PublisherShape>>, Problem> {
    let publishers = publishers.list(&caller).await?;
    Ok(Json(publishers.into_iter().map(PublisherShape::from).collect()))
}

/// Returns a publisher.
///
/// For administrators.
#[utoipa::path(
    get, path = "/publishers/{name}", tag = "publishers", operation_id = "getPublisher",
    params(PublisherPath),
    responses((status = OK, description = "The publisher.", body = PublisherShape))
)]
async fn one(
    State(publishers): Publishers,
    Caller(caller): Caller,
    Path(PublisherPath { name }): Path<PublisherPath>,
    _: NoParameters,
) -> Result<Json<PublisherShape>, Problem> {
    Ok(Json(publishers.get(&caller, &name).await?.into()))
}

/// Adds or replaces a publisher.
///
/// For administrators. Messages of this publisher for other experiments are rejected with
/// `not_permitted` from then on.
#[utoipa::path(
    put, path = "/publishers/{name}", tag = "publishers", operation_id = "putPublisher",
    params(PublisherPath), request_body = PublisherUpdateShape,
    responses((status = OK, description = "The publisher as it is now.", body = PublisherShape))
)]
async fn put(
    State(publishers): Publishers,
    Caller(caller): Caller,
    Path(PublisherPath { name }): Path<PublisherPath>,
    _: NoParameters,
    json::Json(shape): json::Json<PublisherUpdateShape>,
) -> Result<Json<PublisherShape>, Problem> {
    let PublisherUpdateShape { name: given_name, experiments } = shape;
    let experiments =
        experiments.map(|ids| ids.into_iter().filter_map(|GivenId(id)| id.map(ExperimentId::new)).collect());
    Ok(Json(publishers.put(&caller, &name, given_name.as_deref(), experiments).await?.into()))
}

/// Removes a publisher, which may then publish to any experiment.
///
/// For administrators.
#[utoipa::path(
    delete, path = "/publishers/{name}", tag = "publishers", operation_id = "deletePublisher",
    params(PublisherPath), responses((status = NO_CONTENT, description = "The publisher is gone."))
)]
async fn delete(
    State(publishers): Publishers,
    Caller(caller): Caller,
    Path(PublisherPath { name }): Path<PublisherPath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    publishers.delete(&caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
