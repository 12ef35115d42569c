use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mymonit_services::ports::{IngestOutcome, StorageError};
use mymonit_services::{Delivery, IngestService};

/// Whether schema and configured example data are in the database. Clones share the state.
///
/// Before the example data are there, a message for one of their experiments would be rejected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preparation(Arc<AtomicBool>);

impl Preparation {
    pub(crate) fn finish(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Wraps the service: it is unavailable before the preparation is finished.
    pub(crate) fn guard(self, ingest: Arc<dyn IngestService>) -> Arc<dyn IngestService> {
        Arc::new(GuardedIngestService { preparation: self, ingest })
    }
}

struct GuardedIngestService {
    preparation: Preparation,
    ingest: Arc<dyn IngestService>,
}

#[async_trait]
impl IngestService for GuardedIngestService {
    async fn ingest(&self, deliveries: &mut [Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        if !self.preparation.is_finished() {
            return Err(StorageError::Unavailable(Arc::from(
                Box::<dyn std::error::Error + Send + Sync>::from("the database is being prepared"),
            )));
        }
        self.ingest.ingest(deliveries).await
    }
}
