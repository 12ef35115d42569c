use std::sync::Arc;

use axum::extract::FromRef;
use mymonit_services::{
    ExperimentService, MeasureService, MeasureTypeService, RejectedMessageService, UserService,
};

use crate::{HealthState, Page};

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
    /// How the process is, and who is told.
    pub health: HealthState,
    /// What people see in a browser.
    pub page: Page,
}
