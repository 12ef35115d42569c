//! Things to put into a database.

use bytes::Bytes;
use mymonit_model::{
    Email, Experiment, ExperimentId, ExperimentName, MeasureTypeId, MeasureValue, PersonName, Role,
    StoredMeasure, Timestamp, User, UserId, Username,
};
use mymonit_services::message::{MessageId, Rejection, RejectionReason};
use mymonit_services::ports::{
    Conflict, IngestContent, IngestMessage, IngestOutcome, MeasureQuery, NewMeasure, NewRejectedMessage,
    Order, StorageError, UserProfile,
};

use crate::database::Stores;

pub(crate) fn user_id(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn username(name: &str) -> Username {
    Username::new(name).unwrap()
}

/// A user whose username and e-mail address follow from the id, the address by its code points, since
/// not every id could stand in one.
pub(crate) fn user(id: &str, role: Role) -> User {
    User {
        user_id: user_id(id),
        name: PersonName::new("Peter Higg").unwrap().into(),
        username: username(&format!("uid-{id}")).into(),
        email: address(id).into(),
        role,
    }
}

pub(crate) fn address(id: &str) -> Email {
    let codes: Vec<_> = id.chars().take(8).map(|character| format!("{:x}", u32::from(character))).collect();
    Email::new(&format!("u{}@home.cern", codes.join("-"))).unwrap()
}

pub(crate) fn profile(name: &str, uid: &str, email: &str) -> UserProfile {
    UserProfile {
        name: PersonName::new(name).unwrap().into(),
        username: username(uid).into(),
        email: Email::new(email).unwrap().into(),
    }
}

pub(crate) fn experiment_name(name: &str) -> ExperimentName {
    ExperimentName::new(name).unwrap()
}

pub(crate) async fn add_user(stores: &Stores, id: &str, role: Role) -> User {
    let user = user(id, role);
    stores.users.insert(&user).await.unwrap();
    user
}

pub(crate) async fn add_experiment(stores: &Stores, name: &str) -> Experiment {
    stores.experiments.insert(&experiment_name(name)).await.unwrap()
}

pub(crate) fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(nanos).unwrap()
}

pub(crate) fn measure(experiment: u32, measure_type: u16, nanos: i64, value: f64) -> NewMeasure {
    NewMeasure {
        experiment_id: ExperimentId::new(experiment),
        measure_type: MeasureTypeId::new(measure_type),
        timestamp: moment(nanos),
        value: MeasureValue::new(value).unwrap(),
    }
}

/// A message of those measures; an empty id means none.
pub(crate) fn message(id: &str, measures: Vec<NewMeasure>) -> IngestMessage {
    IngestMessage { message_id: MessageId::new(id.as_bytes()), content: IngestContent::Measures(measures) }
}

/// What becomes of such a message.
pub(crate) const REJECTED: IngestOutcome = IngestOutcome::Rejected(RejectionReason::UnknownExperiment);

pub(crate) fn rejection(body: impl Into<Bytes>) -> NewRejectedMessage {
    NewRejectedMessage {
        rejection: Rejection::new(
            RejectionReason::UnknownExperiment,
            "`experiment`: there is no experiment named `x`",
        ),
        received_at: moment(1_650_000_000_123_456_789),
        properties: serde_json::json!({ "content_type": "application/json" }),
        body: body.into(),
    }
}

/// A message that cannot be stored; an empty id means none.
pub(crate) fn rejected(id: &str, body: impl Into<Bytes>) -> IngestMessage {
    let content = IngestContent::Rejected(Box::new(rejection(body)));
    IngestMessage { message_id: MessageId::new(id.as_bytes()), content }
}

pub(crate) async fn store(stores: &Stores, measures: Vec<NewMeasure>) {
    let outcomes = stores.ingest.commit(&[message("", measures)]).await.unwrap();
    assert_eq!(outcomes, [IngestOutcome::Stored]);
}

pub(crate) fn all_of(experiment: u32, order: Order) -> MeasureQuery {
    let experiment_id = ExperimentId::new(experiment);
    MeasureQuery { experiment_id, from: None, to: None, types: Vec::new(), order }
}

pub(crate) async fn read(stores: &Stores, experiment: u32, order: Order) -> Vec<StoredMeasure> {
    stores.measures.page(&all_of(experiment, order), None, u32::MAX).await.unwrap()
}

/// Type, nanoseconds and the bits of the value.
pub(crate) fn bits(measure: &StoredMeasure) -> (u16, i64, u64) {
    (measure.measure_type.get(), measure.timestamp.unix_nanos(), measure.value.get().to_bits())
}

pub(crate) fn conflict_of<T: std::fmt::Debug>(result: Result<T, StorageError>) -> Conflict {
    match result {
        Err(StorageError::Conflict(conflict)) => conflict,
        other => panic!("no conflict: {other:?}"),
    }
}
