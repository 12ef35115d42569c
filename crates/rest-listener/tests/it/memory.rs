//! In-memory implementations of the services' ports.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mymonit_model::{
    ApiToken, ApiTokenId, Experiment, ExperimentDetails, ExperimentId, ExperimentName, Flag, FlagFilter,
    MeasureId, MeasureType, MeasureTypeId, MeasureTypeName, MeasureValue, Quantity, Role, Sensor,
    StoredMeasure, Summary, Timestamp, UnitSymbol, User, UserId, Username, Window,
};
use mymonit_services::example_data::example_data;
use mymonit_services::ports::{
    Access, ApiTokenStore, Archived, AssociationStore, Cause, Conflict, Erasure, ExperimentChanges,
    ExperimentFilter, ExperimentStore, Identity, MeasurePosition, MeasureQuery, MeasureStore,
    MeasureTypeStore, NamedExperiment, NewApiToken, Order, ReducedMeasures, Replacement, StorageError,
    SummaryOfBin, TokenClaims, TokenDigest, TokenError, TokenGrant, TokenUse, TokenVerifier, UserProfile,
    UserStore,
};
use shaku::Component;
use tokio::sync::watch;

use crate::rejected_memory::RejectedMemory;

/// The content of the stores, and their faults.
pub(crate) struct Memory {
    pub(crate) users: Mutex<Vec<User>>,
    erased: Mutex<Vec<UserId>>,
    api_tokens: Mutex<Vec<(UserId, TokenDigest, ApiToken)>>,
    experiments: Mutex<Vec<Experiment>>,
    associations: Mutex<BTreeSet<(ExperimentId, UserId)>>,
    measure_types: Mutex<Vec<MeasureType>>,
    pub(crate) measures: Mutex<Vec<(ExperimentId, StoredMeasure)>>,
    pub(crate) sensors: Mutex<Vec<(ExperimentId, Sensor)>>,
    pub(crate) flags: Mutex<Vec<(ExperimentId, Flag)>>,
    /// The messages that could not be stored.
    pub(crate) rejected: RejectedMemory,
    /// Whether the database is unavailable.
    pub(crate) is_away: AtomicBool,
    /// Whether the next use of the measure types panics.
    pub(crate) panics: AtomicBool,
    /// Whether writing an experiment blocks until the gate opens.
    pub(crate) write_gate: watch::Sender<Gate>,
    /// Any number of generated measures.
    pub(crate) long_reading: LongReading,
}

/// A point at which a write blocks until the test continues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Shut,
    /// Closed, and a write waits for it.
    Reached,
    /// The blocked write is done.
    Passed,
}

/// The sizes of the first and the later chunks (crates/services/src/reading.rs).
pub(crate) const FIRST_CHUNK: u64 = 1_000;
pub(crate) const CHUNK: u64 = 4_000;

/// A reading of generated measures, one a second from 1970 on, chunk by chunk.
pub(crate) struct LongReading {
    /// The number of measures; 0 turns it off.
    pub(crate) measures: Mutex<u64>,
    /// The chunk, counted from 1, with another behaviour.
    pub(crate) chunk_fault: Mutex<Option<(usize, ChunkFault)>>,
    /// The number of requested chunks.
    pub(crate) chunks: watch::Sender<usize>,
    /// Whether a hanging chunk was abandoned.
    pub(crate) was_given_up: watch::Sender<bool>,
}

/// The behaviour of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkFault {
    Fails,
    Panics,
    /// This chunk and all later ones.
    Hangs,
}

/// The cause of every failure of these stores; must never reach a client.
pub(crate) const CANARY: &str = "canary-cause";

pub(crate) fn cause() -> Cause {
    Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(CANARY))
}

impl Memory {
    /// The example data.
    pub(crate) fn with_example_data() -> Arc<Self> {
        let data = example_data().unwrap();
        let mut memory = Self {
            users: Mutex::new(data.users),
            erased: Mutex::default(),
            api_tokens: Mutex::default(),
            experiments: Mutex::default(),
            associations: Mutex::default(),
            measure_types: Mutex::new(measure_types()),
            measures: Mutex::default(),
            sensors: Mutex::default(),
            flags: Mutex::default(),
            rejected: RejectedMemory::default(),
            is_away: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            write_gate: watch::Sender::new(Gate::Open),
            long_reading: LongReading {
                measures: Mutex::new(0),
                chunk_fault: Mutex::new(None),
                chunks: watch::Sender::new(0),
                was_given_up: watch::Sender::new(false),
            },
        };
        for (id, experiment) in (1..).map(ExperimentId::new).zip(data.experiments) {
            memory.experiments.get_mut().unwrap().push(experiment.details.numbered(id));
            memory.associations.get_mut().unwrap().insert((id, experiment.scientist));
            for measure in experiment.measures {
                memory.add_measure(id, measure.timestamp, measure.value.get());
            }
        }
        Arc::new(memory)
    }

