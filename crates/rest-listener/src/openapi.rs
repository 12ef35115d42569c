//! The contract (specification §5) as an OpenAPI 3.1 document, made from the code: the same lists of handlers
//! become the router and the document, and what both say of a field comes from the type that checks it.

mod answers;
mod endpoints;
mod parameters;
mod refusals;
mod schemas;

use std::sync::LazyLock;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, SecurityRequirement,
};

pub(crate) use answers::{Conflict, NotFound, Paged, next_page, text_header};
pub(crate) use endpoints::Endpoints;
pub(crate) use parameters::{
    EXPERIMENT_ID, PathParameter, REJECTED_MESSAGE_ID, USER_ID, cursor, in_path, in_query, limit, moment,
    text_in_query,
};
pub(crate) use schemas::{
    EmailText, ExperimentIdNumber, ExperimentNameText, MeasureTypeNameText, PersonNameText, ReasonCode,
    RoleName, StoredTimestamp, UserIdText, UsernameText, one_of,
};

/// The name of the security scheme.
const SECURITY_SCHEME: &str = "firebase";

/// What is said before all endpoints.
const DESCRIPTION: &str = "\
MyMONIT collects the measurements of scientific experiments and gives them to the scientists who may see them.

Every path also answers with its trailing slash added or left out. Every path that takes GET takes HEAD, and every \
path takes OPTIONS, which answers 204 with `Allow`; any other method is answered with 405 \
(`method_not_allowed`, with `Allow`), and a path that there is not with 404 (`not_found`).

Refusals are `application/problem+json` (RFC 9457) with a stable `code`. Every answer carries an `X-Request-Id`, which \
stands in each log line of the request. A parameter or a field that is none of those listed is refused in a query and \
ignored in a body.

Times are read as RFC 3339 with any offset, or as Unix seconds, from 1970 to 2262, to the nanosecond.";

/// The document of these endpoints.
pub(crate) fn document(endpoints: &Endpoints) -> OpenApi {
    let components = ComponentsBuilder::new()
        .schemas_from_iter(endpoints.schemas().iter().cloned())
        .schema_from::<refusals::ProblemShape>()
        .responses_from_iter(refusals::all())
        .parameter(parameters::X_REQUEST_ID, parameters::request_id())
        .security_scheme(SECURITY_SCHEME, security_scheme())
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("MyMONIT")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(
                    LicenseBuilder::new().name("Apache License 2.0").identifier(Some("Apache-2.0")).build(),
                ))
                .build(),
        )
        .paths(endpoints.paths().clone())
        .components(Some(components))
        .security(Some([SecurityRequirement::new(SECURITY_SCHEME, [] as [&str; 0])]))
        .tags(Some(tags()))
        .build()
}

/// The document as text: what `/api.yaml`, `api.yaml` and `mymonit openapi` hold.
pub fn openapi_yaml() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        // A document made of text and numbers always becomes YAML.
        document(&crate::router::endpoints()).to_yaml().unwrap_or_default()
    });
    &TEXT
}

fn security_scheme() -> SecurityScheme {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "A Firebase ID token of a user that is known here by its `username`, the Firebase UID. In evaluation mode, a \
         token that `mymonit token USER_ID` prints.",
    ));
    SecurityScheme::Http(scheme.build())
}

fn tags() -> [Tag; 7] {
    let tag = |(name, description): (&str, &str)| {
        TagBuilder::new().name(name).description(Some(description)).build()
    };
    [
        ("users", "Who may sign in."),
        ("experiments", "What is being measured."),
        ("associations", "Which scientists may read the measures of which experiments."),
        ("measures", "What was measured, and in which units."),
        ("rejected messages", "What could never be stored, kept whole, and may be stored after all."),
        ("health", "Whether the service runs and can do its work."),
        ("contract", "This document."),
    ]
    .map(tag)
}
