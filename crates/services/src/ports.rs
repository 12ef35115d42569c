//! What the services need from outside, one small trait per aggregate. The storage crate implements
//! the stores for MySQL and for SQLite, and one contract test suite holds the two together.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
pub use mymonit_model::UserProfile;
use mymonit_model::{
    Description, Experiment, ExperimentDetails, ExperimentId, ExperimentName, FlagFilter, MeasureId,
    MeasureType, MeasureTypeId, MeasureTypeName, MeasureValue, Publisher, PublisherName, Quantity, Role,
    Sensor, SensorId, SensorName, StoredMeasure, Summary, Timestamp, UnitSymbol, User, UserId, Username,
    Window,
};
use shaku::Interface;
use thiserror::Error;

mod api_tokens;
mod flags;

pub use self::api_tokens::{ApiTokenStore, Identity, NewApiToken, TokenDigest, TokenGrant, TokenUse};
pub use self::flags::{FlagStore, NewFlag};
use crate::directory::{Change, Directory};
use crate::example_data::ExampleData;
use crate::message::{MessageId, MessageKey, Rejection, RejectionReason};

/// A cause of any type.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a store failed.
#[derive(Debug, Clone, Error)]
pub enum StorageError {
    /// The change contradicts stored data. Nothing was written.
    #[error("{}", .0.message())]
    Conflict(Conflict),
    /// The database is unreachable, read-only or full, or gave up on a deadlock or a lock: a retry
    /// may succeed. Nothing was written, or the outcome is unknown.
    #[error("the database is unavailable for now")]
    Unavailable(#[source] Cause),
    /// The database refuses these data and always will. Nothing was written.
    #[error("the database refuses the data")]
    Data(#[source] Cause),
    /// The rejected messages have reached their limit. Nothing was written; a retry succeeds once
    /// some are discarded.
    #[error("the rejected messages have reached REJECTED_MAX_BYTES")]
    RejectedFull,
    /// These messages of a batch, by position, would give an experiment more than
    /// [`mymonit_model::MAX_SENSORS`].
    /// Nothing was written, of other messages neither.
    #[error("messages would create too many sensors")]
    TooManySensors(Vec<(usize, ExperimentId)>),
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
    /// The e-mail address is in use, in any case.
    Email,
    /// The experiment name is in use.
    ExperimentName,
    /// The name of a measure type is in use.
    MeasureTypeName,
    /// The symbol of a measure type is in use.
    MeasureTypeSymbol,
    /// The scientist is associated already.
    Association,
    /// The user has as many API tokens as a user may have.
    TooManyApiTokens,
    /// The experiment has as many flags as an experiment may have.
    TooManyFlags,
}

impl Conflict {
    /// The conflict in words for the client, naming the field.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UserId => "`user_id` is in use, or was used by an erased user",
            Self::Username => "`username` is in use",
            Self::Email => "`email` is in use",
            Self::ExperimentName => "`name` is in use by another experiment",
            Self::MeasureTypeName => "`name` is in use by another measure type",
            Self::MeasureTypeSymbol => "`symbol` is in use by another measure type",
            Self::Association => "the scientist is associated with the experiment already",
            Self::TooManyApiTokens => "a user may have 20 API tokens; revoke one before",
            Self::TooManyFlags => "an experiment may have 10000 flags; withdraw one before",
        }
    }
}

/// How an erasure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Name, e-mail, username and associations are erased.
    Erased,
    /// The user is unknown or erased.
    Absent,
    /// The user is the only administrator left; nothing was changed.
    LastAdministrator,
}

