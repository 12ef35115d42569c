use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::encoding::Descriptor;
use crate::experiment_activity::ExperimentActivity;

/// Shows the activity of experiments by id; names may be any text.
#[derive(Debug)]
pub(super) struct ExperimentCollector(pub(super) Arc<ExperimentActivity>);

impl Collector for ExperimentCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let experiments = self.0.all();
        let label = |id: mymonit_model::ExperimentId| [("experiment_id", id.get())];
        let counts = experiments.iter().map(|(id, measures, _)| (label(*id), ConstCounter::new(*measures)));
        Descriptor::new(
            "experiment_measures_stored",
            "Measures of an experiment that were delivered and committed",
        )
        .encode_family(&mut encoder, counts)?;
        let times = experiments.iter().map(|(id, _, seconds)| (label(*id), ConstGauge::new(*seconds)));
        Descriptor::new(
            "experiment_last_stored_timestamp",
            "Time of the last commit of a measure, in Unix time",
        )
        .with_unit(&Unit::Seconds)
        .encode_family(&mut encoder, times)
    }
}
