use std::sync::Arc;

use axum::extract::FromRef;
use mymonit_services::{
    ExperimentService, MeasureService, MeasureTypeService, ReadinessProbe, RejectedMessageService,
    UserService,
};

use crate::{RequestMetrics, TrustedProxies};

/// What the handlers need. Each takes the part it uses as an argument.
#[derive(Clone, FromRef)]
pub struct RestState {
    /// Who may sign in, and their records.
    pub users: Arc<dyn UserService>,
    /// Experiments and associations.
    pub experiments: Arc<dyn ExperimentService>,
    /// Reading measures.
    pub measures: Arc<dyn MeasureService>,
    /// What can be measured.
    pub measure_types: Arc<dyn MeasureTypeService>,
    /// What could never be stored.
    pub rejected_messages: Arc<dyn RejectedMessageService>,
    /// The parts that must be ready for `/health/ready` to answer 200.
    pub probes: Arc<[Arc<dyn ReadinessProbe>]>,
    /// Counts the requests.
    pub metrics: RequestMetrics,
    /// Who may say on whose behalf a request comes.
    pub trusted_proxies: TrustedProxies,
}
