//! The request id, which every request may carry and every answer carries.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

/// The name of the header, and of its parameter among the components.
pub(super) const X_REQUEST_ID: &str = "X-Request-Id";

pub(super) fn parameter() -> Parameter {
    ParameterBuilder::new()
        .name(X_REQUEST_ID)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name for this request, for its answer and the log: 1 to 128 letters, digits, `.`, `_` and `-`. Any \
             other is replaced by a UUID.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

pub(super) fn header() -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]{1,128}$"));
    HeaderBuilder::new()
        .description(Some("Names the request in each of its log lines."))
        .schema(Some(schema))
        .build()
}
