//! The ports of the services, kept in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mymonit_model::{
    Experiment, ExperimentId, ExperimentName, MeasureId, MeasureType, MeasureTypeId, MeasureTypeName,
    MeasureValue, Role, StoredMeasure, Timestamp, User, UserId, Username,
};
use mymonit_services::example_data::example_data;
use mymonit_services::ports::{
    AssociationStore, Cause, Conflict, Erasure, ExperimentStore, MeasurePosition, MeasureQuery, MeasureStore,
    MeasureTypeStore, Order, ReadersPage, StorageError, TokenError, TokenVerifier, UserProfile, UserStore,
};
use shaku::Component;
use tokio::sync::watch;

use crate::rejected_memory::RejectedMemory;

/// All that the stores keep, and how they behave.
pub(crate) struct Memory {
    pub(crate) users: Mutex<Vec<User>>,
    erased: Mutex<Vec<UserId>>,
    experiments: Mutex<Vec<Experiment>>,
    associations: Mutex<BTreeSet<(ExperimentId, UserId)>>,
    measures: Mutex<Vec<(ExperimentId, StoredMeasure)>>,
    /// The messages that could not be stored.
    pub(crate) rejected: RejectedMemory,
    /// Whether the database is away.
    pub(crate) is_away: AtomicBool,
    /// Whether the next use of the measure types panics.
    pub(crate) panics: AtomicBool,
    /// Whether writing an experiment waits until it is let go.
    pub(crate) write_gate: watch::Sender<Gate>,
    /// Reading measures that are made up on the way, in any number.
    pub(crate) long_reading: LongReading,
}

/// Where a write waits, so that a test can do something meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Shut,
    /// Shut, and a write stands before it.
    Reached,
    /// A write that stood before it has been done.
    Passed,
}

/// How many measures the services read first, and how many then at a time (crates/services/src/reading.rs).
pub(crate) const FIRST_PORTION: u64 = 1_000;
pub(crate) const PORTION: u64 = 4_000;

/// A reading of made-up measures, one a second from 1970 on, portion by portion.
pub(crate) struct LongReading {
    /// How many measures there are; none turns it off.
    pub(crate) measures: Mutex<u64>,
    /// At which portion, counted from 1, something else happens.
    pub(crate) turn: Mutex<Option<(usize, Turn)>>,
    /// How many portions have been asked for.
    pub(crate) portions: watch::Sender<usize>,
    /// Whether a portion that hung was given up.
    pub(crate) was_given_up: watch::Sender<bool>,
}

/// What may happen to a reading on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Fails,
    Panics,
    Hangs,
}

/// The cause of every failure here; must never reach a client.
pub(crate) const CANARY: &str = "canary-cause";

pub(crate) fn cause() -> Cause {
    Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(CANARY))
}

