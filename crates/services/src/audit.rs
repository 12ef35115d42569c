//! Audit events: who did what, and who was refused ([docs/audit.md](../../../docs/audit.md)).
//! The services record each event once, where it is decided; the [`AuditLog`] port writes it.

use std::borrow::Cow;
use std::time::Duration;

use mymonit_model::{
    ApiTokenId, ExperimentId, FlagId, MeasureTypeId, PublisherName, SensorName, User, UserId,
};
use shaku::Interface;

use crate::ServiceError;
use crate::ports::RejectedMessageId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// No token, or one that does not verify. Only failures are recorded.
    Authenticate,
    /// A caller without the permission. Only failures are recorded.
    Authorize,
    /// A user was to be added.
    CreateUser,
    /// A user's record was to be changed.
    UpdateUser,
    /// A user's personal data were to be erased.
    EraseUser,
    /// Users were listed.
    ListUsers,
    /// A user's record was read.
    ReadUser,
    /// An API token was to be created.
    CreateApiToken,
    /// An API token was to be revoked.
    RevokeApiToken,
    /// An experiment was to be added.
    CreateExperiment,
    /// An experiment was to be renamed, described, archived or brought back.
    UpdateExperiment,
    /// A measure type was to be added.
    CreateMeasureType,
    /// A measure type's symbol or quantity was to be corrected.
    UpdateMeasureType,
    /// A sensor's description was to be replaced.
    UpdateSensor,
    /// A flag was to be set.
    CreateFlag,
    /// A flag was to be withdrawn.
    WithdrawFlag,
    /// A scientist was to be associated with an experiment.
    Associate,
    /// An association was to be ended.
    Dissociate,
    /// Associations were listed: all, or those of an experiment or of a user.
    ListAssociations,
    /// A token of evaluation mode was issued.
    IssueToken,
    /// A publisher was to be added or replaced.
    UpdatePublisher,
    /// A publisher was to be removed.
    DeletePublisher,
    /// Measures were read.
    ReadMeasures,
    /// Rejected messages were listed.
    ListRejectedMessages,
    /// A rejected message was read with its body.
    ReadRejectedMessage,
    /// The replay of a rejected message.
    ReplayRejectedMessage,
    /// The removal of a rejected message.
    DiscardRejectedMessage,
    /// Messages were consumed; recorded once a minute.
    ConsumeMessages,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 28] = [
        Self::Authenticate,
        Self::Authorize,
        Self::CreateUser,
        Self::UpdateUser,
        Self::EraseUser,
        Self::ListUsers,
        Self::ReadUser,
        Self::CreateApiToken,
        Self::RevokeApiToken,
        Self::CreateExperiment,
        Self::UpdateExperiment,
        Self::CreateMeasureType,
        Self::UpdateMeasureType,
        Self::UpdateSensor,
        Self::CreateFlag,
        Self::WithdrawFlag,
        Self::Associate,
        Self::Dissociate,
        Self::ListAssociations,
        Self::IssueToken,
        Self::UpdatePublisher,
        Self::DeletePublisher,
        Self::ReadMeasures,
        Self::ListRejectedMessages,
        Self::ReadRejectedMessage,
        Self::ReplayRejectedMessage,
        Self::DiscardRejectedMessage,
        Self::ConsumeMessages,
    ];

    /// The stable name, ECS's `event.action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authenticate => "authenticate",
            Self::Authorize => "authorize",
            Self::CreateUser => "create-user",
            Self::UpdateUser => "update-user",
            Self::EraseUser => "erase-user",
            Self::ListUsers => "list-users",
            Self::ReadUser => "read-user",
            Self::CreateApiToken => "create-api-token",
            Self::RevokeApiToken => "revoke-api-token",
            Self::CreateExperiment => "create-experiment",
            Self::UpdateExperiment => "update-experiment",
            Self::CreateMeasureType => "create-measure-type",
            Self::UpdateMeasureType => "update-measure-type",
            Self::UpdateSensor => "update-sensor",
            Self::CreateFlag => "create-flag",
            Self::WithdrawFlag => "withdraw-flag",
            Self::Associate => "associate",
            Self::Dissociate => "dissociate",
            Self::ListAssociations => "list-associations",
            Self::IssueToken => "issue-token",
            Self::UpdatePublisher => "update-publisher",
            Self::DeletePublisher => "delete-publisher",
            Self::ReadMeasures => "read-measures",
            Self::ListRejectedMessages => "list-rejected-messages",
            Self::ReadRejectedMessage => "read-rejected-message",
            Self::ReplayRejectedMessage => "replay-rejected-message",
            Self::DiscardRejectedMessage => "discard-rejected-message",
            Self::ConsumeMessages => "consume-messages",
        }
    }

    /// ECS's `event.category`.
    pub const fn category(self) -> &'static str {
        match self {
            Self::Authenticate => "authentication",
            Self::Authorize
            | Self::CreateUser
            | Self::UpdateUser
            | Self::EraseUser
            | Self::ListUsers
            | Self::ReadUser
            | Self::CreateApiToken
            | Self::RevokeApiToken
            | Self::Associate
            | Self::Dissociate
            | Self::UpdatePublisher
            | Self::DeletePublisher
            | Self::ListAssociations
            | Self::IssueToken => "iam",
            Self::CreateExperiment
            | Self::UpdateExperiment
            | Self::CreateMeasureType
            | Self::UpdateMeasureType
            | Self::UpdateSensor => "configuration",
            Self::CreateFlag
            | Self::WithdrawFlag
            | Self::ReadMeasures
            | Self::ListRejectedMessages
            | Self::ReadRejectedMessage
            | Self::ReplayRejectedMessage
            | Self::DiscardRejectedMessage
            | Self::ConsumeMessages => "database",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was not done, or not to its end.
    Failure,
    /// It may have been done: the database became unreachable before it confirmed.
    Unknown,
}

