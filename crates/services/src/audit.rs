//! What an auditor wants to know (specification §9): who did what, and who was refused. The services tell of each
//! event where it is decided, once, so that every door tells the same; how it is written down is the port's affair.

use std::borrow::Cow;
use std::time::Duration;

use mymonit_model::{ExperimentId, User, UserId};
use shaku::Interface;

use crate::ServiceError;
use crate::ports::RejectedMessageId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Somebody showed no token, or one that does not verify. Told of failures only.
    Authenticate,
    /// Somebody was refused what they may not do. Told of failures only.
    Authorize,
    /// A user was to be added.
    CreateUser,
    /// A user's record was to be changed.
    UpdateUser,
    /// A user's personal data were to be erased.
    EraseUser,
    /// An experiment was to be added.
    CreateExperiment,
    /// An experiment was to be renamed.
    RenameExperiment,
    /// A scientist was to be associated with an experiment.
    Associate,
    /// An association was to be ended.
    Dissociate,
    /// Measures were read.
    ReadMeasures,
    /// A rejected message was tried again.
    ReplayRejectedMessage,
    /// A rejected message was to be removed for good.
    DiscardRejectedMessage,
    /// Messages were taken in; told once a minute.
    ConsumeMessages,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 13] = [
        Self::Authenticate,
        Self::Authorize,
        Self::CreateUser,
        Self::UpdateUser,
        Self::EraseUser,
        Self::CreateExperiment,
        Self::RenameExperiment,
        Self::Associate,
        Self::Dissociate,
        Self::ReadMeasures,
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
            Self::CreateExperiment => "create-experiment",
            Self::RenameExperiment => "rename-experiment",
            Self::Associate => "associate",
            Self::Dissociate => "dissociate",
            Self::ReadMeasures => "read-measures",
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
            | Self::Associate
            | Self::Dissociate => "iam",
            Self::CreateExperiment | Self::RenameExperiment => "configuration",
            Self::ReadMeasures
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
    /// It may have been done: the database went away before it could say.
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

/// What it was done to. Only what exists is named: a client can write anything into a path, a person's name as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A user.
    User(UserId),
    /// An experiment; its number alone, which tells nothing, may be of one that there is not.
    Experiment(ExperimentId),
    /// That a scientist may read an experiment.
    Association(ExperimentId, UserId),
    /// A rejected message.
    RejectedMessage(RejectedMessageId),
}

impl Resource {
    /// What kind of thing it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Experiment(_) => "experiment",
            Self::Association(..) => "association",
            Self::RejectedMessage(_) => "rejected-message",
        }
    }

    /// Which one it is; of an association the two ids with a slash between them.
    pub fn id(&self) -> String {
        match self {
            Self::User(user_id) => user_id.to_string(),
            Self::Experiment(experiment_id) => experiment_id.to_string(),
            Self::Association(experiment_id, user_id) => format!("{experiment_id}/{user_id}"),
            Self::RejectedMessage(id) => id.get().to_string(),
        }
    }
}

/// What the consumer has done in some time, in messages.
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

/// A command of the program with which an operator on the machine does what users do over REST. An operator has the
/// database's credentials and is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `mymonit export`.
    Export,
    /// `mymonit import`.
    Import,
}

impl Command {
    /// The command's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
        }
    }
}

/// One event. Which request it belongs to, and from where that came, is not in it: each door opens a tracing span
/// with `request_id` and `source_ip`, and an [`AuditLog`] takes them from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// What happened.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it, where that is known.
    pub user_id: Option<UserId>,
    /// By which command an operator did it, where no user did.
    pub command: Option<Command>,
    /// What was refused, with [`Action::Authorize`].
    pub operation: Option<Operation>,
    /// What it was done to.
    pub resource: Option<Resource>,
    /// Why it ended so; never the client's own words.
    pub reason: Option<Cow<'static, str>>,
    /// How many measures were read, or stored.
    pub measures: Option<u64>,
    /// What was taken in, with [`Action::ConsumeMessages`].
    pub throughput: Option<Throughput>,
}

impl AuditEvent {
    /// An event of which no more is known yet.
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
            throughput: None,
        }
    }
}

/// Writes audit events down.
pub trait AuditLog: Interface {
    /// Writes one event down, within the span of the request that it belongs to. Neither fails nor waits.
    fn record(&self, event: AuditEvent);
}

