//! `/measures/`: what was measured.

mod contract;
mod query;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK, VARY};
use http::{HeaderMap, HeaderName};
use mymonit_model::{ExperimentId, ExperimentName, Window};
use mymonit_services::{
    Content, MeasureReading, MeasureService, Portions, ReadRequest, Receipt, SentMeasures, ServiceError,
    StandsForMeasures,
};
use utoipa_axum::routes;

use self::contract::{BinShape, MeasureShape, Readings};
use self::query::ReadQuery;
use crate::caller::{self, ReadingCaller};
use crate::encoder::{CsvEncoder, Encoder, JsonEncoder, NdjsonEncoder, Record};
use crate::error::Problem;
use crate::format::Format;
use crate::openapi::Endpoints;
use crate::path::ExperimentPath;
use crate::query::Parameters;
use crate::streaming::{self, Coding};

/// The width of the bins of a reduced answer; unreduced ones carry no such header.
const MYMONIT_WINDOW: HeaderName = HeaderName::from_static("mymonit-window");

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(read)).with_schema::<MeasureShape>().with_schema::<BinShape>()
}

/// Reads measures of an experiment.
///
/// For the scientists who are associated with it. Newest first unless asked otherwise; ties in the order of arrival,
/// and bins of one moment in the order of `measure_type_id`. As JSON, NDJSON or CSV, compressed with `zstd` or `gzip` for
/// those who accept it.
#[utoipa::path(
    get,
    path = "/measures/{experiment_id}",
    tag = "measures",
    operation_id = "readMeasures",
    params(ExperimentPath, ReadQuery),
    responses(Readings)
)]
async fn read(
    State(measures): State<Arc<dyn MeasureService>>,
    caller: ReadingCaller,
    query: Result<ReadQuery, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let experiment_id = caller.experiment_id;
    let (Wanted { query, shape, .. }, reading) = reading(&*measures, caller, wanted(query, &headers)).await?;
    let path = format!("/measures/{experiment_id}");
    let link = reading.next.map(|cursor| (LINK, query.link_to_next(&path, &cursor)));
    let (name, receipt) = (&reading.experiment.name, reading.receipt);
    let (window, document) = match reading.content {
        Content::Measures(measures) => (None, shape.document(name, measures, receipt).await?),
        Content::Bins { window, bins } => (Some(window), shape.document(name, bins, receipt).await?),
    };
    let window = window.map(|window: Window| (MYMONIT_WINDOW, window.to_string()));
    let file = shape.file_name(experiment_id).map(|name| (CONTENT_DISPOSITION, name));
    Ok((AppendHeaders(link), AppendHeaders(window), AppendHeaders(file), document).into_response())
}

/// What the client wants, and how.
struct Wanted {
    query: Parameters,
    request: ReadRequest,
    shape: Shape,
}

fn wanted(query: Result<ReadQuery, Problem>, headers: &HeaderMap) -> Result<Wanted, Problem> {
    let query = query?;
    let shape = Shape::wanted(&query.0, headers)?;
    Ok(Wanted { request: query.request()?, query: query.0, shape })
}

/// What the caller reads. Only users learn what is wrong with what they want.
async fn reading(
    measures: &dyn MeasureService,
    caller: ReadingCaller,
    wanted: Result<Wanted, Problem>,
) -> Result<(Wanted, MeasureReading), Problem> {
    let at_once = match &wanted {
        Ok(Wanted { request, .. }) => {
            measures.read_at_once(&caller.username, caller.experiment_id, request).await?
        }
        Err(_) => None,
    };
    if let Some(reading) = at_once {
        caller::note(&reading.user_id);
        return Ok((wanted?, reading));
    }
    let reader = caller.known().await?;
    let wanted = wanted?;
    let reading = measures.read(reader, wanted.request.clone()).await?;
    Ok((wanted, reading))
}

/// Tells the auditor how many measures have been written for the client.
struct Counted<E> {
    encoder: E,
    sent: SentMeasures,
}

impl<E: Encoder<Item: StandsForMeasures>> Encoder for Counted<E> {
    type Item = E::Item;
    const MEDIA_TYPE: &'static str = E::MEDIA_TYPE;

    fn begin(&mut self, out: &mut Vec<u8>) {
        self.encoder.begin(out);
    }

    fn item(&mut self, item: &E::Item, out: &mut Vec<u8>) {
        self.encoder.item(item, out);
        self.sent.add(item.measures());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.encoder.end(out);
    }
}

/// How the client wants to have it.
struct Shape {
    format: Format,
    coding: Option<Coding>,
}

impl Shape {
    fn wanted(parameters: &Parameters, headers: &HeaderMap) -> Result<Self, Problem> {
        let format = Format::wanted(parameters.once("format")?, headers)?;
        Ok(Self { format, coding: Coding::wanted(headers) })
    }

    async fn document<R: Record + StandsForMeasures>(
        &self,
        experiment: &ExperimentName,
        records: Portions<R>,
        receipt: Receipt,
    ) -> Result<Response, ServiceError> {
        match self.format {
            Format::Json => self.encoded(records, JsonEncoder::new(experiment), receipt).await,
            Format::Ndjson => self.encoded(records, NdjsonEncoder::new(experiment), receipt).await,
            Format::Csv => self.encoded(records, CsvEncoder::new(experiment), receipt).await,
        }
    }

    async fn encoded<E: Encoder<Item: StandsForMeasures>>(
        &self,
        records: Portions<E::Item>,
        encoder: E,
        receipt: Receipt,
    ) -> Result<Response, ServiceError> {
        let encoder = Counted { encoder, sent: receipt.follow() };
        let document = streaming::document(records, encoder, self.coding).await?;
        Ok(([(CONTENT_TYPE, E::MEDIA_TYPE), (VARY, "accept, accept-encoding")], document).into_response())
    }

    /// Under which name to keep a table: that of the experiment could be anything, and a file's name may not.
    fn file_name(&self, experiment_id: ExperimentId) -> Option<String> {
        let name = self.format.name();
        (self.format != Format::Json)
            .then(|| format!("attachment; filename=\"measures-{experiment_id}.{name}\""))
    }
}