/// Keeps the users. Erased users exist only for [`UserStore::insert`], which refuses their ids.
#[async_trait]
pub trait UserStore: Interface {
    /// All users, by id.
    async fn list(&self) -> Result<Vec<User>, StorageError> {
        self.page(None, u32::MAX).await
    }
    /// The first users after that id, by id.
    async fn page(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<User>, StorageError>;
    /// The user of that id.
    async fn find(&self, user_id: &UserId) -> Result<Option<User>, StorageError>;
    /// The user of a verified token.
    async fn find_by_username(&self, username: &Username) -> Result<Option<User>, StorageError>;
    /// The user of an API token that is valid at that time, and what the token may read; one query.
    async fn find_by_token(
        &self,
        digest: &TokenDigest,
        at: Timestamp,
    ) -> Result<Option<(User, TokenGrant)>, StorageError>;
    /// What the user may read of that experiment; one query, as committed. `None` if there is no
    /// such user, or no such valid token.
    async fn access(
        &self,
        identity: &Identity,
        experiment_id: ExperimentId,
    ) -> Result<Option<Access>, StorageError>;
    /// Adds a user. Refuses with a [`Conflict`] an id that is or ever was in use, a username or an
    /// e-mail address that is in use.
    async fn insert(&self, user: &User) -> Result<(), StorageError>;
    /// Replaces the profile; `false` if the user is unknown.
    async fn update(&self, user_id: &UserId, profile: &UserProfile) -> Result<bool, StorageError>;
    /// Erases a user, unless it is the last administrator; check and erasure are one step, so that
    /// two administrators who erase each other at the same instant cannot both succeed.
    async fn erase(&self, user_id: &UserId) -> Result<Erasure, StorageError>;
}

/// The changes to an experiment; `None` keeps the stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentChanges {
    /// The new name.
    pub name: ExperimentName,
    /// The new description.
    pub description: Option<Description>,
    /// Whether it is over.
    pub archived: Option<bool>,
}

impl ExperimentChanges {
    /// The experiment as it is after the change.
    pub fn applied_to(&self, stored: &Experiment) -> Experiment {
        Experiment {
            experiment_id: stored.experiment_id,
            name: self.name.clone(),
            description: self.description.as_ref().unwrap_or(&stored.description).clone(),
            archived: self.archived.unwrap_or(stored.archived),
        }
    }
}

/// Which experiments to list by whether they are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Archived {
    /// Those that are not.
    #[default]
    Exclude,
    /// All.
    Include,
    /// Those that are.
    Only,
}

/// Which experiments to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExperimentFilter {
    /// Those that this scientist is associated with; `None` means all.
    pub of: Option<UserId>,
    /// By whether they are archived.
    pub archived: Archived,
}

/// An experiment that messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedExperiment {
    /// Its number.
    pub experiment_id: ExperimentId,
    /// Whether it takes no new measures.
    pub archived: bool,
}

/// Keeps the experiments.
#[async_trait]
pub trait ExperimentStore: Interface {
    /// The first experiments after that id, by id.
    async fn page(
        &self,
        filter: &ExperimentFilter,
        after: Option<ExperimentId>,
        limit: u32,
    ) -> Result<Vec<Experiment>, StorageError>;
    /// The names of all experiments.
    async fn names(&self) -> Result<Vec<ExperimentName>, StorageError>;
    /// The experiment of that id.
    async fn find(&self, experiment_id: ExperimentId) -> Result<Option<Experiment>, StorageError>;
    /// The experiment of that id, if the scientist is associated with it.
    async fn find_of(
        &self,
        user_id: &UserId,
        experiment_id: ExperimentId,
    ) -> Result<Option<Experiment>, StorageError>;
    /// Those of the `names` that exist, compared exactly, as they are committed now.
    async fn ids_by_name(
        &self,
        names: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, NamedExperiment>, StorageError>;
    /// Adds an experiment and gives it its id.
    async fn insert(&self, details: &ExperimentDetails) -> Result<Experiment, StorageError>;
    /// Changes an experiment and returns it as it was before; `None` if the id is unknown.
    async fn update(
        &self,
        experiment_id: ExperimentId,
        changes: &ExperimentChanges,
    ) -> Result<Option<Experiment>, StorageError>;
}

/// How the replacement of an experiment's scientists ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// It was done, with these changes, by id.
    Replaced {
        /// Who was not associated before.
        added: Vec<UserId>,
        /// Who is not associated any more.
        removed: Vec<UserId>,
    },
    /// The experiment is unknown. Nothing was changed.
    NoSuchExperiment,
    /// A user is unknown, erased or no scientist. Nothing was changed.
    NotScientists,
}

