//! `/experiments/{experiment_id}/flags/`.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use mymonit_model::{Flag, SensorName};
use mymonit_services::{FlagDraft, FlagService, NamedFlag};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::created::Created;
use crate::error::Problem;
use crate::json;
use crate::openapi::{
    Conflict, Endpoints, FlagIdNumber, FlagReasonText, MeasureTypeNameText, SensorFilterText,
    StoredTimestamp, UserIdText,
};
use crate::path::{ExperimentPath, FlagPath, Path};
use crate::query::{Moment, NoParameters};

type Flags = State<Arc<dyn FlagService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(list, create)).guarded(routes!(withdraw))
}

/// A statement that measures of an experiment are not to be used.
#[derive(Serialize, ToSchema)]
#[schema(as = Flag)]
struct FlagShape {
    #[schema(value_type = FlagIdNumber)]
    flag_id: u64,
    /// The first time.
    #[schema(value_type = StoredTimestamp)]
    from: String,
    /// The first time after it.
    #[schema(value_type = StoredTimestamp)]
    to: String,
    /// The sensor; empty for measures without one, null for every sensor.
    #[schema(value_type = Option<SensorFilterText>, required = true)]
    sensor: Option<String>,
    /// The measure type; null for every type.
    #[schema(value_type = Option<MeasureTypeNameText>, required = true)]
    measure_type: Option<String>,
    #[schema(value_type = FlagReasonText)]
    reason: String,
    /// Who has set it.
    #[schema(value_type = UserIdText)]
    user_id: String,
    #[schema(value_type = StoredTimestamp)]
    created_at: String,
}

impl From<NamedFlag> for FlagShape {
    fn from(NamedFlag { flag, sensor, measure_type }: NamedFlag) -> Self {
        let Flag { id, range, reason, user_id, created_at } = flag;
        let name = |sensor: Option<SensorName>| sensor.map(|name| name.to_string()).unwrap_or_default();
        Self {
            flag_id: id.get(),
            from: range.from().to_string(),
            to: range.to().to_string(),
            sensor: sensor.map(name),
            measure_type: measure_type.map(|name| name.to_string()),
            reason: reason.to_string(),
            user_id: user_id.to_string(),
            created_at: created_at.to_string(),
        }
    }
}

/// A new flag: for the measures with `from` ≤ timestamp < `to`, where `to` is later than `from`, of
/// one sensor, or with an empty `sensor` those without one, and of one measure type. Without them
/// it is for every sensor and every type.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewFlag, example = json!({
    "from": "2022-04-06T07:00:00Z", "to": "2022-04-06T07:05:00Z", "measure_type": "hertz", "reason": "the lid was open"
}))]
struct NewFlagShape {
    #[schema(inline, value_type = Moment)]
    from: TimeText,
    // With a description, utoipa would have the schema be an object as well.
    #[schema(inline, value_type = Moment)]
    to: TimeText,
    #[serde(default)]
    #[schema(value_type = Option<SensorFilterText>, required = false)]
    sensor: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<MeasureTypeNameText>, required = false)]
    measure_type: Option<String>,
    #[schema(value_type = FlagReasonText)]
    reason: String,
}

impl From<NewFlagShape> for FlagDraft {
    fn from(shape: NewFlagShape) -> Self {
        let NewFlagShape { from: TimeText(from), to: TimeText(to), sensor, measure_type, reason } = shape;
        Self { from, to, sensor, measure_type, reason }
    }
}

/// A time as text or as a number of Unix seconds; the service reads it.
struct TimeText(String);

impl<'de> Deserialize<'de> for TimeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;

        impl Visitor<'_> for TimeVisitor {
            type Value = TimeText;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an RFC 3339 date and time or Unix seconds")
            }

            fn visit_str<E>(self, text: &str) -> Result<TimeText, E> {
                Ok(TimeText(text.to_owned()))
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<TimeText, E> {
                Ok(TimeText(seconds.to_string()))
            }

            fn visit_i64<E>(self, seconds: i64) -> Result<TimeText, E> {
                Ok(TimeText(seconds.to_string()))
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<TimeText, E> {
                Ok(TimeText(seconds.to_string()))
            }
        }

        deserializer.deserialize_any(TimeVisitor)
    }
}

/// Lists the flags of an experiment.
///
/// For the scientists who are associated with it. By number.
#[utoipa::path(
    get, path = "/experiments/{experiment_id}/flags/", tag = "flags", operation_id = "listFlags",
    params(ExperimentPath), responses((status = OK, description = "The flags.", body = [FlagShape]))
)]
async fn list(
    State(flags): Flags,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
) -> Result<Json<Vec<FlagShape>>, Problem> {
    let flags = flags.list(&caller, experiment_id).await?;
    Ok(Json(flags.into_iter().map(FlagShape::from).collect()))
}

/// Sets a flag.
///
/// For the scientists who are associated with the experiment. Readings leave its measures out from
/// now on, unless `flagged` says otherwise. At most 10,000 for each experiment.
#[utoipa::path(
    post, path = "/experiments/{experiment_id}/flags/", tag = "flags", operation_id = "createFlag",
    params(ExperimentPath), request_body = NewFlagShape, responses(Created<FlagShape>, Conflict)
)]
async fn create(
    State(flags): Flags,
    Caller(caller): Caller,
    Path(ExperimentPath { experiment_id }): Path<ExperimentPath>,
    _: NoParameters,
    json::Json(shape): json::Json<NewFlagShape>,
) -> Result<Created<FlagShape>, Problem> {
    let created = flags.create(&caller, experiment_id, shape.into()).await?;
    let location = format!("/experiments/{experiment_id}/flags/{}", created.flag.id);
    Ok(Created { location, thing: created.into() })
}

/// Withdraws a flag.
///
/// For any scientist who is associated with the experiment. Readings then contain its measures
/// again.
#[utoipa::path(
    delete, path = "/experiments/{experiment_id}/flags/{flag_id}", tag = "flags", operation_id = "withdrawFlag",
    params(FlagPath), responses((status = NO_CONTENT, description = "It is withdrawn."))
)]
async fn withdraw(
    State(flags): Flags,
    Caller(caller): Caller,
    Path(FlagPath { experiment_id, flag_id }): Path<FlagPath>,
    _: NoParameters,
) -> Result<StatusCode, Problem> {
    flags.withdraw(&caller, experiment_id, flag_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
