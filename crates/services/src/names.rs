use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use mymonit_model::{ExperimentId, ExperimentName, MeasureTypeId, MeasureTypeName};

use crate::MeasureTypeService;
use crate::message::{IncomingMeasure, IncomingMessage, Rejection, RejectionReason};
use crate::ports::{ExperimentStore, NewMeasure, StorageError};

/// The ids of the names that some messages use, as they are committed at this moment: a new or renamed experiment
/// counts from then on, in every process.
pub(crate) struct Names {
    experiments: HashMap<ExperimentName, ExperimentId>,
    measure_types: HashMap<MeasureTypeName, MeasureTypeId>,
}

impl Names {
    /// Looks up every name in the messages, each once.
    pub(crate) async fn look_up<'a, Messages>(
        experiments: &dyn ExperimentStore,
        measure_types: &dyn MeasureTypeService,
        messages: impl Fn() -> Messages,
    ) -> Result<Self, StorageError>
    where
        Messages: Iterator<Item = &'a IncomingMessage>,
    {
        let measures = || messages().flat_map(|message| &message.measures);
        let experiment_names = distinct(measures().map(|measure| &measure.experiment));
        let type_names = distinct(measures().map(|measure| &measure.measure_type));
        if experiment_names.is_empty() {
            return Ok(Self { experiments: HashMap::new(), measure_types: HashMap::new() });
        }
        Ok(Self {
            experiments: experiments.ids_by_name(&experiment_names).await?,
            measure_types: measure_types.ids_by_name(&type_names).await?,
        })
    }

    /// The measures of a message by id, or the first name in it that is not known.
    pub(crate) fn resolve(&self, message: &IncomingMessage) -> Result<Vec<NewMeasure>, Rejection> {
        let resolve = |(index, measure)| {
            self.resolve_one(measure).map_err(|rejection| rejection.at(message.position(index)))
        };
        message.measures.iter().enumerate().map(resolve).collect()
    }

    fn resolve_one(&self, measure: &IncomingMeasure) -> Result<NewMeasure, Rejection> {
        let experiment_id =
            *self.experiments.get(&measure.experiment).ok_or_else(|| unknown_experiment(measure))?;
        let measure_type =
            *self.measure_types.get(&measure.measure_type).ok_or_else(|| unknown_measure_type(measure))?;
        Ok(NewMeasure { experiment_id, measure_type, timestamp: measure.timestamp, value: measure.value })
    }
}

/// Why a measure of an experiment that there is not cannot be stored.
pub(crate) fn unknown_experiment(measure: &IncomingMeasure) -> Rejection {
    let detail = format!("`experiment`: there is no experiment named `{}`", measure.experiment);
    Rejection::new(RejectionReason::UnknownExperiment, detail)
}

/// Why a measure of a type that there is not cannot be stored.
pub(crate) fn unknown_measure_type(measure: &IncomingMeasure) -> Rejection {
    let detail = format!("`measure`: there is no measure type named `{}`", measure.measure_type);
    Rejection::new(RejectionReason::UnknownMeasureType, detail)
}

fn distinct<'a, T: Clone + Eq + Hash + 'a>(names: impl Iterator<Item = &'a T>) -> Vec<T> {
    names.collect::<HashSet<_>>().into_iter().cloned().collect()
}
