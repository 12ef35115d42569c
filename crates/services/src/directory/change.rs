use mymonit_model::{
    Experiment, ExperimentId, ExperimentName, MeasureTypeName, Quantity, UnitSymbol, User, UserId,
};

use super::ErasedUser;
use crate::ports::UserProfile;

/// One thing that an import does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a user.
    AddUser(User),
    /// Replaces what can change of a user.
    UpdateUser(UserId, UserProfile),
    /// Makes sure that an id is never used again.
    AddErasedUser(ErasedUser),
    /// Adds an experiment or renames one.
    Experiment(ExperimentChange),
    /// Adds a measure type.
    AddMeasureType(MeasureTypeName, UnitSymbol, Quantity),
    /// Associates a scientist with the experiment of that name, which may be one that is added.
    Associate(ExperimentName, UserId),
}

/// What is done to an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentChange {
    /// Adds it under that number, or under one that the system gives.
    Add(Option<ExperimentId>, ExperimentName),
    /// Gives it another name.
    Rename(Experiment),
}