/// What a caller can ask of the services and be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To come in at all, with a token that verifies.
    SignIn,
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
    /// To rename an experiment.
    RenameExperiment,
    /// To see all associations.
    ListAssociations,
    /// To associate a scientist.
    Associate,
    /// To end an association.
    Dissociate,
    /// To read measures.
    ReadMeasures,
    /// To see what rejected messages there are.
    ListRejectedMessages,
    /// To see a rejected message.
    ReadRejectedMessage,
    /// To try a rejected message again.
    ReplayRejectedMessage,
    /// To remove a rejected message.
    DiscardRejectedMessage,
}

impl Operation {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::ListUsers => "list-users",
            Self::ReadUser => "read-user",
            Self::CreateUser => Action::CreateUser.as_str(),
            Self::UpdateUser => Action::UpdateUser.as_str(),
            Self::EraseUser => Action::EraseUser.as_str(),
            Self::ReadExperiment => "read-experiment",
            Self::CreateExperiment => Action::CreateExperiment.as_str(),
            Self::RenameExperiment => Action::RenameExperiment.as_str(),
            Self::ListAssociations => "list-associations",
            Self::Associate => Action::Associate.as_str(),
            Self::Dissociate => Action::Dissociate.as_str(),
            Self::ReadMeasures => Action::ReadMeasures.as_str(),
            Self::ListRejectedMessages => "list-rejected-messages",
            Self::ReadRejectedMessage => "read-rejected-message",
            Self::ReplayRejectedMessage => Action::ReplayRejectedMessage.as_str(),
            Self::DiscardRejectedMessage => Action::DiscardRejectedMessage.as_str(),
        }
    }

    /// The action that is told of when it is done; none for what is told of only when it is refused. Readings tell
    /// of themselves when they end.
    const fn change(self) -> Option<Action> {
        match self {
            Self::CreateUser => Some(Action::CreateUser),
            Self::UpdateUser => Some(Action::UpdateUser),
            Self::EraseUser => Some(Action::EraseUser),
            Self::CreateExperiment => Some(Action::CreateExperiment),
            Self::RenameExperiment => Some(Action::RenameExperiment),
            Self::Associate => Some(Action::Associate),
            Self::Dissociate => Some(Action::Dissociate),
            Self::ReplayRejectedMessage => Some(Action::ReplayRejectedMessage),
            Self::DiscardRejectedMessage => Some(Action::DiscardRejectedMessage),
            _ => None,
        }
    }
}

/// An operation under way. It is told of exactly once: when it is concluded, or, if it is a change whose caller did
/// not stay to the end, when it is dropped.
pub(crate) struct Attempt<'a> {
    audit: &'a dyn AuditLog,
    caller: &'a User,
    operation: Operation,
    resource: Option<Resource>,
    measures: Option<u64>,
    is_open: bool,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(audit: &'a dyn AuditLog, caller: &'a User, operation: Operation) -> Self {
        Self { audit, caller, operation, resource: None, measures: None, is_open: true }
    }

    /// Who tries it.
    pub(crate) const fn caller(&self) -> &'a User {
        self.caller
    }

    /// Names what the operation is about, which must exist.
    pub(crate) fn on(mut self, resource: Resource) -> Self {
        self.concerns(resource);
        self
    }

    /// As [`Self::on`], for what is known only on the way.
    pub(crate) fn concerns(&mut self, resource: Resource) {
        self.resource = Some(resource);
    }

    /// How many measures were stored by it.
    pub(crate) fn stored(&mut self, measures: usize) {
        self.measures = Some(measures.try_into().unwrap_or(u64::MAX));
    }

    /// Tells how it ended, and hands the result on.
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

    /// Tells that it was done in vain, for a reason that is no error.
    pub(crate) fn fail(mut self, reason: &'static str) {
        self.tell(Outcome::Failure, Some(reason.into()));
    }

    /// Tells that the caller may not do this, also where the caller is told that there is no such thing.
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
        if let Some(action) = self.operation.change().filter(|_| was_open) {
            self.record(AuditEvent { reason, ..AuditEvent::new(action, outcome) });
        }
    }

    fn record(&mut self, event: AuditEvent) {
        self.audit.record(AuditEvent {
            user_id: Some(self.caller.user_id.clone()),
            resource: self.resource.take(),
            measures: self.measures,
            ..event
        });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.tell(Outcome::Unknown, Some("the caller did not wait for the end".into()));
    }
}