    /// Adds a measure in hertz.
    pub(crate) fn add_measure(&self, experiment_id: ExperimentId, timestamp: Timestamp, value: f64) {
        let mut measures = self.measures.lock().unwrap();
        let id = MeasureId::new(measures.len() as u64 + 1);
        let value = MeasureValue::new(value).unwrap();
        measures
            .push((experiment_id, StoredMeasure { id, measure_type: HERTZ, sensor: None, timestamp, value }));
    }

    pub(crate) fn available(&self) -> Result<(), StorageError> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(StorageError::Unavailable(cause())),
            false => Ok(()),
        }
    }

    async fn pass_gate(&self) {
        let mut gate = self.write_gate.subscribe();
        if *gate.borrow() == Gate::Shut {
            self.write_gate.send_replace(Gate::Reached);
            gate.wait_for(|gate| *gate == Gate::Open).await.unwrap();
            self.write_gate.send_replace(Gate::Passed);
        }
    }
}

pub(crate) const HERTZ: MeasureTypeId = MeasureTypeId::new(1);

fn measure_types() -> Vec<MeasureType> {
    let measure_type = |(id, name, symbol, quantity): (u16, &str, &str, &str)| MeasureType {
        id: MeasureTypeId::new(id),
        name: MeasureTypeName::new(name).unwrap(),
        symbol: symbol.to_owned(),
        quantity: quantity.to_owned(),
    };
    [(1, "hertz", "Hz", "frequency"), (16, "degree Celsius", "°C", "Celsius temperature")]
        .map(measure_type)
        .into()
}

/// Declares an in-memory store.
macro_rules! store {
    ($name:ident, $interface:ident) => {
        #[derive(Component)]
        #[shaku(interface = $interface)]
        pub(crate) struct $name {
            memory: Arc<Memory>,
        }
    };
}

store!(FakeUserStore, UserStore);
store!(FakeApiTokenStore, ApiTokenStore);
store!(FakeExperimentStore, ExperimentStore);
store!(FakeAssociationStore, AssociationStore);
store!(FakeMeasureTypeStore, MeasureTypeStore);
store!(FakeMeasureStore, MeasureStore);

fn profile_conflict(users: &[User], except: &UserId, profile: &UserProfile) -> Option<Conflict> {
    let mut others = users.iter().filter(|user| user.user_id != *except);
    others.find_map(|other| {
        if other.username == profile.username {
            Some(Conflict::Username)
        } else if other.email.reveal().uniqueness_key() == profile.email.reveal().uniqueness_key() {
            Some(Conflict::Email)
        } else {
            None
        }
    })
}

