//! From columns to the model. A row that violates a rule of the model was not written by this
//! program.

use bytes::Bytes;
use mymonit_model::{
    ApiTokenId, Description, Email, Experiment, ExperimentId, ExperimentName, InvalidField, MeasureId,
    MeasureType, MeasureTypeId, MeasureTypeName, MeasureValue, PersonName, PublisherName, Sensor, SensorId,
    SensorName, StoredMeasure, Timestamp, User, UserId, Username,
};
use mymonit_services::directory::{DescribedSensor, ErasedUser};
use mymonit_services::message::{MessageId, Rejection, RejectionReason};
use mymonit_services::ports::{Access, RejectedMessage, RejectedMessageId, Series, StorageError, TokenUse};
use serde_json::Value;
use sqlx::Error;

use crate::error::{Fault, cause};
use crate::ingest_plan::ANY_PUBLISHER;

/// ID, NAME, USERNAME, EMAIL, and the role's NAME.
pub(crate) type UserRow = (String, String, String, String, String);
/// ID, the role's NAME, ERASED_AT.
pub(crate) type ErasedUserRow = (String, String, i64);
/// ID, NAME, DESCRIPTION, ARCHIVED.
pub(crate) type ExperimentRow = (u32, String, String, bool);
/// ID, NAME, SYMBOL, QUANTITY.
pub(crate) type MeasureTypeRow = (u16, String, String, String);
/// ID, TYPE, SENSOR_ID, TIMESTAMP, MEASURE_VALUE, IS_NEGATIVE_ZERO.
pub(crate) type MeasureRow = (u64, u16, u32, i64, f64, bool);
/// SENSOR_ID, TYPE, FIRST_TIMESTAMP, LAST_TIMESTAMP, LATEST_VALUE, IS_NEGATIVE_ZERO.
pub(crate) type SeriesRow = (u32, u16, i64, i64, f64, bool);
/// ID, NAME, DESCRIPTION.
pub(crate) type SensorRow = (u32, String, String);
/// The ID and the role's NAME of a user, the NAME and IS_FLAGGED of an experiment that the user may
/// read, and the ID and LAST_USED_AT of the API token.
pub(crate) type AccessRow = (String, String, Option<String>, Option<bool>, Option<u64>, Option<i64>);

/// ID, REASON, DETAIL, RECEIVED_AT, PUBLISHER, MESSAGE_ID, PROPERTIES, SIZE.
pub(crate) type RejectedMessageRow = (u64, String, String, i64, Vec<u8>, Option<Vec<u8>>, String, u64);

pub(crate) fn user((id, name, username, email, role): UserRow) -> Result<User, Error> {
    Ok(User {
        user_id: UserId::existing(&id).map_err(invalid)?,
        name: PersonName::existing(&name).map_err(invalid)?.into(),
        username: Username::existing(&username).map_err(invalid)?.into(),
        email: Email::existing(&email).map_err(invalid)?.into(),
        role: role.parse().map_err(invalid)?,
    })
}

pub(crate) fn erased_user((id, role, erased_at): ErasedUserRow) -> Result<ErasedUser, Error> {
    Ok(ErasedUser {
        user_id: UserId::existing(&id).map_err(invalid)?,
        role: role.parse().map_err(invalid)?,
        erased_at: timestamp("erased_at", erased_at)?,
    })
}

/// A time of a single column.
pub(crate) fn timestamp(column: &'static str, nanos: i64) -> Result<Timestamp, Error> {
    let before_1970 = || invalid(InvalidField::new(column, "must not lie before 1970"));
    Timestamp::from_unix_nanos(nanos).ok_or_else(before_1970)
}

/// A value of a single column.
pub(crate) fn field<T>(value: Result<T, InvalidField>) -> Result<T, Error> {
    value.map_err(invalid)
}

pub(crate) fn experiment((id, name, description, archived): ExperimentRow) -> Result<Experiment, Error> {
    Ok(Experiment {
        experiment_id: ExperimentId::new(id),
        name: experiment_name(name)?,
        description: Description::new(&description).map_err(invalid)?,
        archived,
    })
}

pub(crate) fn experiment_name(name: String) -> Result<ExperimentName, Error> {
    ExperimentName::existing(&name).map_err(invalid)
}

pub(crate) fn measure_type((id, name, symbol, quantity): MeasureTypeRow) -> Result<MeasureType, Error> {
    Ok(MeasureType {
        id: MeasureTypeId::new(id),
        name: MeasureTypeName::existing(&name).map_err(invalid)?,
        symbol,
        quantity,
    })
}

