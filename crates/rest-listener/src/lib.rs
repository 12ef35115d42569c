//! The HTTP door (specification §5, §10): what clients send is turned into calls of the services, and what
//! the services answer into HTTP.
//!
//! One file per resource holds its router, its shapes and its handlers. No rule of who may do what stands
//! here; the services hold them all.

mod caller;
mod created;
mod docs;
mod edge;
mod encoder;
mod error;
mod experiments;
mod format;
mod health;
mod json;
mod measure_types;
mod measures;
mod metrics;
mod openapi;
mod page;
mod path;
mod query;
mod rejected_messages;
mod router;
mod scientists_experiments;
mod server;
mod source;
mod state;
mod streaming;
mod users;
mod weighted;

pub use edge::{AllowedOrigins, InvalidOrigin};
pub use health::HealthState;
pub use metrics::RequestMetrics;
pub use openapi::openapi_yaml;
pub use page::{EvaluationDoor, EvaluationUser, FirebaseProject, InvalidFirebase, Page, SignIn};
pub use router::{health_router, router};
pub use server::{Limits, serve};
pub use source::{InvalidProxies, TrustedProxies};
pub use state::RestState;