#[async_trait]
impl UserStore for FakeUserStore {
    async fn page(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<User>, StorageError> {
        self.memory.available()?;
        let mut users = self.memory.users.lock().unwrap().clone();
        users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        users.retain(|user| after.is_none_or(|after| user.user_id > *after));
        users.truncate(limit as usize);
        Ok(users)
    }

    async fn find(&self, user_id: &UserId) -> Result<Option<User>, StorageError> {
        self.memory.available()?;
        Ok(self.memory.users.lock().unwrap().iter().find(|user| user.user_id == *user_id).cloned())
    }

    async fn find_by_username(&self, username: &Username) -> Result<Option<User>, StorageError> {
        self.memory.available()?;
        let users = self.memory.users.lock().unwrap();
        Ok(users.iter().find(|user| user.username.reveal() == username).cloned())
    }

    async fn find_by_token(
        &self,
        digest: &TokenDigest,
        at: Timestamp,
    ) -> Result<Option<(User, TokenGrant)>, StorageError> {
        self.memory.available()?;
        let tokens = self.memory.api_tokens.lock().unwrap().clone();
        let is_valid =
            |(_, known, token): &&(UserId, TokenDigest, ApiToken)| known == digest && token.expires_at > at;
        let Some((user_id, _, token)) = tokens.iter().find(is_valid) else { return Ok(None) };
        let Some(user) = self.find(user_id).await? else { return Ok(None) };
        let used = TokenUse { id: token.id, last_used_at: token.last_used_at };
        Ok(Some((user, TokenGrant { token: used, experiments: token.experiments.clone() })))
    }

    async fn access(
        &self,
        identity: &Identity,
        experiment_id: ExperimentId,
    ) -> Result<Option<Access>, StorageError> {
        let (user, grant) = match identity {
            Identity::Username(username) => (self.find_by_username(username.reveal()).await?, None),
            Identity::ApiToken(digest, at) => self.find_by_token(digest, *at).await?.unzip(),
        };
        let Some(User { user_id, role, .. }) = user else { return Ok(None) };
        let restriction = grant.as_ref().and_then(|grant| grant.experiments.as_ref());
        let may_read = restriction.is_none_or(|experiments| experiments.contains(&experiment_id));
        let is_associated =
            self.memory.associations.lock().unwrap().contains(&(experiment_id, user_id.clone()));
        let experiments = self.memory.experiments.lock().unwrap();
        let experiment = experiments
            .iter()
            .find(|experiment| may_read && is_associated && experiment.experiment_id == experiment_id);
        let token = grant.map(|grant| grant.token);
        Ok(Some(Access {
            user_id,
            role,
            experiment: experiment.map(|experiment| experiment.name.clone()),
            is_flagged: self.memory.flags.lock().unwrap().iter().any(|(id, _)| *id == experiment_id),
            token,
        }))
    }

    async fn insert(&self, user: &User) -> Result<(), StorageError> {
        let mut users = self.memory.users.lock().unwrap();
        let is_known = users.iter().any(|other| other.user_id == user.user_id);
        if is_known || self.memory.erased.lock().unwrap().contains(&user.user_id) {
            return Err(StorageError::Conflict(Conflict::UserId));
        }
        let User { name, username, email, .. } = user.clone();
        if let Some(conflict) =
            profile_conflict(&users, &user.user_id, &UserProfile { name, username, email })
        {
            return Err(StorageError::Conflict(conflict));
        }
        users.push(user.clone());
        Ok(())
    }

    async fn update(&self, user_id: &UserId, profile: &UserProfile) -> Result<bool, StorageError> {
        let mut users = self.memory.users.lock().unwrap();
        if let Some(conflict) = profile_conflict(&users, user_id, profile) {
            return Err(StorageError::Conflict(conflict));
        }
        let Some(user) = users.iter_mut().find(|user| user.user_id == *user_id) else { return Ok(false) };
        let UserProfile { name, username, email } = profile.clone();
        *user = User { name, username, email, ..user.clone() };
        Ok(true)
    }

    async fn erase(&self, user_id: &UserId) -> Result<Erasure, StorageError> {
        let mut users = self.memory.users.lock().unwrap();
        let Some(index) = users.iter().position(|user| user.user_id == *user_id) else {
            return Ok(Erasure::Absent);
        };
        let administrators = users.iter().filter(|user| user.role == Role::Admin).count();
        if users[index].role == Role::Admin && administrators == 1 {
            return Ok(Erasure::LastAdministrator);
        }
        users.remove(index);
        self.memory.api_tokens.lock().unwrap().retain(|(owner, ..)| owner != user_id);
        self.memory.erased.lock().unwrap().push(user_id.clone());
        self.memory.associations.lock().unwrap().retain(|(_, associated)| associated != user_id);
        Ok(Erasure::Erased)
    }
}

#[async_trait]
impl ExperimentStore for FakeExperimentStore {
    async fn page(
        &self,
        filter: &ExperimentFilter,
        after: Option<ExperimentId>,
        limit: u32,
    ) -> Result<Vec<Experiment>, StorageError> {
        let associations = self.memory.associations.lock().unwrap();
        let mut experiments = self.memory.experiments.lock().unwrap().clone();
        experiments.retain(|experiment| {
            let id = experiment.experiment_id;
            let is_of = |user_id: &UserId| associations.contains(&(id, user_id.clone()));
            let is_wanted = match filter.archived {
                Archived::Exclude => !experiment.archived,
                Archived::Include => true,
                Archived::Only => experiment.archived,
            };
            is_wanted && filter.of.as_ref().is_none_or(is_of) && after.is_none_or(|after| id > after)
        });
        experiments.truncate(limit as usize);
        Ok(experiments)
    }

