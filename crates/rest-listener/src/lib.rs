//! REST API: maps requests to calls of the services, and results to responses.
//!
//! One file per resource holds its endpoints, schemas and handlers. The services hold all rules
//! of authorisation.

mod api_tokens;
mod caller;
mod created;
mod docs;
mod encoder;
mod error;
mod experiments;
mod flags;
mod format;
mod health;
mod json;
mod limits;
mod measure_types;
mod measures;
mod methods;
mod metrics;
mod middleware;
mod openapi;
mod page;
mod path;
mod publishers;
mod query;
mod rejected_messages;
mod router;
mod scientists_experiments;
mod sensors;
mod server;
mod source;
mod state;
mod streaming;
mod users;
mod weighted;

pub use limits::Limits;
pub use metrics::RequestMetrics;
pub use middleware::{AllowedOrigins, InvalidOrigin};
pub use page::{EvaluationTokens, EvaluationUser, FirebaseProject, InvalidFirebase, Page, SignIn};
pub use router::{health_router, openapi_yaml, router};
pub use server::serve;
pub use source::{InvalidProxies, TrustedProxies};
pub use state::{HealthState, RestState};
