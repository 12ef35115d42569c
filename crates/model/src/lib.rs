//! The domain types: users and their roles, experiments, measure types and measures.
//!
//! No input or output. Values are valid by construction: limits are checked by the constructor,
//! whose error names the field.

mod api_token;
mod experiment;
mod faceted;
mod flag;
mod flag_filter;
mod measure;
mod publisher;
mod sensor;
mod summary;
mod text;
mod timestamp;
mod user;
mod window;

pub use api_token::{ApiToken, ApiTokenId, ApiTokenName};
pub use experiment::{Experiment, ExperimentDetails, ExperimentId, ExperimentName};
pub use faceted::Faceted;
pub use flag::{Flag, FlagId, FlagRange, FlagReason};
pub use flag_filter::{FlagFilter, Flagged};
pub use measure::{
    MeasureId, MeasureType, MeasureTypeId, MeasureTypeName, MeasureValue, Quantity, StoredMeasure, UnitSymbol,
};
pub use publisher::{Publisher, PublisherName};
pub use sensor::{MAX_SENSORS, Sensor, SensorId, SensorName};
pub use summary::{Summary, SummaryParts};
pub use text::{Description, InvalidField};
pub use timestamp::Timestamp;
pub use user::{Email, PersonName, Role, User, UserId, UserProfile, Username};
pub use window::Window;
