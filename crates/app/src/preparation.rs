use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use mymonit_services::ports::{IngestOutcome, StorageError};
use mymonit_services::{Delivery, IngestService};

/// Whether everything is in the database that has to be there before the first message: the schema, and the
/// example data where they are wanted. Clones tell the same.
///
/// Between the two the database works already, but a message for an experiment of the example data would be
/// rejected, and their administrator would not be known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preparation(Arc<AtomicBool>);

impl Preparation {
    /// Everything is there.
    pub(crate) fn finish(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether everything is there.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Lets no message through to the service before everything is there.
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
    async fn store(&self, deliveries: &[Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        if !self.preparation.is_finished() {
            return Err(StorageError::Unavailable(Arc::from(
                Box::<dyn std::error::Error + Send + Sync>::from("the database is being prepared"),
            )));
        }
        self.ingest.store(deliveries).await
    }
}
