//! `/measures/`: what was measured.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::{CONTENT_TYPE, LINK};
use http::request::Parts;
use mymonit_services::ports::Order;
use mymonit_services::{MAX_LIMIT, MeasureService, ReadRequest};
use utoipa::openapi::path::{Parameter, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{Ref, Schema};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::encoder::{Encoder, JsonEncoder};
use crate::error::Problem;
use crate::openapi::{
    Endpoints, ExperimentNameText, MeasureTypeNameText, Paged, StoredTimestamp, cursor, in_query, limit,
    moment, one_of,
};
use crate::path::ExperimentPath;
use crate::query::Parameters;
use crate::streaming;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(read)).with_schema::<MeasureShape>()
}

/// A measure.
#[derive(ToSchema)]
#[schema(as = Measure)]
#[expect(dead_code, reason = "the document's face of what the encoders write")]
struct MeasureShape {
    #[schema(value_type = ExperimentNameText)]
    experiment: String,
    #[schema(value_type = MeasureTypeNameText)]
    measure_type: String,
    #[schema(value_type = StoredTimestamp)]
    timestamp: String,
    /// The number, in the unit of its measure type.
    #[schema(example = 120.0)]
    value: f64,
}

/// Reads measures of an experiment.
///
/// For the scientists who are associated with it. Newest first unless asked otherwise; ties in the order of arrival.
#[utoipa::path(
    get, path = "/measures/{experiment_id}", tag = "measures", operation_id = "readMeasures",
    params(ExperimentPath, ReadQuery), responses(Paged<MeasureShape>)
)]
async fn read(
    State(measures): State<Arc<dyn MeasureService>>,
    Caller(caller): Caller,
    ExperimentPath(experiment_id): ExperimentPath,
    query: ReadQuery,
) -> Result<Response, Problem> {
    let reading = measures.read(&caller, experiment_id, query.request()?).await?;
    let path = format!("/measures/{experiment_id}");
    let link = reading.next.map(|cursor| (LINK, query.0.link_to_next(&path, &cursor)));
    let body = streaming::document(reading.pages, JsonEncoder::new(&reading.experiment.name)).await?;
    Ok(([(CONTENT_TYPE, JsonEncoder::MEDIA_TYPE)], AppendHeaders(link), body).into_response())
}

/// Which measures the client wants (specification §5, "Reading measures").
struct ReadQuery(Parameters);

impl<S: Send + Sync> FromRequestParts<S> for ReadQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        const KNOWN: [&str; 6] = ["from", "to", "type", "order", "limit", "cursor"];
        Parameters::parse(parts.uri.query(), &KNOWN).map(Self)
    }
}

impl IntoParams for ReadQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let types = ArrayBuilder::new().items(Ref::from_schema_name(MeasureTypeNameText::name()));
        let mut of_type = in_query(
            "type",
            "Only measures of this type; may be repeated. A name that is no measure type's is refused.",
            Schema::from(types.build()),
        );
        of_type.style = Some(ParameterStyle::Form);
        of_type.explode = Some(true);
        vec![
            moment("from", "Only measures of this moment or later."),
            moment("to", "Only measures before this moment."),
            of_type,
            in_query("order", "By timestamp; `desc` unless given.", one_of(["desc", "asc"])),
            limit(MAX_LIMIT, "measures"),
            cursor(),
        ]
    }
}

impl ReadQuery {
    fn request(&self) -> Result<ReadRequest, Problem> {
        Ok(ReadRequest {
            from: self.0.time("from")?,
            to: self.0.time("to")?,
            types: self.0.every("type").map(str::to_owned).collect(),
            order: self.0.once("order")?.map_or(Ok(Order::default()), order)?,
            limit: self.0.limit(MAX_LIMIT)?,
            cursor: self.0.once("cursor")?.map(str::to_owned),
        })
    }
}

fn order(text: &str) -> Result<Order, Problem> {
    match text {
        "desc" => Ok(Order::Descending),
        "asc" => Ok(Order::Ascending),
        _ => Err(Problem::invalid("order", "must be `asc` or `desc`")),
    }
}
