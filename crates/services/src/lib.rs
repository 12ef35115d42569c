//! What MyMONIT does: users, experiments, associations, measures and rejected messages, with every
//! rule of who may do what (specification §3) in this one place. Every door (HTTP, AMQP, the command
//! line) comes through these services, so that a rule holds alike for each.
//!
//! What the services need from outside (a database, a judge of tokens) stands in [`ports`] as traits.

pub mod audit;
mod cursor;
pub mod directory;
mod error;
pub mod example_data;
mod experiment_service;
mod health;
mod ingest;
mod measure_export;
mod measure_import;
mod measure_service;
mod measure_types;
pub mod message;
mod names;
pub mod ports;
mod reading;
mod reading_record;
mod reduction;
mod rejected_message_service;
mod user_service;

pub use error::{ServiceError, with_sources};
pub use experiment_service::{ExperimentService, ExperimentServiceImpl, ExperimentServiceImplParameters};
pub use health::{PartState, ReadinessProbe};
pub use ingest::{Delivery, IngestService, IngestServiceImpl, IngestServiceImplParameters};
pub use measure_export::{
    MeasureExportService, MeasureExportServiceImpl, MeasureExportServiceImplParameters,
};
pub use measure_import::{MeasureImport, MessageChain, RejectedLine};
pub use measure_service::{
    Content, MAX_LIMIT, MAX_POINTS, MeasureReading, MeasureService, MeasureServiceImpl,
    MeasureServiceImplParameters, NamedBin, NamedMeasure, Portions, ReadRequest, StandsForMeasures,
};
pub use measure_types::{
    KnownMeasureTypes, MeasureTypeService, MeasureTypeServiceImpl, MeasureTypeServiceImplParameters,
};
pub use reading_record::{Receipt, SentMeasures};
pub use rejected_message_service::{
    MAX_REJECTED_MESSAGES, RejectedMessageList, RejectedMessagePages, RejectedMessageRequest,
    RejectedMessageService, RejectedMessageServiceImpl, RejectedMessageServiceImplParameters, Replay,
    ReplaySummary,
};
pub use user_service::{
    Credentials, MeasureReader, UserDraft, UserProfileDraft, UserService, UserServiceImpl,
    UserServiceImplParameters,
};
