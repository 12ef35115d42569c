//! From columns to the model. A row that breaks a rule of the model was not written by this program.

use bytes::Bytes;
use mymonit_model::{
    Email, Experiment, ExperimentId, ExperimentName, InvalidField, MeasureId, MeasureType, MeasureTypeId,
    MeasureTypeName, MeasureValue, PersonName, StoredMeasure, Timestamp, User, UserId, Username,
};
use mymonit_services::directory::ErasedUser;
use mymonit_services::message::{MessageId, Rejection, RejectionReason};
use mymonit_services::ports::{ReadersPage, RejectedMessage, RejectedMessageId, StorageError};
use serde_json::Value;
use sqlx::Error;

use crate::error::{Fault, cause};

/// ID, NAME, USERNAME, EMAIL, and the role's NAME.
pub(crate) type UserRow = (String, String, String, String, String);
/// The user, then the ID and NAME of an experiment that the user may read, if there is one.
pub(crate) type UserWithExperimentRow = (String, String, String, String, String, Option<u32>, Option<String>);
/// ID, the role's NAME, ERASED_AT.
pub(crate) type ErasedUserRow = (String, String, i64);
/// ID, NAME.
pub(crate) type ExperimentRow = (u32, String);
/// ID, NAME, SYMBOL, QUANTITY.
pub(crate) type MeasureTypeRow = (u16, String, String, String);
/// ID, TYPE, TIMESTAMP, MEASURE_VALUE.
pub(crate) type MeasureRow = (u64, u16, i64, f64);
/// ID, TYPE, TIMESTAMP, MEASURE_VALUE, IS_NEGATIVE_ZERO.
pub(crate) type MarkedMeasureRow = (u64, u16, i64, f64, bool);
/// The ID and the role's NAME of the user who reads, and the NAME of the experiment.
pub(crate) type ReaderRow = (String, String, String);

/// ID, REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE.
pub(crate) type RejectedMessageRow = (u64, String, String, i64, Option<Vec<u8>>, String, u64);

pub(crate) fn user((id, name, username, email, role): UserRow) -> Result<User, Error> {
    Ok(User {
        user_id: UserId::new(&id).map_err(invalid)?,
        name: PersonName::new(&name).map_err(invalid)?.into(),
        username: Username::new(&username).map_err(invalid)?.into(),
        email: Email::new(&email).map_err(invalid)?.into(),
        role: role.parse().map_err(invalid)?,
    })
}

pub(crate) fn user_with_experiment(
    (id, name, username, email, role, experiment_id, experiment_name): UserWithExperimentRow,
) -> Result<(User, Option<Experiment>), Error> {
    let user = user((id, name, username, email, role))?;
    let found = experiment_id.zip(experiment_name);
    Ok((user, found.map(experiment).transpose()?))
}

pub(crate) fn erased_user((id, role, erased_at): ErasedUserRow) -> Result<ErasedUser, Error> {
    let before_1970 = || invalid(InvalidField::new("erased_at", "must not lie before 1970"));
    Ok(ErasedUser {
        user_id: UserId::new(&id).map_err(invalid)?,
        role: role.parse().map_err(invalid)?,
        erased_at: Timestamp::from_unix_nanos(erased_at).ok_or_else(before_1970)?,
    })
}

/// A value of a single column.
pub(crate) fn field<T>(value: Result<T, InvalidField>) -> Result<T, Error> {
    value.map_err(invalid)
}

pub(crate) fn experiment((id, name): ExperimentRow) -> Result<Experiment, Error> {
    Ok(Experiment {
        experiment_id: ExperimentId::new(id),
        name: ExperimentName::new(&name).map_err(invalid)?,
    })
}

pub(crate) fn measure_type((id, name, symbol, quantity): MeasureTypeRow) -> Result<MeasureType, Error> {
    Ok(MeasureType {
        id: MeasureTypeId::new(id),
        name: MeasureTypeName::new(&name).map_err(invalid)?,
        symbol,
        quantity,
    })
}

/// The reader of a page that is to be filled.
pub(crate) fn reader((id, role, experiment): ReaderRow) -> Result<ReadersPage, Error> {
    Ok(ReadersPage {
        user_id: UserId::new(&id).map_err(invalid)?,
        role: role.parse().map_err(invalid)?,
        experiment: ExperimentName::new(&experiment).map_err(invalid)?,
        measures: Vec::new(),
    })
}

/// A row whose database can store a negative zero only as a zero with a mark.
pub(crate) fn marked_measure(
    (id, measure_type, timestamp, value, is_negative_zero): MarkedMeasureRow,
) -> Result<StoredMeasure, Error> {
    measure((id, measure_type, timestamp, if is_negative_zero { -0.0 } else { value }))
}

pub(crate) fn measure((id, measure_type, timestamp, value): MeasureRow) -> Result<StoredMeasure, Error> {
    let before_1970 = || invalid(InvalidField::new("timestamp", "must not lie before 1970"));
    Ok(StoredMeasure {
        id: MeasureId::new(id),
        measure_type: MeasureTypeId::new(measure_type),
        timestamp: Timestamp::from_unix_nanos(timestamp).ok_or_else(before_1970)?,
        value: MeasureValue::new(value).map_err(invalid)?,
    })
}

pub(crate) fn rejected_message(
    (id, reason, detail, received_at, message_id, properties, size): RejectedMessageRow,
) -> Result<RejectedMessage, Error> {
    let unknown = || invalid(InvalidField::new("reason", "must be a known reason"));
    let before_1970 = || invalid(InvalidField::new("received_at", "must not lie before 1970"));
    let reason = RejectionReason::from_code(&reason).ok_or_else(unknown)?;
    Ok(RejectedMessage {
        id: RejectedMessageId::new(id),
        rejection: Rejection::new(reason, detail),
        received_at: Timestamp::from_unix_nanos(received_at).ok_or_else(before_1970)?,
        message_id: message_id.and_then(|bytes| MessageId::new(&bytes)),
        // What is no JSON is shown as it is: one such row must not hide all the others.
        properties: serde_json::from_str(&properties).unwrap_or(Value::String(properties)),
        size,
    })
}

/// A message with its body, of which nothing may be missing.
pub(crate) fn whole(message: RejectedMessage, body: Bytes) -> Result<(RejectedMessage, Bytes), Fault> {
    if body.len() as u64 == message.size {
        return Ok((message, body));
    }
    let (id, found, size) = (message.id.get(), body.len(), message.size);
    let message = format!("of the body of rejected message {id} there are {found} of {size} bytes");
    Err(Fault::Storage(StorageError::Internal(cause(message))))
}

fn invalid(refusal: InvalidField) -> Error {
    Error::Decode(Box::new(refusal))
}
