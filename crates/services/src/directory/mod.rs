//! Users, experiments, associations and measure types as one JSON document, for operators: written so that it can be
//! kept in version control, and read back with every mistake named and nothing changed if there is any.
//!
//! A document says what there should be. What it does not mention is left as it is: an import adds and changes, and never
//! removes. So it cannot lose an administrator, whose role cannot change either.

mod change;
mod difference;
mod document;
mod fault;
mod plan;
mod service;
mod tree;
mod write;

use mymonit_model::{Experiment, ExperimentId, MeasureType, Role, Timestamp, User, UserId};

pub use change::{Change, ExperimentChange};
pub use fault::{DocumentFault, Refusal};
pub use service::{
    DirectoryService, DirectoryServiceImpl, DirectoryServiceImplParameters, Import, ImportError,
};

/// The greatest size of a document in bytes: many times what a few thousand users need, and little enough that a
/// hostile one does no harm.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// What `format` says in every document.
const FORMAT: &str = "mymonit-directory";
/// The version of the format. A document of another one is refused.
const VERSION: u64 = 1;

/// Everything that administrators manage, as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Who may sign in.
    pub users: Vec<User>,
    /// Whose ids can never be used again.
    pub erased_users: Vec<ErasedUser>,
    /// What is measured for.
    pub experiments: Vec<Experiment>,
    /// Which scientists may read what.
    pub associations: Vec<(ExperimentId, UserId)>,
    /// What is measured.
    pub measure_types: Vec<MeasureType>,
}

/// What is left of a user whose personal data were erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedUser {
    /// The staff identification, which stays for audit.
    pub user_id: UserId,
    /// What the user was.
    pub role: Role,
    /// When it happened.
    pub erased_at: Timestamp,
}

impl Directory {
    /// Puts it in an order that does not depend on the engine.
    pub fn sort(&mut self) {
        self.users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        self.erased_users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        self.experiments.sort_by_key(|experiment| experiment.experiment_id);
        self.associations.sort();
        self.measure_types.sort_by(|one, other| one.name.cmp(&other.name));
    }
}
