use std::sync::Arc;

use axum::extract::FromRef;
use mymonit_services::{
    ApiTokenService, ExperimentService, FlagService, MeasureService, MeasureTypeService, PublisherService,
    ReadinessProbe, RejectedMessageService, SensorService, UserService,
};

use crate::limits::Limits;
use crate::metrics::RequestMetrics;
use crate::page::Page;
use crate::source::TrustedProxies;

/// What the handlers need. Each takes the part it uses as an argument.
#[derive(Clone, FromRef)]
pub struct RestState {
    /// Authentication and users.
    pub users: Arc<dyn UserService>,
    /// API tokens.
    pub api_tokens: Arc<dyn ApiTokenService>,
    /// Experiments and associations.
    pub experiments: Arc<dyn ExperimentService>,
    /// Reading measures.
    pub measures: Arc<dyn MeasureService>,
    /// Measure types.
    pub measure_types: Arc<dyn MeasureTypeService>,
    /// Publishers and their experiments.
    pub publishers: Arc<dyn PublisherService>,
    /// Sensors and series.
    pub sensors: Arc<dyn SensorService>,
    /// Flags.
    pub flags: Arc<dyn FlagService>,
    /// Messages that could not be stored.
    pub rejected_messages: Arc<dyn RejectedMessageService>,
    /// Readiness, and what the middleware needs.
    pub health: HealthState,
    /// The web page.
    pub page: Page,
}

/// Readiness, and what the middleware needs.
#[derive(Clone)]
pub struct HealthState {
    /// The parts that must be ready for `/health/ready` to answer 200.
    pub probes: Arc<[Arc<dyn ReadinessProbe>]>,
    /// Counts the requests.
    pub metrics: RequestMetrics,
    /// The proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// The time limits of requests.
    pub limits: Limits,
}
