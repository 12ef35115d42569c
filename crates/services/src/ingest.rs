use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mymonit_model::{ExperimentId, ExperimentName, MeasureTypeId, MeasureTypeName, Timestamp};
use shaku::{Component, Interface};

use crate::MeasureTypeService;
use crate::message::{IncomingMeasure, IncomingMessage, MessageId, Rejection, RejectionReason};
use crate::ports::{
    ExperimentStore, IngestContent, IngestMessage, IngestOutcome, IngestStore, NewMeasure,
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
}

/// The ids of the names that a batch uses, as they are committed when the batch is written: a new
/// or renamed experiment counts from that moment on, in every process.
struct Names {
    experiments: HashMap<ExperimentName, ExperimentId>,
    measure_types: HashMap<MeasureTypeName, MeasureTypeId>,
}

impl Names {
    fn resolve(&self, message: &IncomingMessage) -> Result<Vec<NewMeasure>, Rejection> {
        let resolve = |(index, measure)| {
            self.resolve_one(measure).map_err(|rejection| rejection.at(message.position(index)))
        };
        message.measures.iter().enumerate().map(resolve).collect()
    }

    fn resolve_one(&self, measure: &IncomingMeasure) -> Result<NewMeasure, Rejection> {
        let experiment_id = *self.experiments.get(&measure.experiment).ok_or_else(|| {
            let detail = format!("`experiment`: there is no experiment named `{}`", measure.experiment);
            Rejection::new(RejectionReason::UnknownExperiment, detail)
        })?;
        let measure_type = *self.measure_types.get(&measure.measure_type).ok_or_else(|| {
            let detail = format!("`measure`: there is no measure type named `{}`", measure.measure_type);
            Rejection::new(RejectionReason::UnknownMeasureType, detail)
        })?;
        Ok(NewMeasure { experiment_id, measure_type, timestamp: measure.timestamp, value: measure.value })
    }
}

fn distinct<'a, T: Clone + Eq + Hash + 'a>(names: impl Iterator<Item = &'a T>) -> Vec<T> {
    names.collect::<HashSet<_>>().into_iter().cloned().collect()
}

impl IngestServiceImpl {
    async fn names(&self, deliveries: &[Delivery]) -> Result<Names, StorageError> {
        let measures = || {
            deliveries.iter().filter_map(|each| each.decoded.as_ref().ok()).flat_map(|each| &each.measures)
        };
        let experiments = distinct(measures().map(|measure| &measure.experiment));
        let measure_types = distinct(measures().map(|measure| &measure.measure_type));
        if experiments.is_empty() {
            return Ok(Names { experiments: HashMap::new(), measure_types: HashMap::new() });
        }
        Ok(Names {
            experiments: self.experiments.ids_by_name(&experiments).await?,
            measure_types: self.measure_types.ids_by_name(&measure_types).await?,
        })
    }
}

#[async_trait]
impl IngestService for IngestServiceImpl {
    async fn store(&self, deliveries: &[Delivery]) -> Result<Vec<IngestOutcome>, StorageError> {
        let names = self.names(deliveries).await?;
        let batch: Vec<_> = deliveries.iter().map(|delivery| to_message(delivery, &names)).collect();
        self.store.commit(&batch).await
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