/// Keeps which scientist may read which experiment.
#[async_trait]
pub trait AssociationStore: Interface {
    /// All associations, by experiment and then by user.
    async fn list(&self) -> Result<Vec<(ExperimentId, User)>, StorageError>;
    /// The scientists of an experiment, by id.
    async fn scientists_of(&self, experiment_id: ExperimentId) -> Result<Vec<User>, StorageError>;
    /// Makes these users the scientists of an experiment, in one transaction.
    async fn replace(
        &self,
        experiment_id: ExperimentId,
        user_ids: &[UserId],
    ) -> Result<Replacement, StorageError>;
    /// Adds an association; refuses one that exists with [`Conflict::Association`]. `false` if the
    /// user or the experiment does not exist (any more).
    async fn insert(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError>;
    /// Removes an association; `false` if there was none.
    async fn delete(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError>;
}

/// The experiments that a bound publisher may publish to, by name.
pub type Binding = HashMap<ExperimentName, ExperimentId>;

/// Keeps the publishers and their experiments.
#[async_trait]
pub trait PublisherStore: Interface {
    /// All publishers, by name.
    async fn list(&self) -> Result<Vec<Publisher>, StorageError>;
    /// The publisher of that name.
    async fn find(&self, name: &PublisherName) -> Result<Option<Publisher>, StorageError>;
    /// Adds a publisher, or replaces the one of that name. Its experiments must exist.
    async fn put(&self, publisher: &Publisher) -> Result<(), StorageError>;
    /// Removes a publisher; `false` if there is none of that name.
    async fn delete(&self, name: &PublisherName) -> Result<bool, StorageError>;
    /// The experiments of those of the `names` that are bound, as committed now. Others may publish
    /// to any experiment.
    async fn bindings(
        &self,
        names: &[PublisherName],
    ) -> Result<HashMap<PublisherName, Binding>, StorageError>;
}

/// Keeps the measure types. They are only ever added, by a row of the database.
#[async_trait]
pub trait MeasureTypeStore: Interface {
    /// All measure types, by id.
    async fn list(&self) -> Result<Vec<MeasureType>, StorageError>;
    /// Adds a measure type; a conflict if its name or symbol is in use.
    async fn insert(
        &self,
        name: &MeasureTypeName,
        symbol: &UnitSymbol,
        quantity: &Quantity,
    ) -> Result<MeasureType, StorageError>;
    /// Replaces symbol and quantity of the type; `false` if the id is unknown. A conflict if the
    /// symbol is in use.
    async fn correct(
        &self,
        id: MeasureTypeId,
        symbol: &UnitSymbol,
        quantity: &Quantity,
    ) -> Result<bool, StorageError>;
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
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// From this time (inclusive).
    pub from: Option<Timestamp>,
    /// To this time (exclusive).
    pub to: Option<Timestamp>,
    /// Of these types only; empty means of any type.
    pub types: Vec<MeasureTypeId>,
    /// Of these sensors only, where `None` are measures without one; empty means of any sensor.
    pub sensors: Vec<Option<SensorId>>,
    /// The order.
    pub order: Order,
    /// Only measures that this filter keeps.
    pub flags: FlagFilter,
}

/// The unique position of a measure within its experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeasurePosition {
    /// The measure's timestamp.
    pub timestamp: Timestamp,
    /// The measure's number, which orders equal timestamps.
    pub id: MeasureId,
}

impl From<&StoredMeasure> for MeasurePosition {
    fn from(measure: &StoredMeasure) -> Self {
        Self { timestamp: measure.timestamp, id: measure.id }
    }
}

/// The facts that decide whether a user may read an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// The user.
    pub user_id: UserId,
    /// The user's role.
    pub role: Role,
    /// The experiment's name, if the user is associated with it.
    pub experiment: Option<ExperimentName>,
    /// Whether that experiment has flags.
    pub is_flagged: bool,
    /// The API token that the user was found by.
    pub token: Option<TokenUse>,
}

/// Reads the measures.
#[async_trait]
pub trait MeasureStore: Interface {
    /// The first `limit` measures of the query that come strictly after the position `after` in the
    /// query's order. One index range scan, however many measures are stored; with flags, as many
    /// as it takes to find measures that the filter keeps.
    async fn page(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError>;
    /// [`Self::page`] and the caller's permissions in one statement, if the user is associated with
    /// the experiment. `None` also if the statement does not tell, as with an empty page. The
    /// measures are not filtered by flags.
    async fn page_for(
        &self,
        identity: &Identity,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Option<(Access, Vec<StoredMeasure>)>, StorageError>;
    /// Reduces measures of the query that come after the position `after` to bins of that width:
    /// all, or the first of them.
    async fn reduce(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        window: Window,
    ) -> Result<ReducedMeasures, StorageError>;
}

/// The measures of one series within one bin, or some of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SummaryOfBin {
    /// The first moment of the bin.
    pub start: Timestamp,
    /// The measure type.
    pub measure_type: MeasureTypeId,
    /// The sensor, if there is one.
    pub sensor: Option<SensorId>,
    /// The measures.
    pub summary: Summary,
}

/// Measures in the order of a query, reduced.
#[derive(Debug, Clone, PartialEq)]
pub struct ReducedMeasures {
    /// By start, in the order of the query. The first ones may continue those of the measures
    /// before.
    pub bins: Vec<SummaryOfBin>,
    /// The position after which more measures may follow.
    pub next: Option<MeasurePosition>,
}

/// A measure to insert, with its names resolved to ids.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMeasure {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// What it measures.
    pub measure_type: MeasureTypeId,
    /// Where it comes from; created with the measure if it is new.
    pub sensor: Option<SensorName>,
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
    /// The body, byte for byte, of any size.
    pub body: Bytes,
}

