//! What the services need from outside, one small trait per aggregate. The storage crate implements
//! the stores for MySQL and for SQLite, and one contract test suite holds the two together.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use mymonit_model::{
    Email, Experiment, ExperimentId, ExperimentName, Faceted, MeasureId, MeasureType, MeasureTypeId,
    MeasureValue, PersonName, Role, StoredMeasure, Timestamp, User, UserId, Username,
};
use shaku::Interface;
use thiserror::Error;

use crate::directory::{Change, Directory};
pub use crate::error::Cause;
use crate::example_data::ExampleData;
use crate::message::{MessageId, Rejection, RejectionReason};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, Error)]
pub enum StorageError {
    /// What was to be written contradicts what is there. Nothing was written.
    #[error("{}", .0.message())]
    Conflict(Conflict),
    /// The database cannot be reached, is read-only or full, or gave up on a deadlock or a lock: the
    /// same call may succeed later. Nothing was written, or it is not known whether it was.
    #[error("the database is unavailable for now")]
    Unavailable(#[source] Cause),
    /// The database refuses this very data and will always do so. Nothing was written.
    #[error("the database refuses the data")]
    Data(#[source] Cause),
    /// Anything else; a defect.
    #[error("the database failed")]
    Internal(#[source] Cause),
}

/// What a write ran against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// The staff identification is or was in use.
    UserId,
    /// The username is in use.
    Username,
    /// The e-mail address is in use, in whatever case.
    Email,
    /// The experiment name is in use.
    ExperimentName,
    /// The scientist is associated already.
    Association,
}

impl Conflict {
    /// The conflict in words for the client, naming the field.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UserId => "`user_id` is in use, or was used by an erased user",
            Self::Username => "`username` is in use",
            Self::Email => "`email` is in use",
            Self::ExperimentName => "`name` is in use by another experiment",
            Self::Association => "the scientist is associated with the experiment already",
        }
    }
}

/// What can be changed of a user: everything but the id and the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// The person's name.
    pub name: Faceted<PersonName>,
    /// The Firebase UID.
    pub username: Faceted<Username>,
    /// The e-mail address.
    pub email: Faceted<Email>,
}

/// How an erasure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Name, e-mail, username and associations are gone for good.
    Erased,
    /// There is no such user, or it was erased before.
    Absent,
    /// The user is the only administrator left; nothing was changed.
    LastAdministrator,
}

/// Keeps the users. Erased users exist only for [`UserStore::insert`], which refuses their ids.
#[async_trait]
pub trait UserStore: Interface {
    /// All users, by id.
    async fn list(&self) -> Result<Vec<User>, StorageError>;
    /// The user of that id.
    async fn find(&self, user_id: &UserId) -> Result<Option<User>, StorageError>;
    /// The user whom a verified token names.
    async fn find_by_username(&self, username: &Username) -> Result<Option<User>, StorageError>;
    /// The user whom a verified token names and, if that user is associated with the experiment, the experiment; both in
    /// one question, as they are committed now.
    async fn find_with_experiment(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
    ) -> Result<Option<(User, Option<Experiment>)>, StorageError>;
    /// Adds a user. Refuses with a [`Conflict`] an id that is or ever was in use, a username or an
    /// e-mail address that is in use.
    async fn insert(&self, user: &User) -> Result<(), StorageError>;
    /// Replaces the profile; `false` if there is no such user.
    async fn update(&self, user_id: &UserId, profile: &UserProfile) -> Result<bool, StorageError>;
    /// Erases a user, unless it is the last administrator; check and erasure are one step, so that
    /// two administrators who erase each other at the same instant cannot both succeed.
    async fn erase(&self, user_id: &UserId) -> Result<Erasure, StorageError>;
}

