use axum::extract::FromRequestParts;
use http::request::Parts;
use mymonit_model::Window;
use mymonit_services::ports::Order;
use mymonit_services::{MAX_LIMIT, MAX_POINTS, ReadRequest, ServiceError};
use utoipa::openapi::path::{Parameter, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{ObjectBuilder, Ref, Schema, Type};
use utoipa::{IntoParams, ToSchema};

use crate::error::Problem;
use crate::format::Format;
use crate::openapi::{MeasureTypeNameText, cursor, in_query, limit, moment, one_of};
use crate::query::Parameters;

/// Which measures the client wants (specification §5, "Reading measures").
pub(super) struct ReadQuery(pub(super) Parameters);

impl<S: Send + Sync> FromRequestParts<S> for ReadQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        const KNOWN: [&str; 9] =
            ["from", "to", "type", "order", "limit", "cursor", "max_points", "window", "format"];
        Parameters::parse(parts.uri.query(), &KNOWN).map(Self)
    }
}

impl IntoParams for ReadQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            moment("from", "Only measures of this moment or later."),
            moment("to", "Only measures before this moment."),
            types(),
            in_query("order", "By timestamp; `desc` unless given.", one_of(["desc", "asc"])),
            limit(MAX_LIMIT, "measures or bins"),
            cursor(),
            max_points(),
            window(),
            in_query(
                "format",
                "The format, which may be asked for by `Accept` as well; the parameter wins.",
                one_of(Format::ALL.map(Format::name)),
            ),
        ]
    }
}

fn types() -> Parameter {
    let types = ArrayBuilder::new().items(Ref::from_schema_name(MeasureTypeNameText::name()));
    let mut parameter = in_query(
        "type",
        "Only measures of this type, by the name that `/measure-types/` gives; may be repeated. Any other name is refused.",
        Schema::from(types.build()),
    );
    parameter.style = Some(ParameterStyle::Form);
    parameter.explode = Some(true);
    parameter
}

fn max_points() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_POINTS))
        .examples([500]);
    let description = "Bins instead of measures: at most so many for each measure type. They get the narrowest round \
                       width that does it for the time between the first measure and the last; all pages of a \
                       reading have the same. Not together with `window`.";
    in_query("max_points", description, Schema::from(schema.build()))
}

fn window() -> Parameter {
    let schema =
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(Window::pattern())).examples(["5m"]);
    let description = "Bins instead of measures: of this width, aligned to the Unix epoch. Not together with \
                       `max_points`.";
    in_query("window", description, Schema::from(schema.build()))
}

impl ReadQuery {
    pub(super) fn request(&self) -> Result<ReadRequest, Problem> {
        Ok(ReadRequest {
            from: self.0.time("from")?,
            to: self.0.time("to")?,
            types: self.0.every("type").map(str::to_owned).collect(),
            order: self.0.once("order")?.map_or(Ok(Order::default()), order)?,
            limit: self.0.count("limit", MAX_LIMIT)?,
            cursor: self.0.once("cursor")?.map(str::to_owned),
            max_points: self.0.count("max_points", MAX_POINTS)?,
            window: self.0.once("window")?.map(str::parse).transpose().map_err(ServiceError::from)?,
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
