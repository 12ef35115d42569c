//! The REST contract as an OpenAPI 3.1 document, derived from the code: the same lists of handlers
//! become the router and the document, and the schema of a field comes from the type that checks
//! it.

mod endpoints;
mod problems;
mod request_id;
mod responses;
mod schemas;

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, SecurityRequirement,
};

pub(crate) use endpoints::Endpoints;
pub(crate) use responses::{Conflict, NotFound, Paged, Reauthentication, next_page, text_header};
pub(crate) use schemas::{
    ApiTokenIdNumber, ApiTokenNameText, DescriptionText, EmailText, ExperimentIdNumber, ExperimentIds,
    ExperimentNameText, FlagIdNumber, FlagReasonText, MeasureTypeIdNumber, MeasureTypeNameText,
    PersonNameText, PublisherNameText, QuantityText, ReasonCode, RejectedMessageIdNumber, RoleName,
    SensorFilterText, SensorNameText, StoredTimestamp, UnitSymbolText, UserIdText, UsernameText,
};

/// The name of the security scheme.
const SECURITY_SCHEME: &str = "firebase";

/// What holds for all endpoints.
const DESCRIPTION: &str = "\
MyMONIT collects the measurements of scientific experiments and serves them to the scientists who may read them.

Every path also answers with its trailing slash added or left out. Every path that takes GET takes HEAD, and every \
path takes OPTIONS, which answers 204 with `Allow`. Any other method is answered with 405 \
(`method_not_allowed`, with `Allow`), and an unknown path with 404 (`not_found`).

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Every answer carries an `X-Request-Id`, which \
each log line of the request carries too. An unknown parameter of a query is refused; an unknown field of a body is \
ignored.

Times are read as RFC 3339 with any offset, or as Unix seconds, from 1970 to 2262, to the nanosecond.";

/// The document of these endpoints.
pub(crate) fn document(endpoints: &Endpoints) -> OpenApi {
    let components = ComponentsBuilder::new()
        .schemas_from_iter(endpoints.schemas().iter().cloned())
        .schema_from::<problems::ProblemShape>()
        .responses_from_iter(problems::all())
        .parameter(request_id::X_REQUEST_ID, request_id::parameter())
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

fn security_scheme() -> SecurityScheme {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "A Firebase ID token of a user that is known here by its `username`, the Firebase UID. In evaluation mode, a \
         token that `mymonit token USER_ID` prints. Or, for GET and HEAD alone, an API token: `mymonit_` and 43 \
         characters, created by `createApiToken`. It reads what its user may read. One that is restricted to \
         experiments reads those, `/users/me` and `/measure-types/`. None reads or changes API tokens.",
    ));
    SecurityScheme::Http(scheme.build())
}

fn tags() -> [Tag; 10] {
    let tag = |(name, description): (&str, &str)| {
        TagBuilder::new().name(name).description(Some(description)).build()
    };
    [
        ("users", "Who may sign in."),
        ("API tokens", "With which programs read what one user may read."),
        ("experiments", "What is being measured."),
        ("associations", "Which scientists may read the measures of which experiments."),
        ("measures", "What was measured, and in which units."),
        ("flags", "Which measures are not to be used, and why."),
        ("publishers", "Which broker accounts may publish to which experiments."),
        ("rejected messages", "What could never be stored, kept whole, and may be stored after all."),
        ("health", "Whether the service runs and can do its work."),
        ("contract", "This document."),
    ]
    .map(tag)
}
