//! `/measures/`.

mod contract;
mod query;

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Uri};
use mymonit_model::Timestamp;
use mymonit_services::{MeasureService, ReadRequest, Reading, UserService};
use utoipa_axum::routes;

use self::contract::{BinShape, MeasureShape, Readings};
use self::query::ReadQuery;
use crate::caller::{Caller, credentials};
use crate::encoder::MeasureEncoder;
use crate::error::Problem;
use crate::format::Format;
use crate::openapi::{Endpoints, SensorFilterText};
use crate::path::{ExperimentPath, Path};
use crate::query::{Query, next_page, resolve_times};
use crate::streaming::{self, Coding};

/// The width of the bins; unreduced answers have no such header.
const MYMONIT_WINDOW: HeaderName = HeaderName::from_static("mymonit-window");

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .guarded(routes!(read))
        .with_schema::<MeasureShape>()
        .with_schema::<BinShape>()
        .with_schema::<SensorFilterText>()
}

/// Reads measures of an experiment.
///
/// For the scientists who are associated with it. Newest first unless asked otherwise; ties in the
/// order of arrival, and bins of one moment in the order of `measure_type_id`, those without a
/// sensor first. As JSON, NDJSON, CSV or Arrow IPC stream, compressed with `zstd` or `gzip` for
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
    headers: HeaderMap,
    method: Method,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let Wanted { request, uri, format, coding } = wanted;
    let experiment_id = request.experiment_id;
    let Reading { experiment, window, next, chunks, mut access } =
        measures.read(credentials(&headers), request).await?;
    if method == Method::HEAD {
        access.cancel();
    }
    let encoder = MeasureEncoder::new(format, &experiment, window.is_some(), access)?;
    let document = streaming::document(chunks, encoder, coding).await?;
    let link = next_page(&format!("/measures/{experiment_id}"), &uri, next)?;
    let window = window.map(|window| (MYMONIT_WINDOW, window.to_string()));
    // The name of an experiment may hold what the name of a file may not.
    let file = format!("attachment; filename=\"measures-{experiment_id}.{}\"", format.extension());
    let file = (format != Format::Json).then_some((CONTENT_DISPOSITION, file));
    let kind = [(CONTENT_TYPE, format.media_type()), (VARY, "accept, accept-encoding")];
    Ok((link, AppendHeaders(window), AppendHeaders(file), kind, document).into_response())
}

/// What the client requests, and in which form. A wrong request is refused only after its caller
/// is authenticated.
struct Wanted {
    request: ReadRequest,
    /// The address, with absolute times.
    uri: Uri,
    format: Format,
    coding: Option<Coding>,
}

impl<S> FromRequestParts<S> for Wanted
where
    S: Send + Sync,
    Arc<dyn UserService>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let wanted = async {
            let Path(ExperimentPath { experiment_id }) = Path::from_request_parts(parts, state).await?;
            resolve_times(&mut parts.uri, Timestamp::now())?;
            let Query(query) = Query::<ReadQuery>::from_request_parts(parts, state).await?;
            let format = query.format.map_or_else(|| Format::accepted(&parts.headers), Ok)?;
            let coding = Coding::wanted(&parts.headers);
            Ok(Self { request: query.request(experiment_id), uri: parts.uri.clone(), format, coding })
        };
        match wanted.await {
            Ok(wanted) => Ok(wanted),
            Err(problem) => {
                Caller::from_request_parts(parts, state).await?;
                Err(problem)
            }
        }
    }
}
