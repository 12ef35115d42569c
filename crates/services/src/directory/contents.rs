use mymonit_model::{
    Description, Experiment, ExperimentId, MeasureType, Role, SensorName, Timestamp, User, UserId,
};

/// The value of `format` in every document.
pub(super) const FORMAT: &str = "mymonit-directory";
/// The version of the format; other versions are refused.
pub(super) const VERSION: u64 = 1;

/// A snapshot of everything that administrators manage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// The users.
    pub users: Vec<User>,
    /// Erased users, whose ids are never used again.
    pub erased_users: Vec<ErasedUser>,
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// Which scientists may read which experiments.
    pub associations: Vec<(ExperimentId, UserId)>,
    /// The measure types.
    pub measure_types: Vec<MeasureType>,
    /// The sensors.
    pub sensors: Vec<DescribedSensor>,
}

/// A sensor of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DescribedSensor {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Unique within the experiment.
    pub name: SensorName,
    /// What it is.
    pub description: Description,
}

/// An erased user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedUser {
    /// The staff identification, which stays for audit.
    pub user_id: UserId,
    /// The role that the user had.
    pub role: Role,
    /// The time of the erasure.
    pub erased_at: Timestamp,
}

impl Directory {
    /// That sensor, if the experiment has it, of a sorted directory.
    pub(super) fn sensor(&self, experiment_id: ExperimentId, name: &SensorName) -> Option<&DescribedSensor> {
        let key = (experiment_id, name);
        let found = self.sensors.binary_search_by(|sensor| (sensor.experiment_id, &sensor.name).cmp(&key));
        found.ok().and_then(|index| self.sensors.get(index))
    }

    /// Sorts it, independently of the engine.
    pub fn sort(&mut self) {
        self.users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        self.erased_users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        self.experiments.sort_by_key(|experiment| experiment.experiment_id);
        self.associations.sort();
        self.measure_types.sort_by(|one, other| one.name.cmp(&other.name));
        self.sensors.sort();
    }
}
