//! Parameters of requests.

use mymonit_model::Timestamp;
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Required, Schema, Type};

use super::schemas::{ExperimentIdNumber, UserIdText};

/// The name of the header with the request id, and of its parameter.
pub(super) const X_REQUEST_ID: &str = "X-Request-Id";

/// A parameter of the path: its name and what it is.
pub(crate) type PathParameter = (&'static str, &'static str, fn() -> RefOr<Schema>);

pub(crate) const EXPERIMENT_ID: PathParameter =
    ("experiment_id", "The number of the experiment.", reference::<ExperimentIdNumber>);
pub(crate) const USER_ID: PathParameter =
    ("user_id", "The staff identification of the user.", reference::<UserIdText>);
pub(crate) const REJECTED_MESSAGE_ID: PathParameter =
    ("id", "The number of the rejected message.", rejected_message_id);

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn rejected_message_id() -> RefOr<Schema> {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1_u64))
        .maximum(Some(u64::MAX))
        .examples([1]);
    Schema::from(schema.build()).into()
}

/// Parameters that stand in the path.
pub(crate) fn in_path(parameters: &[PathParameter]) -> Vec<Parameter> {
    let parameter = |(name, description, schema): &PathParameter| {
        ParameterBuilder::new()
            .name(*name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(*description))
            .schema(Some(schema()))
            .build()
    };
    parameters.iter().map(parameter).collect()
}

/// A parameter of the query, which may be left out.
pub(crate) fn in_query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// A parameter of the query whose schema is one of the components.
pub(crate) fn text_in_query<T: ToSchema>(name: &str, description: &str) -> Parameter {
    in_query(name, description, reference::<T>())
}

/// A parameter of the query that is a moment, as [`mymonit_model::Timestamp`] reads it.
pub(crate) fn moment(name: &str, description: &str) -> Parameter {
    // From 1970 to the first months of 2262, where nanoseconds in 64 bits end.
    let rfc3339 = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some("^(19[7-9][0-9]|2[01][0-9]{2}|22[0-5][0-9]|226[0-2])-"))
        .description(Some(
            "An RFC 3339 date and time, not before 1970-01-01T00:00:00Z and not after 2262-04-11T23:47:16Z.",
        ))
        .examples(["2022-04-06T07:05:00Z"]);
    let unix_seconds = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(0))
        .maximum(Some(Timestamp::MAX_UNIX_SECONDS))
        .description(Some("Unix seconds, with or without a fraction, of which nine digits count."))
        .examples([1_649_228_700]);
    in_query(name, description, Schema::from(AnyOfBuilder::new().item(rfc3339).item(unix_seconds).build()))
}

/// The parameter `limit`.
pub(crate) fn limit(greatest: u32, of: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(greatest))
        .examples([1000]);
    let description = format!(
        "At most this many {of}, with a `Link` to the next page while there are more. Without `limit`: all, streamed."
    );
    in_query("limit", &description, Schema::from(schema.build()))
}

/// The parameter `cursor`.
pub(crate) fn cursor() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_-]+$"));
    let description = "Where to go on: opaque, from the `Link` of an earlier answer to the same request. Any other is \
                       refused.";
    in_query("cursor", description, Schema::from(schema.build()))
}

/// The request id that a client may choose.
pub(super) fn request_id() -> Parameter {
    ParameterBuilder::new()
        .name(X_REQUEST_ID)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "A name for this request, for its answer and the log: 1 to 128 letters, digits, `.`, `_` and `-`. One that \
             is not so is replaced by a UUID.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