impl Outcome {
    /// ECS's `event.outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

/// The object of the action. Only existing objects are named: a path may hold personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A user.
    User(UserId),
    /// An API token.
    ApiToken(ApiTokenId),
    /// An experiment. Its number is no personal data, so it may be unknown.
    Experiment(ExperimentId),
    /// A measure type.
    MeasureType(MeasureTypeId),
    /// A sensor of an experiment.
    Sensor(ExperimentId, SensorName),
    /// A flag of an experiment.
    Flag(ExperimentId, FlagId),
    /// That a scientist may read an experiment.
    Association(ExperimentId, UserId),
    /// A publisher.
    Publisher(PublisherName),
    /// A rejected message.
    RejectedMessage(RejectedMessageId),
}

impl Resource {
    /// What kind of thing it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ApiToken(_) => "api-token",
            Self::Experiment(_) => "experiment",
            Self::MeasureType(_) => "measure-type",
            Self::Sensor(..) => "sensor",
            Self::Flag(..) => "flag",
            Self::Association(..) => "association",
            Self::Publisher(_) => "publisher",
            Self::RejectedMessage(_) => "rejected-message",
        }
    }

    /// Its id. Of an association: both ids, separated by a slash. Of a sensor or flag: the
    /// experiment and the name or number, separated by a slash.
    pub fn id(&self) -> String {
        match self {
            Self::User(user_id) => user_id.to_string(),
            Self::ApiToken(id) => id.to_string(),
            Self::Experiment(experiment_id) => experiment_id.to_string(),
            Self::MeasureType(id) => id.get().to_string(),
            Self::Sensor(experiment_id, name) => format!("{experiment_id}/{name}"),
            Self::Flag(experiment_id, id) => format!("{experiment_id}/{id}"),
            Self::Association(experiment_id, user_id) => format!("{experiment_id}/{user_id}"),
            Self::Publisher(name) => name.to_string(),
            Self::RejectedMessage(id) => id.get().to_string(),
        }
    }
}

/// The messages that the consumer handled in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// In how long.
    pub during: Duration,
    /// Delivered by the broker.
    pub received: u64,
    /// Committed with all their measures.
    pub stored: u64,
    /// Known by their `message-id`.
    pub duplicate: u64,
    /// Kept among the rejected ones.
    pub rejected: u64,
}

/// A CLI command with the effect of REST requests. Its operator has the database's credentials and
/// is not a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `mymonit import`.
    Import,
    /// `mymonit token`.
    Token,
}

impl Command {
    /// The command's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Token => "token",
        }
    }
}

/// One event. An [`AuditLog`] takes `request_id`, `source_ip` and the `token_id` of an API token
/// from the caller's tracing span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// What happened.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// The user, if known.
    pub user_id: Option<UserId>,
    /// The CLI command, if an operator did it instead of a user.
    pub command: Option<Command>,
    /// What was refused, with [`Action::Authorize`].
    pub operation: Option<Operation>,
    /// The object of the action.
    pub resource: Option<Resource>,
    /// The reason of the outcome; never text of the client.
    pub reason: Option<Cow<'static, str>>,
    /// How many measures were read, or stored.
    pub measures: Option<u64>,
    /// The names of the fields that an update has changed. Their values may be personal data.
    pub changed: Vec<&'static str>,
    /// The consumed messages, with [`Action::ConsumeMessages`].
    pub throughput: Option<Throughput>,
}

impl AuditEvent {
    /// An event without optional fields.
    pub const fn new(action: Action, outcome: Outcome) -> Self {
        Self {
            action,
            outcome,
            user_id: None,
            command: None,
            operation: None,
            resource: None,
            reason: None,
            measures: None,
            changed: Vec::new(),
            throughput: None,
        }
    }
}

