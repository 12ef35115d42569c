//! `/measures/`: what was measured.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_TYPE, LINK};
use http::request::Parts;
use mymonit_services::ports::Order;
use mymonit_services::{MAX_LIMIT, MeasureService, ReadRequest};

use crate::RestState;
use crate::caller::Caller;
use crate::encoder::{Encoder, JsonEncoder};
use crate::error::Problem;
use crate::path::ExperimentPath;
use crate::query::Parameters;
use crate::streaming;

pub(crate) fn router() -> Router<RestState> {
    Router::new().route("/measures/{experiment_id}", get(read))
}

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