    async fn names(&self) -> Result<Vec<ExperimentName>, StorageError> {
        Ok(self.memory.experiments.lock().unwrap().iter().map(|each| each.name.clone()).collect())
    }

    async fn find(&self, experiment_id: ExperimentId) -> Result<Option<Experiment>, StorageError> {
        let experiments = self.memory.experiments.lock().unwrap();
        Ok(experiments.iter().find(|experiment| experiment.experiment_id == experiment_id).cloned())
    }

    async fn find_of(
        &self,
        user_id: &UserId,
        experiment_id: ExperimentId,
    ) -> Result<Option<Experiment>, StorageError> {
        let filter = ExperimentFilter { of: Some(user_id.clone()), archived: Archived::Include };
        let experiments = self.page(&filter, None, u32::MAX).await?;
        Ok(experiments.into_iter().find(|experiment| experiment.experiment_id == experiment_id))
    }

    async fn ids_by_name(
        &self,
        names: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, NamedExperiment>, StorageError> {
        let experiments = self.memory.experiments.lock().unwrap();
        let named = experiments.iter().filter(|experiment| names.contains(&experiment.name));
        let found = |Experiment { experiment_id, name, archived, .. }: &Experiment| {
            (name.clone(), NamedExperiment { experiment_id: *experiment_id, archived: *archived })
        };
        Ok(named.map(found).collect())
    }

    async fn insert(&self, details: &ExperimentDetails) -> Result<Experiment, StorageError> {
        self.memory.pass_gate().await;
        let mut experiments = self.memory.experiments.lock().unwrap();
        if experiments.iter().any(|experiment| experiment.name == details.name) {
            return Err(StorageError::Conflict(Conflict::ExperimentName));
        }
        let experiment_id = ExperimentId::new(u32::try_from(experiments.len()).unwrap() + 1);
        experiments.push(details.clone().numbered(experiment_id));
        Ok(experiments.last().unwrap().clone())
    }

    async fn update(
        &self,
        experiment_id: ExperimentId,
        changes: &ExperimentChanges,
    ) -> Result<Option<Experiment>, StorageError> {
        let mut experiments = self.memory.experiments.lock().unwrap();
        let is_other = |experiment: &Experiment| experiment.experiment_id != experiment_id;
        if experiments.iter().any(|experiment| is_other(experiment) && experiment.name == changes.name) {
            return Err(StorageError::Conflict(Conflict::ExperimentName));
        }
        let stored = experiments.iter_mut().find(|experiment| !is_other(experiment));
        Ok(stored.map(|experiment| {
            let updated = changes.applied_to(experiment);
            std::mem::replace(experiment, updated)
        }))
    }
}

#[async_trait]
impl AssociationStore for FakeAssociationStore {
    async fn list(&self) -> Result<Vec<(ExperimentId, User)>, StorageError> {
        let users = self.memory.users.lock().unwrap();
        let user = |id: &UserId| users.iter().find(|user| user.user_id == *id).unwrap().clone();
        let associations = self.memory.associations.lock().unwrap();
        Ok(associations.iter().map(|(experiment_id, user_id)| (*experiment_id, user(user_id))).collect())
    }

    async fn scientists_of(&self, experiment_id: ExperimentId) -> Result<Vec<User>, StorageError> {
        let all = self.list().await?.into_iter();
        Ok(all.filter(|(id, _)| *id == experiment_id).map(|(_, user)| user).collect())
    }

    async fn replace(
        &self,
        experiment_id: ExperimentId,
        user_ids: &[UserId],
    ) -> Result<Replacement, StorageError> {
        let users = self.memory.users.lock().unwrap();
        let is_scientist =
            |id: &UserId| users.iter().any(|user| user.user_id == *id && user.role == Role::Scientist);
        if !user_ids.iter().all(is_scientist) {
            return Ok(Replacement::NotScientists);
        }
        let mut associations = self.memory.associations.lock().unwrap();
        associations.retain(|(id, _)| *id != experiment_id);
        associations.extend(user_ids.iter().map(|id| (experiment_id, id.clone())));
        Ok(Replacement::Replaced { added: user_ids.to_vec(), removed: Vec::new() })
    }

