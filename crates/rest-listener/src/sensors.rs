//! Sensors and series of an experiment.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mymonit_model::Sensor;
use mymonit_services::{NamedSeries, SensorService};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::error::Problem;
use crate::json;
use crate::openapi::{
    DescriptionText, Endpoints, MeasureTypeNameText, SensorNameText, StoredTimestamp, UnitSymbolText,
};
use crate::path::{ExperimentPath, Path, SensorPath};
use crate::query::NoParameters;

type Sensors = State<Arc<dyn SensorService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(series)).guarded(routes!(list)).guarded(routes!(describe))
}

/// One source of measures within an experiment. It is created by its first measure.
#[derive(Serialize, ToSchema)]
#[schema(as = Sensor)]
struct SensorShape {
    #[schema(value_type = SensorNameText)]
    name: String,
    #[schema(value_type = DescriptionText)]
    description: String,
}

impl From<Sensor> for SensorShape {
    fn from(sensor: Sensor) -> Self {
        Self { name: sensor.name.to_string(), description: sensor.description.as_str().to_owned() }
    }
}

/// The whole sensor. `name` must be that of the path.
#[derive(Deserialize, ToSchema)]
#[schema(as = SensorUpdate, example = json!({"name": "thermometer-1", "description": "PT100 at the inlet"}))]
struct SensorUpdateShape {
    #[schema(value_type = SensorNameText)]
    name: String,
    #[schema(value_type = DescriptionText)]
    description: String,
}

/// The measures of one sensor, or without one, and one measure type.
#[derive(Serialize, ToSchema)]
#[schema(as = Series)]
struct SeriesShape {
    /// Null for measures without a sensor.
    #[schema(value_type = Option<SensorNameText>, required)]
    sensor: Option<String>,
    #[schema(value_type = MeasureTypeNameText)]
    measure_type: String,
    #[schema(value_type = UnitSymbolText)]
    symbol: String,
    /// The time of the first measure.
    #[schema(value_type = StoredTimestamp)]
    first: String,
    /// The time of the last measure.
    #[schema(value_type = StoredTimestamp)]
    last: String,
    /// The value of the last measure; of several at that time, of the one that arrived last.
    #[schema(example = 120.0)]
    latest_value: f64,
}

impl From<NamedSeries> for SeriesShape {
    fn from(NamedSeries { series, measure_type, sensor }: NamedSeries) -> Self {
        Self {
            sensor: sensor.map(|name| name.to_string()),
            measure_type: measure_type.name.to_string(),
            symbol: measure_type.symbol,
            first: series.first.to_string(),
            last: series.last.to_string(),
            latest_value: series.latest_value.get(),
        }
    }
}

/// Lists the series of an experiment with their latest values.
///
/// For the scientists who are associated with it. By `measure_type_id`, those without a sensor
/// first.
#[utoipa::path(
    get, path = "/experiments/{experiment_id}/series", tag = "measures", operation_id = "listSeries",
    params(ExperimentPath), responses((status = OK, description = "The series.", body = [SeriesShape]))
)]
async fn series(
    State(sensors): Sensors,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
) -> Result<Json<Vec<SeriesShape>>, Problem> {
    let series = sensors.series(&caller, experiment_id).await?;
    Ok(Json(series.into_iter().map(SeriesShape::from).collect()))
}

/// Lists the sensors of an experiment.
///
/// For administrators and associated scientists.
#[utoipa::path(
    get, path = "/experiments/{experiment_id}/sensors/", tag = "experiments", operation_id = "listSensors",
    params(ExperimentPath), responses((status = OK, description = "The sensors.", body = [SensorShape]))
)]
async fn list(
    State(sensors): Sensors,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
) -> Result<Json<Vec<SensorShape>>, Problem> {
    let sensors = sensors.list(&caller, experiment_id).await?;
    Ok(Json(sensors.into_iter().map(SensorShape::from).collect()))
}

/// Describes a sensor.
///
/// For administrators. Takes what the list returned. Sensors are created by their first measure and
/// never renamed.
#[utoipa::path(
    put, path = "/experiments/{experiment_id}/sensors/{name}", tag = "experiments", operation_id = "updateSensor",
    params(SensorPath), request_body = SensorUpdateShape,
    responses((status = OK, description = "The sensor as it is now.", body = SensorShape))
)]
async fn describe(
    State(sensors): Sensors,
    Caller(caller): Caller,
    Path(SensorPath { experiment_id, name }): Path<SensorPath>,
    _: NoParameters,
    json::Json(shape): json::Json<SensorUpdateShape>,
) -> Result<Json<SensorShape>, Problem> {
    let SensorUpdateShape { name: given_name, description } = shape;
    Ok(Json(sensors.describe(&caller, experiment_id, &name, &given_name, &description).await?.into()))
}