/// A message to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestMessage {
    /// The property `user-id`.
    pub publisher: Option<PublisherName>,
    /// The property `message-id`.
    pub message_id: Option<MessageId>,
    /// What is written of it.
    pub content: IngestContent,
}

impl IngestMessage {
    /// The key of the message, if it has an id.
    pub fn key(&self) -> Option<MessageKey> {
        let id = self.message_id.clone()?;
        Some(MessageKey { publisher: self.publisher.clone(), id })
    }
}

/// What is written of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum IngestContent {
    /// Its measures, all or none.
    Measures(Vec<NewMeasure>),
    /// The message itself, as rejected.
    Rejected(Box<NewRejectedMessage>),
}

/// The outcome of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestOutcome {
    /// Its measures are committed.
    Stored,
    /// It is committed as rejected, for this reason.
    Rejected(RejectionReason),
    /// Its `message-id` is known, so nothing was written.
    Duplicate,
}

/// Writes messages.
#[async_trait]
pub trait IngestStore: Interface {
    /// Writes a batch in one transaction and returns the outcome of each message, in order. After
    /// an error nothing is committed, or the connection was lost during the commit: retry.
    ///
    /// Each `message-id` of a publisher is stored once, also across processes: the first message
    /// wins, others are [`IngestOutcome::Duplicate`]. Ids from before publishers had ids of their
    /// own match any publisher. Only a storable message replaces a rejected one of its id.
    ///
    /// # Errors
    /// [`StorageError::TooManySensors`], exactly also if several processes create sensors at once.
    async fn commit(&self, batch: Vec<IngestMessage>) -> Result<Vec<IngestOutcome>, StorageError>;

    /// Forgets up to `limit` `message-id`s seen before that time and returns their number. Ids of
    /// rejected messages are kept.
    async fn forget_message_ids(&self, seen_before: Timestamp, limit: u32) -> Result<u64, StorageError>;
}

/// The measures of one experiment, one sensor or none, and one measure type.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The sensor, if there is one.
    pub sensor: Option<SensorId>,
    /// The measure type.
    pub measure_type: MeasureTypeId,
    /// The first timestamp.
    pub first: Timestamp,
    /// The last timestamp.
    pub last: Timestamp,
    /// The value of the last measure; of equal timestamps, of the one that arrived last.
    pub latest_value: MeasureValue,
}

/// Keeps the sensors and series, which [`IngestStore::commit`] creates. Sensors are never renamed
/// or removed, so their ids and names can be cached.
#[async_trait]
pub trait SensorStore: Interface {
    /// The sensors of an experiment, by id.
    async fn list(&self, experiment_id: ExperimentId) -> Result<Vec<Sensor>, StorageError>;
    /// The ids of those of the `names` that exist in the experiment, compared exactly.
    async fn ids_by_name(
        &self,
        experiment_id: ExperimentId,
        names: &[SensorName],
    ) -> Result<HashMap<SensorName, SensorId>, StorageError>;
    /// The names of these sensors of an experiment; unknown ids are absent.
    async fn names_by_id(&self, ids: &[SensorId]) -> Result<HashMap<SensorId, SensorName>, StorageError>;
    /// Replaces the description; `false` if the experiment has no sensor of that name.
    async fn describe(
        &self,
        experiment_id: ExperimentId,
        name: &SensorName,
        description: &Description,
    ) -> Result<bool, StorageError>;
    /// The series of an experiment, by measure type, then without a sensor, then by sensor.
    async fn series(&self, experiment_id: ExperimentId) -> Result<Vec<Series>, StorageError>;
}

/// Observes stored deliveries, to monitor that each experiment keeps sending.
pub trait IngestObserver: Interface {
    /// This many measures of an experiment have just been committed.
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
    /// The account that published it, from `user-id`.
    pub publisher: Option<PublisherName>,
    /// Its `message-id`, if it has one.
    pub message_id: Option<MessageId>,
    /// Its AMQP properties as a JSON object.
    pub properties: serde_json::Value,
    /// The size of its body in bytes.
    pub size: u64,
}