/// Writes audit events down.
pub trait AuditLog: Interface {
    /// Writes one event within the span of its request. Neither fails nor blocks.
    fn record(&self, event: AuditEvent);
}

/// The names of the fields that have changed.
pub(crate) fn changed<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter_map(|(name, has_changed)| has_changed.then_some(name)).collect()
}

/// Operations of the services that a caller may be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To sign in with a valid token of an unknown user.
    SignIn,
    /// To use an API token beyond its permissions.
    UseApiToken,
    /// To see API tokens.
    ListApiTokens,
    /// To create an API token.
    CreateApiToken,
    /// To revoke an API token.
    RevokeApiToken,
    /// To see all users.
    ListUsers,
    /// To see a user.
    ReadUser,
    /// To add a user.
    CreateUser,
    /// To change a user.
    UpdateUser,
    /// To erase a user.
    EraseUser,
    /// To see an experiment.
    ReadExperiment,
    /// To add an experiment.
    CreateExperiment,
    /// To rename, describe, archive or bring back an experiment.
    UpdateExperiment,
    /// To add a measure type.
    CreateMeasureType,
    /// To correct a measure type.
    UpdateMeasureType,
    /// To see the sensors of an experiment.
    ReadSensors,
    /// To describe a sensor.
    UpdateSensor,
    /// To see the flags of an experiment.
    ReadFlags,
    /// To set a flag.
    CreateFlag,
    /// To withdraw a flag.
    WithdrawFlag,
    /// To see all associations.
    ListAssociations,
    /// To associate a scientist.
    Associate,
    /// To end an association.
    Dissociate,
    /// To see all publishers.
    ListPublishers,
    /// To see a publisher.
    ReadPublisher,
    /// To add or replace a publisher.
    UpdatePublisher,
    /// To remove a publisher.
    DeletePublisher,
    /// To read measures.
    ReadMeasures,
    /// To list rejected messages.
    ListRejectedMessages,
    /// To see a rejected message.
    ReadRejectedMessage,
    /// To replay a rejected message.
    ReplayRejectedMessage,
    /// To remove a rejected message.
    DiscardRejectedMessage,
}

impl Operation {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::ListUsers => Action::ListUsers.as_str(),
            Self::ReadUser => Action::ReadUser.as_str(),
            Self::UseApiToken => "use-api-token",
            Self::ListApiTokens => "list-api-tokens",
            Self::CreateApiToken => Action::CreateApiToken.as_str(),
            Self::RevokeApiToken => Action::RevokeApiToken.as_str(),
            Self::CreateUser => Action::CreateUser.as_str(),
            Self::UpdateUser => Action::UpdateUser.as_str(),
            Self::EraseUser => Action::EraseUser.as_str(),
            Self::ReadExperiment => "read-experiment",
            Self::CreateExperiment => Action::CreateExperiment.as_str(),
            Self::UpdateExperiment => Action::UpdateExperiment.as_str(),
            Self::CreateMeasureType => Action::CreateMeasureType.as_str(),
            Self::UpdateMeasureType => Action::UpdateMeasureType.as_str(),
            Self::ListAssociations => Action::ListAssociations.as_str(),
            Self::ReadSensors => "read-sensors",
            Self::UpdateSensor => Action::UpdateSensor.as_str(),
            Self::ReadFlags => "read-flags",
            Self::CreateFlag => Action::CreateFlag.as_str(),
            Self::WithdrawFlag => Action::WithdrawFlag.as_str(),
            Self::Associate => Action::Associate.as_str(),
            Self::Dissociate => Action::Dissociate.as_str(),
            Self::ListPublishers => "list-publishers",
            Self::ReadPublisher => "read-publisher",
            Self::UpdatePublisher => Action::UpdatePublisher.as_str(),
            Self::DeletePublisher => Action::DeletePublisher.as_str(),
            Self::ReadMeasures => Action::ReadMeasures.as_str(),
            Self::ListRejectedMessages => Action::ListRejectedMessages.as_str(),
            Self::ReadRejectedMessage => Action::ReadRejectedMessage.as_str(),
            Self::ReplayRejectedMessage => Action::ReplayRejectedMessage.as_str(),
            Self::DiscardRejectedMessage => Action::DiscardRejectedMessage.as_str(),
        }
    }

    /// The action to record on success; `None` if only refusals are recorded. Readings of measures
    /// record themselves when they end.
    const fn action(self) -> Option<Action> {
        match self {
            Self::ListUsers => Some(Action::ListUsers),
            Self::ReadUser => Some(Action::ReadUser),
            Self::CreateUser => Some(Action::CreateUser),
            Self::UpdateUser => Some(Action::UpdateUser),
            Self::EraseUser => Some(Action::EraseUser),
            Self::CreateApiToken => Some(Action::CreateApiToken),
            Self::RevokeApiToken => Some(Action::RevokeApiToken),
            Self::CreateExperiment => Some(Action::CreateExperiment),
            Self::UpdateExperiment => Some(Action::UpdateExperiment),
            Self::CreateMeasureType => Some(Action::CreateMeasureType),
            Self::UpdateMeasureType => Some(Action::UpdateMeasureType),
            Self::UpdateSensor => Some(Action::UpdateSensor),
            Self::CreateFlag => Some(Action::CreateFlag),
            Self::WithdrawFlag => Some(Action::WithdrawFlag),
            Self::Associate => Some(Action::Associate),
            Self::Dissociate => Some(Action::Dissociate),
            Self::ListAssociations => Some(Action::ListAssociations),
            Self::ListRejectedMessages => Some(Action::ListRejectedMessages),
            Self::ReadRejectedMessage => Some(Action::ReadRejectedMessage),
            Self::UpdatePublisher => Some(Action::UpdatePublisher),
            Self::DeletePublisher => Some(Action::DeletePublisher),
            Self::ReplayRejectedMessage => Some(Action::ReplayRejectedMessage),
            Self::DiscardRejectedMessage => Some(Action::DiscardRejectedMessage),
            _ => None,
        }
    }
}

