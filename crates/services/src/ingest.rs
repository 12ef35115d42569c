use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mymonit_model::{ExperimentId, PublisherName, Timestamp};
use shaku::{Component, Interface};

use crate::message::{IncomingMessage, MessageId, Rejection, RejectionReason};
use crate::names::Names;
use crate::ports::{
    ExperimentStore, IngestContent, IngestMessage, IngestObserver, IngestOutcome, IngestStore, NewMeasure,
    NewRejectedMessage, PublisherStore, RejectedMessageStore, StorageError,
};
use crate::{MeasureTypeService, RejectedQuota};

/// A message from the broker, decoded without the database.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The property `user-id`, which the broker has checked.
    pub publisher: Option<PublisherName>,
    /// The property `message-id`.
    pub message_id: Option<MessageId>,
    /// When the broker delivered it.
    pub received_at: Timestamp,
    /// The result of [`crate::message::decode`].
    pub decoded: Result<IncomingMessage, Rejection>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// The AMQP properties as a JSON object.
    pub properties: serde_json::Value,
}

/// Stores delivered messages.
#[async_trait]
pub trait IngestService: Interface {
    /// Stores a batch in one transaction: the measures of each message, or the rejected message.
    /// With `Ok` all is committed and may be acknowledged, and `decoded` has the rejection of each
    /// message that was rejected. Outcomes are in the order of deliveries.
    ///
    /// # Errors
    /// [`StorageError::Data`] if the database will never accept this batch; others may be retried.
    /// [`StorageError::RejectedFull`] while the rejected messages have reached their limit.
    async fn ingest(&self, deliveries: &mut [Delivery]) -> Result<Vec<IngestOutcome>, StorageError>;
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
    #[shaku(inject)]
    publishers: Arc<dyn PublisherStore>,
    #[shaku(inject)]
    rejected: Arc<dyn RejectedMessageStore>,
    /// The limit of all rejected messages together.
    quota: Arc<RejectedQuota>,
    /// Whether a message without `user-id` is rejected.
    require_user_id: bool,
}

impl IngestServiceImpl {
    /// The measures of a message, or its rejection: also where it gives too many sensors to that
    /// experiment.
    fn resolve(
        &self,
        delivery: &Delivery,
        names: &Names,
        too_many_sensors: Option<ExperimentId>,
    ) -> Result<Vec<NewMeasure>, Rejection> {
        let message = delivery.decoded.as_ref().map_err(Rejection::clone)?;
        if self.require_user_id && delivery.publisher.is_none() {
            let detail = "the message has no property `user-id`, which this system requires";
            return Err(Rejection::new(RejectionReason::NotPermitted, detail));
        }
        match too_many_sensors {
            Some(experiment_id) => Err(names.too_many_sensors(message, experiment_id)),
            None => names.resolve(delivery.publisher.as_ref(), message),
        }
    }

    /// Reports the stored measures of each experiment.
    fn observe(&self, deliveries: &[Delivery], names: &Names, outcomes: &[IngestOutcome]) {
        let mut stored = BTreeMap::<ExperimentId, u64>::new();
        for (delivery, outcome) in deliveries.iter().zip(outcomes) {
            if let (Ok(message), IngestOutcome::Stored) = (&delivery.decoded, outcome) {
                for id in message.measures.iter().filter_map(|measure| names.experiment(&measure.experiment))
                {
                    *stored.entry(id).or_default() += 1;
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
    async fn ingest(&self, deliveries: &mut [Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        self.quota.check(&*self.rejected).await?;
        let decoded = || {
            deliveries.iter().filter_map(|each| Some((each.publisher.as_ref(), each.decoded.as_ref().ok()?)))
        };
        let stores = (&*self.experiments, &*self.publishers);
        let names = Names::look_up(stores, &*self.measure_types, decoded).await?;
        // Each attempt rejects more of the batch.
        let mut excess = HashMap::new();
        let (outcomes, refused) = loop {
            let mut refused = Vec::new();
            let to_message = |(index, delivery): (usize, &Delivery)| {
                let content = match self.resolve(delivery, &names, excess.get(&index).copied()) {
                    Ok(measures) => IngestContent::Measures(measures),
                    Err(rejection) => {
                        refused.extend(delivery.decoded.is_ok().then(|| (index, rejection.clone())));
                        rejected(delivery, rejection)
                    }
                };
                IngestMessage {
                    publisher: delivery.publisher.clone(),
                    message_id: delivery.message_id.clone(),
                    content,
                }
            };
            let batch = deliveries.iter().enumerate().map(to_message).collect();
            match self.store.commit(batch).await {
                Err(StorageError::TooManySensors(messages)) => excess.extend(messages),
                outcomes => break (outcomes?, refused),
            }
        };
        self.observe(deliveries, &names, &outcomes);
        // Not before the commit: a retry looks the names up again.
        for (index, rejection) in refused {
            deliveries[index].decoded = Err(rejection);
        }
        for (delivery, outcome) in deliveries.iter().zip(&outcomes) {
            if let (Err(rejection), IngestOutcome::Rejected(_)) = (&delivery.decoded, outcome) {
                self.quota.add(delivery.body.len() + rejection.detail.len());
            }
        }
        Ok(outcomes)
    }
}

fn rejected(delivery: &Delivery, rejection: Rejection) -> IngestContent {
    IngestContent::Rejected(Box::new(NewRejectedMessage {
        rejection,
        received_at: delivery.received_at,
        properties: delivery.properties.clone(),
        body: delivery.body.clone(),
    }))
}
