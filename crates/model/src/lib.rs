//! What MyMONIT deals with: users and their roles, experiments, measure types and measures.
//!
//! Nothing here does input or output. A value of one of these types is valid by construction: the
//! limits of specification §2 are checked where the value is made, and a refusal names the field.

mod experiment;
mod faceted;
mod measure;
mod text;
mod timestamp;
mod user;
mod window;

pub use experiment::{Experiment, ExperimentId, ExperimentName};
pub use faceted::Faceted;
pub use measure::{
    MeasureId, MeasureType, MeasureTypeId, MeasureTypeName, MeasureValue, Quantity, StoredMeasure, UnitSymbol,
};
pub use text::InvalidField;
pub use timestamp::Timestamp;
pub use user::{Email, PersonName, Role, User, UserId, Username};
pub use window::Window;