impl Memory {
    /// The example data of specification §12.
    pub(crate) fn with_example_data() -> Arc<Self> {
        let data = example_data().unwrap();
        let mut memory = Self {
            users: Mutex::new(data.users),
            erased: Mutex::default(),
            experiments: Mutex::default(),
            associations: Mutex::default(),
            measures: Mutex::default(),
            rejected: RejectedMemory::default(),
            is_away: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            write_gate: watch::Sender::new(Gate::Open),
            long_reading: LongReading {
                measures: Mutex::new(0),
                turn: Mutex::new(None),
                portions: watch::Sender::new(0),
                was_given_up: watch::Sender::new(false),
            },
        };
        for (id, experiment) in (1..).map(ExperimentId::new).zip(data.experiments) {
            memory
                .experiments
                .get_mut()
                .unwrap()
                .push(Experiment { experiment_id: id, name: experiment.name });
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
        measures.push((experiment_id, StoredMeasure { id, measure_type: HERTZ, timestamp, value }));
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

/// Declares a store over the memory.
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
    async fn list(&self) -> Result<Vec<User>, StorageError> {
        self.memory.available()?;
        Ok(self.memory.users.lock().unwrap().clone())
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

    async fn find_with_experiment(
        &self,
        username: &Username,
        experiment_id: ExperimentId,
    ) -> Result<Option<(User, Option<Experiment>)>, StorageError> {
        let Some(user) = self.find_by_username(username).await? else { return Ok(None) };
        let association = (experiment_id, user.user_id.clone());
        if !self.memory.associations.lock().unwrap().contains(&association) {
            return Ok(Some((user, None)));
        }
        let experiments = self.memory.experiments.lock().unwrap();
        let found = experiments.iter().find(|experiment| experiment.experiment_id == experiment_id);
        Ok(Some((user, found.cloned())))
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
        self.memory.erased.lock().unwrap().push(user_id.clone());
        self.memory.associations.lock().unwrap().retain(|(_, associated)| associated != user_id);
        Ok(Erasure::Erased)
    }
}

#[async_trait]
impl ExperimentStore for FakeExperimentStore {
    async fn list(&self) -> Result<Vec<Experiment>, StorageError> {
        Ok(self.memory.experiments.lock().unwrap().clone())
    }

    async fn list_of(&self, user_id: &UserId) -> Result<Vec<Experiment>, StorageError> {
        let associations = self.memory.associations.lock().unwrap();
        let mut experiments = self.memory.experiments.lock().unwrap().clone();
        experiments.retain(|experiment| associations.contains(&(experiment.experiment_id, user_id.clone())));
        Ok(experiments)
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
        let experiments = self.list_of(user_id).await?;
        Ok(experiments.into_iter().find(|experiment| experiment.experiment_id == experiment_id))
    }

    async fn ids_by_name(
        &self,
        names: &[ExperimentName],
    ) -> Result<HashMap<ExperimentName, ExperimentId>, StorageError> {
        let experiments = self.memory.experiments.lock().unwrap();
        let named = experiments.iter().filter(|experiment| names.contains(&experiment.name));
        Ok(named.map(|experiment| (experiment.name.clone(), experiment.experiment_id)).collect())
    }

    async fn insert(&self, name: &ExperimentName) -> Result<Experiment, StorageError> {
        self.memory.pass_gate().await;
        let mut experiments = self.memory.experiments.lock().unwrap();
        if experiments.iter().any(|experiment| experiment.name == *name) {
            return Err(StorageError::Conflict(Conflict::ExperimentName));
        }
        let experiment_id = ExperimentId::new(u32::try_from(experiments.len()).unwrap() + 1);
        experiments.push(Experiment { experiment_id, name: name.clone() });
        Ok(experiments.last().unwrap().clone())
    }

    async fn rename(&self, renamed: &Experiment) -> Result<bool, StorageError> {
        let mut experiments = self.memory.experiments.lock().unwrap();
        let is_other = |experiment: &Experiment| experiment.experiment_id != renamed.experiment_id;
        if experiments.iter().any(|experiment| is_other(experiment) && experiment.name == renamed.name) {
            return Err(StorageError::Conflict(Conflict::ExperimentName));
        }
        let stored = experiments.iter_mut().find(|experiment| !is_other(experiment));
        Ok(stored.map(|experiment| *experiment = renamed.clone()).is_some())
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
        Ok(measure_types())
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
            .filter(|row| query.types.is_empty() || query.types.contains(&row.measure_type))
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

    async fn page_for(
        &self,
        username: &Username,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Option<ReadersPage>, StorageError> {
        let users = FakeUserStore { memory: self.memory.clone() };
        let found = users.find_with_experiment(username, query.experiment_id).await?;
        let Some((User { user_id, role, .. }, Some(experiment))) = found else { return Ok(None) };
        let measures = self.page(query, after, limit).await?;
        let page = ReadersPage { user_id, role, experiment: experiment.name, measures };
        Ok(Some(page).filter(|page| !page.measures.is_empty()))
    }
}

impl LongReading {
    async fn page(
        &self,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError> {
        self.portions.send_modify(|portions| *portions += 1);
        let portion = *self.portions.borrow();
        let turn = self.turn.lock().unwrap().filter(|(at, _)| *at == portion).map(|(_, turn)| turn);
        match turn {
            None => {}
            Some(Turn::Fails) => return Err(StorageError::Unavailable(cause())),
            Some(Turn::Panics) => panic!("{CANARY}"),
            Some(Turn::Hangs) => {
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

/// Takes `token-of-<username>` for a token of that user.
#[derive(Component)]
#[shaku(interface = TokenVerifier)]
pub(crate) struct FakeTokenVerifier;

#[async_trait]
impl TokenVerifier for FakeTokenVerifier {
    async fn verify(&self, token: &str) -> Result<Username, TokenError> {
        match token.strip_prefix("token-of-") {
            Some("nobody-because-the-keys-are-away") => Err(TokenError::Unavailable(cause())),
            Some(username) => Username::new(username).map_err(|_| TokenError::Invalid("no username")),
            None => Err(TokenError::Invalid("canary-reason")),
        }
    }
}