/// A filter of rejected messages; all if nothing is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RejectedMessageFilter {
    /// Rejected for this reason.
    pub reason: Option<RejectionReason>,
    /// Received from this time (inclusive).
    pub from: Option<Timestamp>,
    /// Received to this time (exclusive).
    pub to: Option<Timestamp>,
}

/// The unique position of a rejected message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedMessagePosition {
    /// When the service took it from the broker.
    pub received_at: Timestamp,
    /// Its number, which orders equal times.
    pub id: RejectedMessageId,
}

impl RejectedMessage {
    /// Its position.
    pub const fn position(&self) -> RejectedMessagePosition {
        RejectedMessagePosition { received_at: self.received_at, id: self.id }
    }
}

/// A page of rejected messages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RejectedMessages {
    /// Last received first; at equal times, the greatest number first.
    pub messages: Vec<RejectedMessage>,
    /// Whether more come after them.
    pub has_more: bool,
}

/// Stores rejected messages, which arrive through [`IngestStore::commit`].
///
/// While a `message-id` is kept here, its measures are not stored: a later storable delivery
/// removes it in the same transaction, and its id is not forgotten before.
#[async_trait]
pub trait RejectedMessageStore: Interface {
    /// The first `limit` messages of the filter after that position, without bodies, by one index
    /// range scan. Large messages make a page shorter, but never empty.
    async fn page(
        &self,
        filter: &RejectedMessageFilter,
        after: Option<RejectedMessagePosition>,
        limit: u32,
    ) -> Result<RejectedMessages, StorageError>;
    /// One message with its body.
    async fn find(&self, id: RejectedMessageId) -> Result<Option<(RejectedMessage, Bytes)>, StorageError>;
    /// Stores the measures of a rejected message and removes it, in one transaction; `false` if it
    /// is gone. Its `message-id` counts as seen now: deliveries within the window are duplicates.
    async fn replay(&self, id: RejectedMessageId, measures: &[NewMeasure]) -> Result<bool, StorageError>;
    /// Notes why a message still cannot be stored; `false` if it is not here (any more).
    async fn reject_again(&self, id: RejectedMessageId, rejection: &Rejection) -> Result<bool, StorageError>;
    /// Bytes of all messages with their bodies, details and properties.
    async fn total_bytes(&self) -> Result<u64, StorageError>;
    /// Removes a message and its `message-id`, so that a publisher may send it again; `false` if it
    /// is gone.
    async fn discard(&self, id: RejectedMessageId) -> Result<bool, StorageError>;
}

/// Reads and changes everything that administrators manage, atomically.
#[async_trait]
pub trait DirectoryStore: Interface {
    /// A consistent snapshot, in any order.
    async fn read(&self) -> Result<Directory, StorageError>;
    /// Applies the changes in one transaction and returns the experiments; `None`, with nothing
    /// written, if the directory differs from `seen`, in whatever order. Concurrent additions may
    /// cause [`StorageError::Conflict`], also with nothing written.
    async fn apply(
        &self,
        seen: &Directory,
        changes: &[Change],
    ) -> Result<Option<Vec<Experiment>>, StorageError>;
}

/// Installs the example data.
#[async_trait]
pub trait ExampleDataStore: Interface {
    /// Adds missing example data once in the life of the database; what was changed or removed
    /// later never returns. Safe to call from several processes at once.
    async fn install(&self, data: &ExampleData) -> Result<(), StorageError>;
}

/// Checks that the database is reachable and its schema is up to date.
#[async_trait]
pub trait StorageHealth: Interface {
    /// Queries the database; the error says why it is not usable now.
    async fn check(&self) -> Result<(), StorageError>;
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Error)]
pub enum TokenError {
    /// The token does not verify. The reason contains no part of the token.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// The signing keys are unavailable, so the token cannot be verified now.
    #[error("the signing keys are unavailable for now")]
    Unavailable(#[source] Cause),
}

/// Verifies ID tokens.
#[async_trait]
pub trait TokenVerifier: Interface {
    /// The claims of a valid token.
    async fn claims(&self, token: &str) -> Result<TokenClaims, TokenError>;
    /// The username (`sub`) of a valid token.
    async fn verify(&self, token: &str) -> Result<Username, TokenError> {
        Ok(self.claims(token).await?.username)
    }
}

/// The claims of a valid ID token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClaims {
    /// `sub`.
    pub username: Username,
    /// `auth_time`: when the user has signed in.
    pub signed_in_at: Timestamp,
}
