use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;

use mymonit_model::{ExperimentId, ExperimentName, MeasureTypeId, MeasureTypeName, PublisherName};
use tokio::task::spawn_blocking;

use crate::message::{IncomingMeasure, IncomingMessage, Rejection, RejectionReason};
use crate::ports::{Binding, ExperimentStore, NamedExperiment, NewMeasure, PublisherStore, StorageError};
use crate::{MeasureTypeService, ServiceError};

/// The ids of the names in some messages, as committed now: every process finds a new or renamed
/// experiment at once.
#[derive(Default)]
pub(crate) struct Names {
    experiments: HashMap<ExperimentName, NamedExperiment>,
    measure_types: HashMap<MeasureTypeName, MeasureTypeId>,
    /// By publisher, of those that are bound.
    bindings: HashMap<PublisherName, Binding>,
    /// By unknown experiment name, the closest known one.
    closest_experiments: HashMap<ExperimentName, ExperimentName>,
    /// By publisher and name of an experiment that is not its own, the closest of its own.
    closest_permitted: HashMap<(PublisherName, ExperimentName), ExperimentName>,
    /// By unknown measure type name, the closest known one.
    closest_types: HashMap<MeasureTypeName, MeasureTypeName>,
}

/// Unknown names a batch that get a suggestion. A flood of them must not slow ingest.
const MAX_SUGGESTIONS: usize = 16;
/// Longer names get no suggestion: the comparison costs the product of both lengths.
const MAX_COMPARED_BYTES: usize = 64;
/// Names that differ more are not suggested; 1 is equal.
const MIN_SIMILARITY: f64 = 0.5;

impl Names {
    /// Looks up every name in the messages, each once.
    pub(crate) async fn look_up<'a, Messages>(
        (experiments, publishers): (&dyn ExperimentStore, &dyn PublisherStore),
        measure_types: &dyn MeasureTypeService,
        messages: impl Fn() -> Messages,
    ) -> Result<Self, StorageError>
    where
        Messages: Iterator<Item = (Option<&'a PublisherName>, &'a IncomingMessage)>,
    {
        let measures = || messages().flat_map(|(_, message)| &message.measures);
        let publisher_names = distinct(messages().filter_map(|(publisher, _)| publisher));
        let experiment_names = distinct(measures().map(|measure| &measure.experiment));
        let type_names = distinct(measures().map(|measure| &measure.measure_type));
        if experiment_names.is_empty() {
            return Ok(Self::default());
        }
        let mut names = Self {
            experiments: experiments.ids_by_name(&experiment_names).await?,
            measure_types: measure_types.ids_by_name(&type_names).await?,
            bindings: publishers.bindings(&publisher_names).await?,
            ..Self::default()
        };
        names.find_closest_permitted(messages());
        if names.experiments.len() < experiment_names.len() {
            let known = experiments.names().await?;
            let unknown = experiment_names.iter().filter(|name| !names.experiments.contains_key(name));
            names.closest_experiments = closest(unknown, &known, ExperimentName::as_str);
        }
        if names.measure_types.len() < type_names.len() {
            let known: Vec<_> = measure_types.names_by_id(&[]).await?.values().cloned().collect();
            let unknown = type_names.iter().filter(|name| !names.measure_types.contains_key(name));
            names.closest_types = closest(unknown, &known, MeasureTypeName::as_str);
        }
        Ok(names)
    }

    /// The id of an experiment.
    pub(crate) fn experiment(&self, name: &ExperimentName) -> Option<ExperimentId> {
        self.experiments.get(name).map(|experiment| experiment.experiment_id)
    }

    /// The measures of a message by id, or the first unknown name.
    pub(crate) fn resolve(
        &self,
        publisher: Option<&PublisherName>,
        message: &IncomingMessage,
    ) -> Result<Vec<NewMeasure>, Rejection> {
        let binding = publisher.and_then(|name| Some((name, self.bindings.get(name)?)));
        let resolve = |(index, measure)| {
            self.resolve_one(binding, measure).map_err(|rejection| rejection.at(message.position(index)))
        };
        message.measures.iter().enumerate().map(resolve).collect()
    }

    fn find_closest_permitted<'a>(
        &mut self,
        messages: impl Iterator<Item = (Option<&'a PublisherName>, &'a IncomingMessage)>,
    ) {
        if self.bindings.is_empty() {
            return;
        }
        let bound = messages.filter_map(|(publisher, message)| {
            let publisher = publisher?;
            Some((publisher, self.bindings.get(publisher)?, message))
        });
        let others: HashSet<_> = bound
            .flat_map(|(publisher, binding, message)| {
                let measures = message.measures.iter().map(|measure| &measure.experiment);
                measures.filter(move |name| !binding.contains_key(*name)).map(move |name| (publisher, name))
            })
            .take(MAX_SUGGESTIONS)
            .collect();
        for (publisher, name) in others {
            let own: Vec<_> =
                self.bindings.get(publisher).into_iter().flatten().map(|(own, _)| own.clone()).collect();
            let found = closest([name].into_iter(), &own, ExperimentName::as_str).remove(name);
            self.closest_permitted.extend(found.map(|own| ((publisher.clone(), name.clone()), own)));
        }
    }

    /// The same whether or not the experiment exists, so that it reveals only the publisher's own.
    fn not_permitted(&self, publisher: &PublisherName, name: &ExperimentName) -> Rejection {
        let closest = self.closest_permitted.get(&(publisher.clone(), name.clone()));
        let closest = closest.map(|own| format!("; the closest of its experiments is `{own}`"));
        let detail = format!("`experiment`: the publisher `{publisher}` may not publish to `{name}`");
        Rejection::new(RejectionReason::NotPermitted, detail + &closest.unwrap_or_default())
    }

    /// The rejection of a message whose new sensors are too many for that experiment.
    pub(crate) fn too_many_sensors(&self, message: &IncomingMessage, id: ExperimentId) -> Rejection {
        let mut names = message.measures.iter().map(|measure| &measure.experiment);
        let name = names.find(|name| self.experiment(name) == Some(id));
        Rejection::too_many_sensors(name.map_or("", ExperimentName::as_str))
    }

    fn resolve_one(
        &self,
        binding: Option<(&PublisherName, &Binding)>,
        measure: &IncomingMeasure,
    ) -> Result<NewMeasure, Rejection> {
        if let Some((publisher, binding)) = binding
            && !binding.contains_key(&measure.experiment)
        {
            return Err(self.not_permitted(publisher, &measure.experiment));
        }
        let unknown_experiment = || {
            let detail = format!("`experiment`: there is no experiment named `{}`", measure.experiment);
            unknown(
                RejectionReason::UnknownExperiment,
                detail,
                self.closest_experiments.get(&measure.experiment),
            )
        };
        let unknown_type = || {
            let detail = format!("`measure`: there is no measure type named `{}`", measure.measure_type);
            unknown(
                RejectionReason::UnknownMeasureType,
                detail,
                self.closest_types.get(&measure.measure_type),
            )
        };
        let NamedExperiment { experiment_id, archived } =
            *self.experiments.get(&measure.experiment).ok_or_else(unknown_experiment)?;
        if archived {
            let detail = format!(
                "`experiment`: the experiment `{}` is archived and takes no measures",
                measure.experiment
            );
            return Err(Rejection::new(RejectionReason::ExperimentArchived, detail));
        }
        let measure_type = *self.measure_types.get(&measure.measure_type).ok_or_else(unknown_type)?;
        Ok(NewMeasure {
            experiment_id,
            measure_type,
            sensor: measure.sensor.clone(),
            timestamp: measure.timestamp,
            value: measure.value,
        })
    }
}

