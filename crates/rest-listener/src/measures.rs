//! `/measures/`: what was measured.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_TYPE, LINK};
use http::request::Parts;
use mymonit_model::{ExperimentId, Timestamp};
use mymonit_services::ports::Order;
use mymonit_services::{MAX_LIMIT, MeasureService, ReadRequest};

use crate::RestState;
use crate::caller::Caller;
use crate::encoder::{JsonEncoder, MeasureEncoder};
use crate::error::Problem;
use crate::path::{ExperimentPath, encoded};
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
    let link = reading.next.map(|cursor| (LINK, query.link_to_next(experiment_id, &cursor)));
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
            from: self.time("from")?,
            to: self.time("to")?,
            types: self.0.every("type").map(str::to_owned).collect(),
            order: self.0.once("order")?.map_or(Ok(Order::default()), order)?,
            limit: self.0.once("limit")?.map(limit).transpose()?,
            cursor: self.0.once("cursor")?.map(str::to_owned),
        })
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.0.once(name)? else { return Ok(None) };
        let moment = with_plus(text).parse::<Timestamp>();
        moment.map(Some).map_err(|refusal| Problem::invalid(name, &refusal.message))
    }

    /// The `Link` header (RFC 8288) of the page after this one: the same request with the cursor set.
    fn link_to_next(&self, experiment_id: ExperimentId, cursor: &str) -> String {
        let kept = self.0.pairs().filter(|(name, _)| *name != "cursor").map(|(name, value)| match name {
            "from" | "to" => (name, with_plus(value)),
            _ => (name, value.to_owned()),
        });
        let pairs: Vec<_> = kept
            .chain([("cursor", cursor.to_owned())])
            .map(|(name, value)| format!("{name}={}", encoded(&value)))
            .collect();
        format!("</measures/{experiment_id}?{}>; rel=\"next\"", pairs.join("&"))
    }
}

/// A time as it was typed. The only space that a time may hold stands between date and time, after ten
/// characters; any other was a `+` (of an offset, say) that stood in the address without being percent-encoded.
fn with_plus(time: &str) -> String {
    const BETWEEN: usize = "2022-04-06".len();
    let typed = |(index, character)| if character == ' ' && index != BETWEEN { '+' } else { character };
    time.char_indices().map(typed).collect()
}

fn order(text: &str) -> Result<Order, Problem> {
    match text {
        "desc" => Ok(Order::Descending),
        "asc" => Ok(Order::Ascending),
        _ => Err(Problem::invalid("order", "must be `asc` or `desc`")),
    }
}

fn limit(text: &str) -> Result<u32, Problem> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| Problem::invalid("limit", &format!("must be an integer from 1 to {MAX_LIMIT}")))
}
