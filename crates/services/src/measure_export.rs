use std::sync::Arc;

use async_trait::async_trait;
use mymonit_model::{ExperimentName, Timestamp};
use shaku::{Component, Interface};

use crate::audit::{AuditLog, Command};
use crate::cursor::Scope;
use crate::experiment_service::NO_SUCH_EXPERIMENT;
use crate::ports::{ExperimentStore, MeasureQuery, MeasureStore, Order};
use crate::reading::Reader;
use crate::reading_record::{ReadBy, ReadingRecord};
use crate::{Content, MeasureTypeService, NamedMeasure, Portions, ServiceError};

/// All measures of an experiment for an operator on the machine, who has the database's credentials and so needs no
/// others.
#[async_trait]
pub trait MeasureExportService: Interface {
    /// The measures of the experiment of that name between the two moments, oldest first, those of one moment in the
    /// order of their arrival. The auditor is told of it as of any reading.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] if there is no such experiment.
    async fn export(
        &self,
        experiment: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Portions<NamedMeasure>, ServiceError>;
}

/// The one implementation of [`MeasureExportService`].
#[derive(Component)]
#[shaku(interface = MeasureExportService)]
pub struct MeasureExportServiceImpl {
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    measures: Arc<dyn MeasureStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
}

#[async_trait]
impl MeasureExportService for MeasureExportServiceImpl {
    async fn export(
        &self,
        experiment: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Portions<NamedMeasure>, ServiceError> {
        let name = ExperimentName::new(experiment)?;
        let ids = self.experiments.ids_by_name(std::slice::from_ref(&name)).await?;
        let experiment_id = *ids.get(&name).ok_or(NO_SUCH_EXPERIMENT)?;
        let query = MeasureQuery { experiment_id, from, to, types: Vec::new(), order: Order::Ascending };
        let scope = Scope::of(&query, None);
        let (measures, measure_types) = (self.measures.clone(), self.measure_types.clone());
        let reader = Reader { measures, measure_types, query, scope };
        let record =
            ReadingRecord::begin(self.audit.clone(), ReadBy::Operator(Command::Export), experiment_id);
        match reader.measures(None, None).await? {
            (_, Content::Measures(measures)) => Ok(record.follow(measures)),
            (_, Content::Bins { .. }) => Ok(Box::pin(futures::stream::empty())),
        }
    }
}