fn unknown(reason: RejectionReason, detail: String, closest: Option<&impl Display>) -> Rejection {
    let closest = closest.map(|name| format!("; the closest known name is `{name}`"));
    Rejection::new(reason, detail + &closest.unwrap_or_default())
}

/// The most similar of many known names.
fn closest_of<T: Clone + Eq + Hash>(unknown: &T, known: &[T], text: fn(&T) -> &str) -> Option<T> {
    closest(std::iter::once(unknown), known, text).remove(unknown)
}

/// The refusal of an unknown name, with the most similar of the known ones.
pub(crate) async fn unknown_name<T: Clone + Eq + Hash + Display + Send + 'static>(
    field: &'static str,
    allowed: &'static str,
    name: T,
    known: Vec<T>,
    text: fn(&T) -> &str,
) -> ServiceError {
    // Comparing thousands of names takes long.
    match spawn_blocking(move || closest_of(&name, &known, text)).await {
        Ok(Some(closest)) => {
            ServiceError::invalid(field, format!("{allowed}; the closest known name is `{closest}`"))
        }
        Ok(None) => ServiceError::invalid(field, allowed),
        Err(died) => ServiceError::Internal(Arc::new(died)),
    }
}

/// For each unknown name the most similar known one, without regard to case.
fn closest<'a, T: Clone + Eq + Hash + 'a>(
    unknown: impl Iterator<Item = &'a T>,
    known: &[T],
    text: fn(&T) -> &str,
) -> HashMap<T, T> {
    let is_short = |name: &&T| text(name).len() <= MAX_COMPARED_BYTES;
    let known: Vec<_> = known.iter().filter(is_short).map(|name| (name, text(name).to_lowercase())).collect();
    let closest_to = |name: &'a T| {
        let lowercase = text(name).to_lowercase();
        let rated = known
            .iter()
            .map(|(known, each)| (strsim::normalized_damerau_levenshtein(&lowercase, each), known));
        let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        (best.0 >= MIN_SIMILARITY).then(|| (name.clone(), T::clone(best.1)))
    };
    unknown.filter(is_short).take(MAX_SUGGESTIONS).filter_map(closest_to).collect()
}

fn distinct<'a, T: Clone + Eq + Hash + 'a>(names: impl Iterator<Item = &'a T>) -> Vec<T> {
    names.collect::<HashSet<_>>().into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closest_to(unknown: &str, known: &[&str]) -> Option<String> {
        let name = |text: &str| ExperimentName::new(text).unwrap();
        let known: Vec<_> = known.iter().map(|text| name(text)).collect();
        let unknown = name(unknown);
        let found = closest([&unknown].into_iter(), &known, ExperimentName::as_str);
        found.get(&unknown).map(ToString::to_string)
    }

    #[test]
    fn the_closest_name_is_suggested_if_it_is_similar() {
        let known = ["device-vibrations", "black-holes", "kelvin"];
        for (unknown, expected) in [
            ("device-vibration", Some("device-vibrations")),
            ("Device-Vibrations", Some("device-vibrations")),
            ("balck-holes", Some("black-holes")),
            ("kelvn", Some("kelvin")),
            ("neutrino-flux", None),
            (&"x".repeat(255), None),
        ] {
            assert_eq!(closest_to(unknown, &known).as_deref(), expected, "{unknown}");
        }
        assert_eq!(closest_to("kelvn", &[]), None);
    }
}
