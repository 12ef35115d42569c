//! Test data.

use bytes::Bytes;
use mymonit_model::{
    Email, Experiment, ExperimentDetails, ExperimentId, ExperimentName, FlagFilter, MeasureTypeId,
    MeasureValue, PersonName, Role, SensorName, StoredMeasure, Timestamp, User, UserId, Username,
};
use mymonit_services::message::{MessageId, Rejection, RejectionReason};
use mymonit_services::ports::{
    Access, Archived, Conflict, ExperimentChanges, ExperimentFilter, Identity, IngestContent, IngestMessage,
    IngestOutcome, MeasureQuery, NewMeasure, NewRejectedMessage, Order, StorageError, UserProfile,
};

use crate::database::Stores;

pub(crate) fn user_id(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn username(name: &str) -> Username {
    Username::new(name).unwrap()
}

/// The identity of a user who has signed in with that username.
pub(crate) fn by_name(name: &str) -> Identity {
    Identity::Username(username(name).into())
}

/// The identity of a signed-in user.
pub(crate) fn signed_in(user: &User) -> Identity {
    Identity::Username(user.username.clone())
}

/// What a signed-in user may read.
pub(crate) fn access_of(user: &User, experiment: Option<ExperimentName>) -> Access {
    Access { user_id: user.user_id.clone(), role: user.role, experiment, is_flagged: false, token: None }
}

/// A user whose username and e-mail address follow from the id.
/// The address uses its code points, since not every id is valid in one.
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
    stores.experiments.insert(&named(name)).await.unwrap()
}

/// All experiments, by id.
pub(crate) async fn all_experiments(stores: &Stores) -> Vec<Experiment> {
    let all = ExperimentFilter { of: None, archived: Archived::Include };
    stores.experiments.page(&all, None, u32::MAX).await.unwrap()
}

/// The experiments that are associated with a scientist.
pub(crate) async fn experiments_of(stores: &Stores, user_id: &UserId) -> Vec<Experiment> {
    let filter = ExperimentFilter { of: Some(user_id.clone()), archived: Archived::Include };
    stores.experiments.page(&filter, None, u32::MAX).await.unwrap()
}

/// An experiment of that name, not archived.
pub(crate) fn named(name: &str) -> ExperimentDetails {
    ExperimentDetails::named(experiment_name(name))
}

/// A change of the name alone.
pub(crate) fn renaming(name: &str) -> ExperimentChanges {
    ExperimentChanges { name: experiment_name(name), description: None, archived: None }
}

pub(crate) fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(nanos).unwrap()
}

pub(crate) fn measure(experiment: u32, measure_type: u16, nanos: i64, value: f64) -> NewMeasure {
    NewMeasure {
        experiment_id: ExperimentId::new(experiment),
        measure_type: MeasureTypeId::new(measure_type),
        sensor: None,
        timestamp: moment(nanos),
        value: MeasureValue::new(value).unwrap(),
    }
}

/// The measure, of that sensor.
pub(crate) fn of_sensor(sensor: &str, measure: NewMeasure) -> NewMeasure {
    NewMeasure { sensor: Some(SensorName::new(sensor).unwrap()), ..measure }
}

/// A message of those measures; an empty id means none.
pub(crate) fn message(id: &str, measures: Vec<NewMeasure>) -> IngestMessage {
    IngestMessage {
        publisher: None,
        message_id: MessageId::new(id.as_bytes()),
        content: IngestContent::Measures(measures),
    }
}

/// The result for such a message.
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
    IngestMessage { publisher: None, message_id: MessageId::new(id.as_bytes()), content }
}

/// Stores measures, and seals as the variant of the database requires.
pub(crate) async fn store(stores: &Stores, measures: Vec<NewMeasure>) {
    let mut moments: Vec<_> = measures.iter().map(|measure| measure.timestamp).collect();
    moments.sort();
    let outcomes = stores.ingest.commit(vec![message("", measures)]).await.unwrap();
    assert_eq!(outcomes, [IngestOutcome::Stored]);
    Box::pin(stores.seal_after_storing(moments.get(moments.len() / 2).copied())).await;
}

pub(crate) fn all_of(experiment: u32, order: Order) -> MeasureQuery {
    let experiment_id = ExperimentId::new(experiment);
    let flags = FlagFilter::default();
    MeasureQuery { experiment_id, from: None, to: None, types: Vec::new(), sensors: Vec::new(), order, flags }
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