    async fn insert(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError> {
        match self.memory.associations.lock().unwrap().insert((experiment_id, user_id.clone())) {
            true => Ok(true),
            false => Err(StorageError::Conflict(Conflict::Association)),
        }
    }

    async fn delete(&self, experiment_id: ExperimentId, user_id: &UserId) -> Result<bool, StorageError> {
        Ok(self.memory.associations.lock().unwrap().remove(&(experiment_id, user_id.clone())))
    }
}

#[async_trait]
impl MeasureTypeStore for FakeMeasureTypeStore {
    async fn list(&self) -> Result<Vec<MeasureType>, StorageError> {
        assert!(!self.memory.panics.load(Ordering::SeqCst), "{CANARY}");
        Ok(self.memory.measure_types.lock().unwrap().clone())
    }

    async fn insert(
        &self,
        name: &MeasureTypeName,
        symbol: &UnitSymbol,
        quantity: &Quantity,
    ) -> Result<MeasureType, StorageError> {
        let mut types = self.memory.measure_types.lock().unwrap();
        if types.iter().any(|each| each.name == *name) {
            return Err(StorageError::Conflict(Conflict::MeasureTypeName));
        }
        if types.iter().any(|each| each.symbol == symbol.as_str()) {
            return Err(StorageError::Conflict(Conflict::MeasureTypeSymbol));
        }
        let id = MeasureTypeId::new(types.last().unwrap().id.get() + 1);
        let (symbol, quantity) = (symbol.to_string(), quantity.to_string());
        types.push(MeasureType { id, name: name.clone(), symbol, quantity });
        Ok(types.last().unwrap().clone())
    }

    async fn correct(
        &self,
        id: MeasureTypeId,
        symbol: &UnitSymbol,
        quantity: &Quantity,
    ) -> Result<bool, StorageError> {
        let mut types = self.memory.measure_types.lock().unwrap();
        if types.iter().any(|each| each.symbol == symbol.as_str() && each.id != id) {
            return Err(StorageError::Conflict(Conflict::MeasureTypeSymbol));
        }
        let found = types.iter_mut().find(|each| each.id == id);
        Ok(found
            .map(|each| (each.symbol, each.quantity) = (symbol.to_string(), quantity.to_string()))
            .is_some())
    }
}

#[async_trait]
impl ApiTokenStore for FakeApiTokenStore {
    async fn list(&self, user_id: &UserId) -> Result<Vec<ApiToken>, StorageError> {
        self.memory.available()?;
        let tokens = self.memory.api_tokens.lock().unwrap();
        Ok(tokens.iter().filter(|(owner, ..)| owner == user_id).map(|(_, _, token)| token.clone()).collect())
    }

    async fn insert(&self, new: &NewApiToken, limit: u32) -> Result<Option<ApiTokenId>, StorageError> {
        let mut tokens = self.memory.api_tokens.lock().unwrap();
        if tokens.iter().filter(|(owner, ..)| *owner == new.user_id).count() >= limit as usize {
            return Err(StorageError::Conflict(Conflict::TooManyApiTokens));
        }
        let id = ApiTokenId::new(tokens.iter().map(|(_, _, token)| token.id.get()).max().unwrap_or(0) + 1);
        let NewApiToken { user_id, name, digest, created_at, expires_at, experiments } = new.clone();
        let token = ApiToken { id, name, created_at, expires_at, experiments, last_used_at: None };
        tokens.push((user_id, digest, token));
        Ok(Some(id))
    }

    async fn delete(&self, user_id: &UserId, id: ApiTokenId) -> Result<bool, StorageError> {
        let mut tokens = self.memory.api_tokens.lock().unwrap();
        let before = tokens.len();
        tokens.retain(|(owner, _, token)| (owner, token.id) != (user_id, id));
        Ok(tokens.len() < before)
    }

