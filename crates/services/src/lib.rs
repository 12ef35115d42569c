//! Use cases: users, experiments, associations, measures and rejected messages, with all rules
//! of authorisation. REST API, AMQP consumer and CLI all call these services.
//!
//! [`ports`] holds the traits that other crates implement, such as storage and token verifier.

mod api_token_secret;
mod api_tokens;
pub mod audit;
mod cursor;
pub mod directory;
mod error;
pub mod example_data;
mod experiment_service;
mod flag_service;
mod health;
mod ingest;
mod listing;
mod measure_service;
mod measure_types;
pub mod message;
mod names;
pub mod ports;
mod principal;
mod publishers;
mod reading;
mod reduction;
mod rejected_message_service;
mod rejected_quota;
mod sensor_service;
mod token_uses;
mod user_rate;
mod user_service;

pub use api_token_secret::DEFAULT_API_TOKEN_MAX_DAYS;
pub use api_tokens::{
    ApiTokenDraft, ApiTokenService, ApiTokenServiceImpl, ApiTokenServiceImplParameters,
    MAX_API_TOKEN_EXPERIMENTS, MAX_API_TOKENS,
};
pub use error::{ServiceError, with_sources};
pub use experiment_service::{
    ExperimentDraft, ExperimentService, ExperimentServiceImpl, ExperimentServiceImplParameters,
};
pub use flag_service::{
    FlagDraft, FlagService, FlagServiceImpl, FlagServiceImplParameters, MAX_FLAGS, NamedFlag,
};
pub use health::{PartState, ReadinessProbe};
pub use ingest::{Delivery, IngestService, IngestServiceImpl, IngestServiceImplParameters};
pub use listing::{List, ListRequest, MAX_LISTED, MAX_SEARCH_CHARS};
pub use measure_service::{
    MAX_LIMIT, MAX_POINTS, MeasureService, MeasureServiceImpl, MeasureServiceImplParameters, ReadRequest,
};
pub use measure_types::{
    KnownMeasureTypes, MeasureTypeService, MeasureTypeServiceImpl, MeasureTypeServiceImplParameters,
};
pub use principal::{Principal, Reach, SignIn};
pub use publishers::{PublisherService, PublisherServiceImpl, PublisherServiceImplParameters};
pub use reading::{AccessRecord, Chunk, Chunks, Reading, ReadingSlot, ReadingSlots, Records};
pub use reduction::Bin;
pub use rejected_message_service::{
    DiscardSummary, MAX_REJECTED_MESSAGES, RejectedMessageList, RejectedMessagePages, RejectedMessageRequest,
    RejectedMessageService, RejectedMessageServiceImpl, RejectedMessageServiceImplParameters, Replay,
    ReplaySummary,
};
pub use rejected_quota::RejectedQuota;
pub use sensor_service::{NamedSeries, SensorService, SensorServiceImpl, SensorServiceImplParameters};
pub use token_uses::TokenUses;
pub use user_rate::UserRate;
pub use user_service::{
    Credentials, UserDraft, UserProfileDraft, UserService, UserServiceImpl, UserServiceImplParameters,
};
