//! What the document says of readings.

use std::collections::BTreeMap;

use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder};
use utoipa::openapi::{
    KnownFormat, Object, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{IntoResponses, ToSchema};

use crate::openapi::{
    ExperimentNameText, MeasureTypeNameText, SensorNameText, StoredTimestamp, next_page, text_header,
};

/// A measure.
#[derive(ToSchema)]
#[schema(as = Measure)]
#[expect(dead_code, reason = "the document's face of what the encoders write")]
pub(super) struct MeasureShape {
    #[schema(value_type = ExperimentNameText)]
    experiment: String,
    #[schema(value_type = MeasureTypeNameText)]
    measure_type: String,
    #[schema(value_type = StoredTimestamp)]
    timestamp: String,
    /// The number, in the unit of its measure type.
    #[schema(example = 120.0)]
    value: f64,
    /// Not there for a measure without a sensor; empty then in CSV, null in Arrow.
    #[schema(value_type = SensorNameText, required = false)]
    sensor: String,
}

/// The measures of one type and sensor within one bin of time, as far as they lie between `from`
/// and `to`.
#[derive(ToSchema)]
#[schema(as = Bin)]
#[expect(dead_code, reason = "the document's face of what the encoders write")]
pub(super) struct BinShape {
    #[schema(value_type = ExperimentNameText)]
    experiment: String,
    #[schema(value_type = MeasureTypeNameText)]
    measure_type: String,
    /// The first moment of the bin.
    #[schema(value_type = StoredTimestamp)]
    timestamp: String,
    /// How many measures there are.
    #[schema(minimum = 1, example = 5)]
    count: u64,
    /// The least of them.
    #[schema(example = 94.0)]
    min: f64,
    /// The greatest of them.
    #[schema(example = 120.0)]
    max: f64,
    /// Their arithmetic mean.
    #[schema(example = 103.8)]
    mean: f64,
    /// The standard deviation of these measures (of a population: divided by `count`).
    #[schema(minimum = 0, example = 9.887_365_675_446_62)]
    std: f64,
    /// As in measures.
    #[schema(value_type = SensorNameText, required = false)]
    sensor: String,
}

/// Measures or bins, in every format.
pub(super) enum Readings {}

impl IntoResponses for Readings {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let response = ResponseBuilder::new()
            .description("What was asked for.")
            .header("Link", next_page())
            .header(
                "MyMONIT-Window",
                text_header(
                    "The width of the bins, such as `60s`. An answer without it holds measures, unreduced.",
                ),
            )
            .header(
                "Content-Disposition",
                text_header("The name of a file to keep a table in; not with `application/json`."),
            )
            .content("application/json", json())
            .content("application/x-ndjson", text("Objects as those of JSON, each on a line."))
            .content("text/csv", text("A table (RFC 4180) whose header line names the same fields."))
            .content(
                "application/vnd.apache.arrow.stream",
                binary("An Arrow IPC stream with the same fields: names as dictionaries, `timestamp` as `timestamp[ns, UTC]`, `count` as `uint64`, other numbers as `float64`. It ends with an end-of-stream marker."),
            );
        BTreeMap::from([("200".to_owned(), response.build().into())])
    }
}

fn json() -> Content {
    let array = |name| ArrayBuilder::new().items(Ref::from_schema_name(name));
    let either = AnyOfBuilder::new().item(array(MeasureShape::name())).item(array(BinShape::name()));
    ContentBuilder::new().schema(Some(Schema::from(either.build()))).build()
}

fn binary(description: &str) -> Content {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .description(Some(description));
    ContentBuilder::new().schema(Some(Schema::from(schema.build()))).build()
}

fn text(description: &str) -> Content {
    let schema: Object =
        ObjectBuilder::new().schema_type(Type::String).description(Some(description)).build();
    ContentBuilder::new().schema(Some(schema)).build()
}
