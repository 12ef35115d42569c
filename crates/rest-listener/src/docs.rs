//! `/api.yaml` and `/docs`: the REST contract as a file, and in Swagger UI. All files come from
//! this service.

use axum::Extension;
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use utoipa_axum::router::UtoipaMethodRouterExt;
use utoipa_axum::routes;

use crate::error::{Kind, Problem};
use crate::openapi::{Endpoints, NotFound};

/// Swagger UI shows icons that it carries as `data:`, and sends requests to this service only.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// The files change with the service.
const FOR_AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// Takes the document as a function, since the document lists these endpoints too.
pub(crate) fn endpoints(document: fn() -> &'static str) -> Endpoints {
    let contract = routes!(contract).layer(Extension(Document(document)));
    Endpoints::default().open(contract).open(routes!(page)).open(routes!(file))
}

#[derive(Clone)]
struct Document(fn() -> &'static str);

/// Returns this document.
#[utoipa::path(
    get, path = "/api.yaml", tag = "contract", operation_id = "getContract",
    responses((
        status = OK, description = "The OpenAPI document of this service.",
        content_type = "application/yaml", body = String
    ))
)]
async fn contract(Extension(Document(text)): Extension<Document>) -> Response {
    ([(CONTENT_TYPE, "application/yaml")], text()).into_response()
}

/// Shows this document in Swagger UI.
#[utoipa::path(
    get, path = "/docs", tag = "contract", operation_id = "showContract",
    responses((
        status = OK, description = "A page to read the contract and to try it with a token.",
        content_type = "text/html", body = String
    ))
)]
async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    (headers, include_str!("docs/index.html")).into_response()
}

/// Returns a file of the page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "contract", operation_id = "getContractFile",
    params(("file" = String, Path, description = "The name of the file.", example = "swagger-ui.css")),
    responses(
        (
            status = OK, description = "The file.",
            content((String = "text/css"), (String = "text/javascript"), (String = "text/plain"))
        ),
        NotFound
    )
)]
async fn file(path: Result<RawPathParams, RawPathParamsRejection>) -> Result<Response, Problem> {
    // No file has a name that is not UTF-8.
    let name = path.as_ref().ok().and_then(|path| path.iter().next()).map_or("", |(_, name)| name);
    let (media_type, content) = content(name).ok_or_else(|| Problem::new(Kind::NotFound, "unknown file"))?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(media_type)), (CACHE_CONTROL, FOR_AN_HOUR)];
    Ok((headers, content).into_response())
}

/// The media type and the content of a file.
fn content(name: &str) -> Option<(&'static str, &'static str)> {
    const CSS: &str = "text/css; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const TEXT: &str = "text/plain; charset=utf-8";
    macro_rules! swagger_ui {
        ($file:literal) => {
            include_str!(concat!(env!("OUT_DIR"), "/swagger-ui/", $file))
        };
    }
    Some(match name {
        "start.js" => (SCRIPT, include_str!("docs/start.js")),
        "swagger-ui.css" => (CSS, swagger_ui!("swagger-ui.css")),
        "swagger-ui-bundle.js" => (SCRIPT, swagger_ui!("swagger-ui-bundle.js")),
        "LICENSE" => (TEXT, swagger_ui!("LICENSE")),
        "NOTICE" => (TEXT, swagger_ui!("NOTICE")),
        _ => return None,
    })
}