/// An operation in progress. It is recorded exactly once: when it is concluded, or on drop if
/// the caller of a change disconnected.
pub(crate) struct Attempt<'a> {
    audit: &'a dyn AuditLog,
    caller: &'a User,
    operation: Operation,
    resource: Option<Resource>,
    measures: Option<u64>,
    changed: Vec<&'static str>,
    is_open: bool,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(audit: &'a dyn AuditLog, caller: &'a User, operation: Operation) -> Self {
        Self { audit, caller, operation, resource: None, measures: None, changed: Vec::new(), is_open: true }
    }

    /// Who tries it.
    pub(crate) const fn caller(&self) -> &'a User {
        self.caller
    }

    /// Sets the object of the operation, which must exist.
    pub(crate) fn on(mut self, resource: Resource) -> Self {
        self.concerns(resource);
        self
    }

    /// As [`Self::on`], for an object that is found during the operation.
    pub(crate) fn concerns(&mut self, resource: Resource) {
        self.resource = Some(resource);
    }

    /// Which fields it has changed.
    pub(crate) fn changed(&mut self, fields: Vec<&'static str>) {
        self.changed = fields;
    }

    /// How many measures were stored by it.
    pub(crate) fn stored(&mut self, measures: usize) {
        self.measures = Some(measures.try_into().unwrap_or(u64::MAX));
    }

    /// Records the outcome and returns the result.
    pub(crate) fn conclude<T>(mut self, result: Result<T, ServiceError>) -> Result<T, ServiceError> {
        match &result {
            Ok(_) => self.tell(Outcome::Success, None),
            Err(ServiceError::Forbidden(reason)) => self.refuse(reason),
            Err(ServiceError::Unavailable(_)) => self.tell(Outcome::Unknown, Some("unavailable".into())),
            Err(ServiceError::Internal(_)) => self.tell(Outcome::Unknown, Some("internal".into())),
            Err(error) => self.tell(Outcome::Failure, Some(error.code().into())),
        }
        result
    }

    /// Records changes that were made, instead of one event at the end.
    pub(crate) fn done(&mut self, changes: impl Iterator<Item = (Action, Resource)>) {
        self.is_open = false;
        for (action, resource) in changes {
            self.concerns(resource);
            self.record(AuditEvent::new(action, Outcome::Success));
        }
    }

    /// Records a failure that is no error of a service.
    pub(crate) fn fail(mut self, reason: &'static str) {
        self.tell(Outcome::Failure, Some(reason.into()));
    }

    /// Records a refusal, also where the response is 404.
    pub(crate) fn refuse(&mut self, reason: &'static str) {
        self.is_open = false;
        self.record(AuditEvent {
            operation: Some(self.operation),
            reason: Some(reason.into()),
            ..AuditEvent::new(Action::Authorize, Outcome::Failure)
        });
    }

    fn tell(&mut self, outcome: Outcome, reason: Option<Cow<'static, str>>) {
        let was_open = std::mem::take(&mut self.is_open);
        if let Some(action) = self.operation.action().filter(|_| was_open) {
            self.record(AuditEvent { reason, ..AuditEvent::new(action, outcome) });
        }
    }

    fn record(&mut self, event: AuditEvent) {
        self.audit.record(AuditEvent {
            user_id: Some(self.caller.user_id.clone()),
            resource: self.resource.take(),
            measures: self.measures,
            changed: std::mem::take(&mut self.changed),
            ..event
        });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.tell(Outcome::Unknown, Some("the caller did not wait for the end".into()));
    }
}
