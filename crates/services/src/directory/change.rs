use mymonit_model::{
    Description, Experiment, ExperimentDetails, ExperimentId, ExperimentName, MeasureTypeName, Quantity,
    SensorName, UnitSymbol, User, UserId, UserProfile,
};

use super::contents::ErasedUser;

/// One thing that an import does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a user.
    AddUser(User),
    /// Replaces what can change of a user.
    UpdateUser(UserId, UserProfile),
    /// Reserves the id of an erased user.
    AddErasedUser(ErasedUser),
    /// Adds an experiment or changes one.
    Experiment(ExperimentChange),
    /// Adds a measure type.
    AddMeasureType(MeasureTypeName, UnitSymbol, Quantity),
    /// Adds a sensor to the experiment of that name, which may be one that is added.
    AddSensor(ExperimentName, SensorName, Description),
    /// Replaces the description of a sensor.
    DescribeSensor(ExperimentId, SensorName, Description),
    /// Associates a scientist with the experiment of that name, which may be one that is added.
    Associate(ExperimentName, UserId),
}

/// The change of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentChange {
    /// Adds it with that number or a generated one.
    Add(Option<ExperimentId>, ExperimentDetails),
    /// Replaces its changeable fields.
    Update(Experiment),
}