pub(crate) fn access(
    (id, role, experiment, is_flagged, token_id, last_used_at): AccessRow,
) -> Result<Access, Error> {
    Ok(Access {
        user_id: UserId::existing(&id).map_err(invalid)?,
        role: role.parse().map_err(invalid)?,
        experiment: experiment.map(experiment_name).transpose()?,
        is_flagged: is_flagged.unwrap_or_default(),
        token: token_id.map(|id| token_use(id, last_used_at)).transpose()?,
    })
}

pub(crate) fn token_use(id: u64, last_used_at: Option<i64>) -> Result<TokenUse, Error> {
    let last_used_at = last_used_at.map(|at| timestamp("last_used_at", at)).transpose()?;
    Ok(TokenUse { id: ApiTokenId::new(id), last_used_at })
}

pub(crate) fn measure(
    (id, measure_type, sensor, timestamp, value, is_negative_zero): MeasureRow,
) -> Result<StoredMeasure, Error> {
    Ok(StoredMeasure {
        id: MeasureId::new(id),
        measure_type: MeasureTypeId::new(measure_type),
        sensor: SensorId::new(sensor),
        timestamp: moment(timestamp)?,
        value: measure_value(value, is_negative_zero)?,
    })
}

fn moment(nanos: i64) -> Result<Timestamp, Error> {
    let before_1970 = || invalid(InvalidField::new("timestamp", "must not lie before 1970"));
    Timestamp::from_unix_nanos(nanos).ok_or_else(before_1970)
}

/// MySQL stores a negative zero as a zero with a mark.
fn measure_value(value: f64, is_negative_zero: bool) -> Result<MeasureValue, Error> {
    MeasureValue::new(if is_negative_zero { -0.0 } else { value }).map_err(invalid)
}

pub(crate) fn series(
    (sensor, measure_type, first, last, value, is_negative_zero): SeriesRow,
) -> Result<Series, Error> {
    Ok(Series {
        sensor: SensorId::new(sensor),
        measure_type: MeasureTypeId::new(measure_type),
        first: moment(first)?,
        last: moment(last)?,
        latest_value: measure_value(value, is_negative_zero)?,
    })
}

pub(crate) fn sensor_key(id: u32, name: &str) -> Result<(SensorId, SensorName), Error> {
    let zero = || invalid(InvalidField::new("id", "must not be 0"));
    Ok((SensorId::new(id).ok_or_else(zero)?, SensorName::new(name).map_err(invalid)?))
}

/// EXPERIMENT_ID, NAME, DESCRIPTION.
pub(crate) fn described_sensor(
    (experiment_id, name, description): (u32, String, String),
) -> Result<DescribedSensor, Error> {
    Ok(DescribedSensor {
        experiment_id: ExperimentId::new(experiment_id),
        name: SensorName::existing(&name).map_err(invalid)?,
        description: Description::new(&description).map_err(invalid)?,
    })
}

pub(crate) fn sensor((id, name, description): SensorRow) -> Result<Sensor, Error> {
    let (id, name) = sensor_key(id, &name)?;
    Ok(Sensor { id, name, description: Description::new(&description).map_err(invalid)? })
}

pub(crate) fn rejected_message(
    (id, reason, detail, received_at, publisher, message_id, properties, size): RejectedMessageRow,
) -> Result<RejectedMessage, Error> {
    let unknown = || invalid(InvalidField::new("reason", "must be a known reason"));
    let reason = RejectionReason::from_code(&reason).ok_or_else(unknown)?;
    // Text that is not JSON is shown as it is: one such row must not hide the others.
    let properties: Value = serde_json::from_str(&properties).unwrap_or(Value::String(properties));
    let user_id = properties.get("user_id").and_then(Value::as_str);
    Ok(RejectedMessage {
        id: RejectedMessageId::new(id),
        rejection: Rejection::new(reason, detail),
        received_at: timestamp("received_at", received_at)?,
        publisher: match &*publisher {
            ANY_PUBLISHER => user_id.and_then(|user_id| PublisherName::from_user_id(user_id.as_bytes())),
            publisher => PublisherName::from_user_id(publisher),
        },
        message_id: message_id.and_then(|bytes| MessageId::new(&bytes)),
        properties,
        size,
    })
}

/// A message with its body, which must be complete.
pub(crate) fn whole(message: RejectedMessage, body: Bytes) -> Result<(RejectedMessage, Bytes), Fault> {
    if body.len() as u64 == message.size {
        return Ok((message, body));
    }
    let (id, found, size) = (message.id.get(), body.len(), message.size);
    let message = format!("the body of rejected message {id} has {found} of {size} bytes");
    Err(Fault::Storage(StorageError::Internal(cause(message))))
}

fn invalid(refusal: InvalidField) -> Error {
    Error::Decode(Box::new(refusal))
}