/// Keeps the experiments.
#[async_trait]
pub trait ExperimentStore: Interface {
    /// All experiments, by id.
    async fn list(&self) -> Result<Vec<Experiment>, StorageError>;
    /// The experiments that a scientist is associated with, by id.
    async fn list_of(&self, user_id: &UserId) -> Result<Vec<Experiment>, StorageError>;
    /// The experiment of that id.
    async fn find(&self, experiment_id: ExperimentId) -> Result<Option<Experiment>, StorageError>;
    /// The experiment of that id, if the scientist is associated with it.
    async fn find_of(
        &self,
        user_id: &UserId,
        experiment_id: ExperimentId,
    ) -> Result<Option<Experiment>, StorageError>;
    /// The ids of those of the `names` that exist, compared exactly, as they are committed now.
    async fn ids_by_name(
        &self,
        names: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, ExperimentId>, StorageError>;
    /// Adds an experiment and gives it its id.
    async fn insert(&self, name: &ExperimentName) -> Result<Experiment, StorageError>;
    /// Renames an experiment; `false` if there is none of that id.
    async fn rename(&self, experiment: &Experiment) -> Result<bool, StorageError>;
}

/// Keeps which scientist may read which experiment.
#[async_trait]
pub trait AssociationStore: Interface {
    /// All associations, by experiment and then by user.
    async fn list(&self) -> Result<Vec<(ExperimentId, User)>, StorageError>;
    /// Adds an association; refuses one that exists with [`Conflict::Association`]. `false` if the
    /// user or the experiment does not exist (any more).
    async fn insert(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError>;
    /// Removes an association; `false` if there was none.
    async fn delete(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError>;
}

/// Keeps the measure types. They are only ever added, by a row of the database.
#[async_trait]
pub trait MeasureTypeStore: Interface {
    /// All measure types, by id.
    async fn list(&self) -> Result<Vec<MeasureType>, StorageError>;
}

/// In which order measures are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first; of equal timestamps the last arrived first.
    #[default]
    Descending,
    /// Oldest first; of equal timestamps the first arrived first. The exact reverse of the other.
    Ascending,
}

/// Which measures to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasureQuery {
    /// Of which experiment.
    pub experiment_id: ExperimentId,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Of these types only; empty means of any type.
    pub types: Vec<MeasureTypeId>,
    /// In which order.
    pub order: Order,
}

/// Where a measure stands among those of its experiment; no two share a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeasurePosition {
    /// The measure's timestamp.
    pub timestamp: Timestamp,
    /// The measure's number, which tells equal timestamps apart.
    pub id: MeasureId,
}

/// A page of measures with what its reader is to the experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadersPage {
    /// Who reads.
    pub user_id: UserId,
    /// The reader's role.
    pub role: Role,
    /// The experiment's name.
    pub experiment: ExperimentName,
    /// The measures; at least one.
    pub measures: Vec<StoredMeasure>,
}

/// Reads the measures.
#[async_trait]
pub trait MeasureStore: Interface {
    /// The first `limit` measures of the query that come strictly after the position `after` in the
    /// query's order. One index range scan, however many measures are stored.
    async fn page(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError>;
    /// [`Self::page`], and whether the user of that username is associated with the experiment, in one question: a
    /// page that is there is whole, and the association was there when it was read. `None` where the two are not
    /// associated, or either is not there, and also where one question does not tell, as with an empty page: the
    /// caller has to ask one thing after the other then.
    async fn page_for(
        &self,
        username: &Username,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Option<ReadersPage>, StorageError>;
}

/// A measure whose names have been resolved, on its way into the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewMeasure {
    /// Of which experiment.
    pub experiment_id: ExperimentId,
    /// What it measures.
    pub measure_type: MeasureTypeId,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The number.
    pub value: MeasureValue,
}

/// A message that can never be stored, kept whole so that it can be read and replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRejectedMessage {
    /// Why.
    pub rejection: Rejection,
    /// When the service took it from the broker.
    pub received_at: Timestamp,
    /// The message's AMQP properties as a JSON object.
    pub properties: serde_json::Value,
    /// The body, byte for byte, of whatever size.
    pub body: Bytes,
}

/// One message on its way into the database.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestMessage {
    /// The publisher's name for the message, if it gave one.
    pub message_id: Option<MessageId>,
    /// What is to be kept of it.
    pub content: IngestContent,
}

/// What is to be kept of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum IngestContent {
    /// Its measures, all or none.
    Measures(Vec<NewMeasure>),
    /// The message itself, since it can never be stored.
    Rejected(Box<NewRejectedMessage>),
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestOutcome {
    /// Its measures are committed.
    Stored,
    /// It is kept among the rejected messages, committed, for this reason.
    Rejected(RejectionReason),
    /// Its `message-id` is known: the message was kept before, nothing was written now.
    Duplicate,
}

/// Takes messages into the database.
#[async_trait]
pub trait IngestStore: Interface {
    /// Writes a batch in one transaction and tells what became of each message, in their order. When
    /// this returns `Ok`, all of it is committed; when it returns an error, none of it is, or (a
    /// connection lost during the commit) it is not known, and the caller tries again.
    ///
    /// A `message-id` is kept once, whether its message was stored or rejected, also if it stands in
    /// the batch twice or is committed by another process at the same instant: the first one wins, the
    /// others are [`IngestOutcome::Duplicate`]. One exception: when a message comes again whose earlier
    /// copy is still kept among the rejected ones, and it can be stored now, then it is stored and the
    /// rejected copy is removed in the same transaction, so that a later replay cannot double it.
    async fn commit(&self, batch: &[IngestMessage]) -> Result<Vec<IngestOutcome>, StorageError>;

    /// Forgets up to `limit` `message-id`s that were seen before that moment; returns how many.
    /// Ids of messages that are still among the rejected ones are kept.
    async fn forget_message_ids(&self, seen_before: Timestamp, limit: u32) -> Result<u64, StorageError>;
}

/// Is told what has been stored of deliveries, for those who watch that each experiment goes on sending.
pub trait IngestObserver: Interface {
    /// So many measures of an experiment have just been committed.
    fn stored(&self, experiment_id: ExperimentId, measures: u64);
}