    async fn note_use(&self, id: ApiTokenId, hour: Timestamp) -> Result<(), StorageError> {
        let mut tokens = self.memory.api_tokens.lock().unwrap();
        for (_, _, token) in tokens.iter_mut().filter(|(_, _, token)| token.id == id) {
            token.last_used_at = Some(hour);
        }
        Ok(())
    }
}

#[async_trait]
impl MeasureStore for FakeMeasureStore {
    async fn page(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError> {
        if *self.memory.long_reading.measures.lock().unwrap() > 0 {
            return self.memory.long_reading.page(after, limit).await;
        }
        self.memory.available()?;
        let key = |row: &StoredMeasure| MeasurePosition { timestamp: row.timestamp, id: row.id };
        let mut rows: Vec<_> = self
            .memory
            .measures
            .lock()
            .unwrap()
            .iter()
            .filter(|(experiment_id, _)| *experiment_id == query.experiment_id)
            .map(|(_, row)| *row)
            .filter(|row| query.from.is_none_or(|from| row.timestamp >= from))
            .filter(|row| query.to.is_none_or(|to| row.timestamp < to))
            .filter(|row| query.sensors.is_empty() || query.sensors.contains(&row.sensor))
            .filter(|row| query.types.is_empty() || query.types.contains(&row.measure_type))
            .filter(|row| query.flags.keeps(row))
            .collect();
        rows.sort_by_key(key);
        if query.order == Order::Descending {
            rows.reverse();
        }
        if let Some(after) = after {
            rows.retain(
                |row| if query.order == Order::Descending { key(row) < after } else { key(row) > after },
            );
        }
        rows.truncate(limit as usize);
        Ok(rows)
    }

    async fn reduce(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        window: Window,
    ) -> Result<ReducedMeasures, StorageError> {
        const ROWS: u32 = 4_000;
        let page = self.page(query, after, ROWS).await?;
        let bin = |row: &StoredMeasure| SummaryOfBin {
            start: window.start_of(row.timestamp),
            measure_type: row.measure_type,
            sensor: row.sensor,
            summary: Summary::of(row.value.get()),
        };
        let next = page.get(ROWS as usize - 1).map(MeasurePosition::from);
        Ok(ReducedMeasures { bins: page.iter().map(bin).collect(), next })
    }

    async fn page_for(
        &self,
        identity: &Identity,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Option<(Access, Vec<StoredMeasure>)>, StorageError> {
        let users = FakeUserStore { memory: self.memory.clone() };
        let access = users.access(identity, query.experiment_id).await?;
        let Some(access) = access.filter(|access| access.experiment.is_some()) else { return Ok(None) };
        let unfiltered = MeasureQuery { flags: FlagFilter::default(), ..query.clone() };
        let measures = self.page(&unfiltered, after, limit).await?;
        Ok((!measures.is_empty()).then_some((access, measures)))
    }
}

impl LongReading {
    async fn page(
        &self,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError> {
        self.chunks.send_modify(|chunks| *chunks += 1);
        let chunk = *self.chunks.borrow();
        let is_now = |(at, chunk_fault): &(usize, ChunkFault)| {
            *at == chunk || (*at < chunk && *chunk_fault == ChunkFault::Hangs)
        };
        let chunk_fault = self.chunk_fault.lock().unwrap().filter(is_now).map(|(_, chunk_fault)| chunk_fault);
        match chunk_fault {
            None => {}
            Some(ChunkFault::Fails) => return Err(StorageError::Unavailable(cause())),
            Some(ChunkFault::Panics) => panic!("{CANARY}"),
            Some(ChunkFault::Hangs) => {
                let _given_up = GivenUp(&self.was_given_up);
                std::future::pending::<()>().await;
            }
        }
        let first = after.map_or(1, |after| after.id.get() + 1);
        let last = (*self.measures.lock().unwrap()).min(first + u64::from(limit) - 1);
        Ok((first..=last).map(made_up).collect())
    }
}

fn made_up(number: u64) -> StoredMeasure {
    StoredMeasure {
        id: MeasureId::new(number),
        measure_type: HERTZ,
        sensor: None,
        timestamp: Timestamp::from_unix_nanos(i64::try_from(number).unwrap() * 1_000_000_000).unwrap(),
        value: MeasureValue::new(number as f64 + 0.5).unwrap(),
    }
}

struct GivenUp<'a>(&'a watch::Sender<bool>);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// Accepts `token-of-<username>` as a token of that user, and `old-token-of-<username>` as one with
/// a sign-in 61 minutes ago.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub(crate) struct FakeTokenVerifier;

#[async_trait]
impl TokenVerifier for FakeTokenVerifier {
    async fn claims(&self, token: &str) -> Result<TokenClaims, TokenError> {
        let now = Timestamp::now().unix_nanos();
        let (token, signed_in_at) = match token.strip_prefix("old-") {
            Some(token) => (token, now - 61 * 60 * 1_000_000_000),
            None => (token, now),
        };
        match token.strip_prefix("token-of-") {
            Some("nobody-because-the-keys-are-away") => Err(TokenError::Unavailable(cause())),
            Some(username) => Ok(TokenClaims {
                username: Username::new(username).map_err(|_| TokenError::Invalid("no username"))?,
                signed_in_at: Timestamp::from_unix_nanos(signed_in_at).unwrap(),
            }),
            None => Err(TokenError::Invalid("canary-reason")),
        }
    }
}
