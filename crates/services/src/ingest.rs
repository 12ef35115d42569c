use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mymonit_model::Timestamp;
use shaku::{Component, Interface};

use crate::MeasureTypeService;
use crate::message::{IncomingMessage, MessageId, Rejection};
use crate::names::Names;
use crate::ports::{
    ExperimentStore, IngestContent, IngestMessage, IngestObserver, IngestOutcome, IngestStore,
    NewRejectedMessage, StorageError,
};

/// A message as the broker delivered it, decoded as far as that goes without the database.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The publisher's name for the message, if it gave one.
    pub message_id: Option<MessageId>,
    /// When the service took it from the broker.
    pub received_at: Timestamp,
    /// What [`crate::message::decode`] made of the body.
    pub decoded: Result<IncomingMessage, Rejection>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The AMQP properties as a JSON object.
    pub properties: serde_json::Value,
}

/// Takes delivered messages into storage (specification §4).
#[async_trait]
pub trait IngestService: Interface {
    /// Stores a batch in one transaction: the measures of each message, or the message itself among
    /// the rejected ones. When this returns `Ok`, all of it is committed, and the messages may be
    /// acknowledged; the outcomes stand in the order of the deliveries.
    ///
    /// # Errors
    /// [`StorageError::Data`] when the database refuses the data of this batch for good; anything else
    /// is worth another try.
    async fn store(&self, deliveries: &[Delivery]) -> Result<Vec<IngestOutcome>, StorageError>;
}

/// The one implementation of [`IngestService`].
#[derive(Component)]
#[shaku(interface = IngestService)]
pub struct IngestServiceImpl {
    #[shaku(inject)]
    store: Arc<dyn IngestStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    observer: Arc<dyn IngestObserver>,
}

impl IngestServiceImpl {
    /// Tells of what was stored, by experiment.
    fn observe(&self, batch: &[IngestMessage], outcomes: &[IngestOutcome]) {
        let mut stored = BTreeMap::<_, u64>::new();
        for (message, outcome) in batch.iter().zip(outcomes) {
            if let (IngestContent::Measures(measures), IngestOutcome::Stored) = (&message.content, outcome) {
                for measure in measures {
                    *stored.entry(measure.experiment_id).or_default() += 1;
                }
            }
        }
        for (experiment_id, measures) in stored {
            self.observer.stored(experiment_id, measures);
        }
    }
}

#[async_trait]
impl IngestService for IngestServiceImpl {
    async fn store(&self, deliveries: &[Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        let decoded = || deliveries.iter().filter_map(|each| each.decoded.as_ref().ok());
        let names = Names::look_up(&*self.experiments, &*self.measure_types, decoded).await?;
        let batch: Vec<_> = deliveries.iter().map(|delivery| to_message(delivery, &names)).collect();
        let outcomes = self.store.commit(&batch).await?;
        self.observe(&batch, &outcomes);
        Ok(outcomes)
    }
}

fn to_message(delivery: &Delivery, names: &Names) -> IngestMessage {
    let resolved = delivery.decoded.as_ref().map_err(Rejection::clone).and_then(|each| names.resolve(each));
    let content = match resolved {
        Ok(measures) => IngestContent::Measures(measures),
        Err(rejection) => IngestContent::Rejected(Box::new(NewRejectedMessage {
            rejection,
            received_at: delivery.received_at,
            properties: delivery.properties.clone(),
            body: delivery.body.clone(),
        })),
    };
    IngestMessage { message_id: delivery.message_id.clone(), content }
}