/// The number under which a rejected message is kept; it grows in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RejectedMessageId(u64);

impl RejectedMessageId {
    /// Takes a number that the database gave.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A rejected message without its body.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedMessage {
    /// The number under which it is kept.
    pub id: RejectedMessageId,
    /// Why it could not be stored when it was tried last.
    pub rejection: Rejection,
    /// When the service took it from the broker.
    pub received_at: Timestamp,
    /// The publisher's name for it, if it gave one.
    pub message_id: Option<MessageId>,
    /// Its AMQP properties as a JSON object.
    pub properties: serde_json::Value,
    /// The size of its body in bytes.
    pub size: u64,
}

/// Which rejected messages are meant; all if nothing is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectedMessageFilter {
    /// Rejected for this reason.
    pub reason: Option<RejectionReason>,
    /// Received not before this moment.
    pub from: Option<Timestamp>,
    /// Received before this moment.
    pub to: Option<Timestamp>,
}

/// Where a rejected message stands among all of them; no two share a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedMessagePosition {
    /// When the service took it from the broker.
    pub received_at: Timestamp,
    /// Its number, which tells equal times apart.
    pub id: RejectedMessageId,
}

impl RejectedMessage {
    /// Where it stands.
    pub const fn position(&self) -> RejectedMessagePosition {
        RejectedMessagePosition { received_at: self.received_at, id: self.id }
    }
}

/// Some of the rejected messages, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RejectedMessages {
    /// The last received first; of those received at one moment, the one of the greatest number.
    pub messages: Vec<RejectedMessage>,
    /// Whether more come after them.
    pub has_more: bool,
}

/// Keeps the messages that could not be stored. They come in through [`IngestStore::commit`].
///
/// As long as a message with a `message-id` is kept here, its measures are stored nowhere: a later delivery that
/// can be stored removes it from here in the same transaction, and its id is not forgotten before.
#[async_trait]
pub trait RejectedMessageStore: Interface {
    /// The first `limit` messages of the filter that come strictly after the position `after`, without their
    /// bodies. One index range scan, however many are kept. There are fewer where they are so large that they
    /// would take much memory, but at least one as long as there is any.
    async fn page(
        &self,
        filter: &RejectedMessageFilter,
        after: Option<RejectedMessagePosition>,
        limit: u32,
    ) -> Result<RejectedMessages, StorageError>;
    /// One message with its body.
    async fn find(&self, id: RejectedMessageId) -> Result<Option<(RejectedMessage, Bytes)>, StorageError>;
    /// Stores the measures of a rejected message and removes it from here, in one transaction; `false`, and nothing
    /// is written, if it is not here (any more). So of two replays at the same instant one stores it. Its
    /// `message-id` counts as seen now: what is delivered under it within the window is a duplicate.
    async fn replay(&self, id: RejectedMessageId, measures: &[NewMeasure]) -> Result<bool, StorageError>;
    /// Notes why a message still cannot be stored; `false` if it is not here (any more).
    async fn reject_again(&self, id: RejectedMessageId, rejection: &Rejection) -> Result<bool, StorageError>;
    /// Removes a message and forgets its `message-id`, so that a publisher may send it again; `false` if it is not
    /// here (any more).
    async fn discard(&self, id: RejectedMessageId) -> Result<bool, StorageError>;
}

/// Reads and changes everything that administrators manage at one stroke.
#[async_trait]
pub trait DirectoryStore: Interface {
    /// Everything as it is at one moment, in any order.
    async fn read(&self) -> Result<Directory, StorageError>;
    /// Makes the changes in one transaction, if everything still is as it was `seen`, whatever its order; `None`, and
    /// nothing is written, if it is not. Gives the experiments as they are then. What others add at the same instant
    /// may also show as a [`StorageError::Conflict`], with nothing written.
    async fn apply(
        &self,
        seen: &Directory,
        changes: &[Change],
    ) -> Result<Option<Vec<Experiment>>, StorageError>;
}

/// Adds the example data of specification §12.
#[async_trait]
pub trait ExampleDataStore: Interface {
    /// Adds the example data once in the life of the database, and of it only what is not there; what
    /// an administrator changed or removed afterwards never comes back. Safe to call from several
    /// processes at once.
    async fn install(&self, data: &ExampleData) -> Result<(), StorageError>;
}

/// Tells whether the database answers and its schema is up to date.
#[async_trait]
pub trait StorageHealth: Interface {
    /// Asks the database; an error says why it cannot be used now.
    async fn check(&self) -> Result<(), StorageError>;
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Error)]
pub enum TokenError {
    /// The token does not verify. The reason holds nothing of the token's content.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// The signing keys cannot be had for now, so nothing can be said about the token.
    #[error("the signing keys are unavailable for now")]
    Unavailable(#[source] Cause),
}

/// Judges ID tokens.
#[async_trait]
pub trait TokenVerifier: Interface {
    /// The username (`sub`) that a valid token stands for.
    async fn verify(&self, token: &str) -> Result<Username, TokenError>;
}
