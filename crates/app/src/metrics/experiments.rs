use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use mymonit_model::ExperimentId;
use mymonit_services::ports::IngestObserver;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use shaku::Component;

/// How many experiments are watched, those that sent last: each costs Prometheus a series, for as long as it keeps
/// any of its samples.
const MOST: usize = 1_000;

/// When each experiment sent last, and how much since the start. By number, since names can be anything.
#[derive(Debug, Default)]
pub(crate) struct ExperimentActivity(Mutex<HashMap<ExperimentId, Activity>>);

#[derive(Debug, Clone, Copy, Default)]
struct Activity {
    measures: u64,
    last_seconds: f64,
}

impl ExperimentActivity {
    fn stored(&self, experiment_id: ExperimentId, measures: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut experiments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let activity = experiments.entry(experiment_id).or_default();
        activity.measures += measures;
        activity.last_seconds = now;
        if experiments.len() > MOST {
            let by_time = |(_, one): &(&ExperimentId, &Activity), (_, other): &(&ExperimentId, &Activity)| {
                one.last_seconds.total_cmp(&other.last_seconds)
            };
            let oldest = experiments.iter().min_by(by_time).map(|(id, _)| *id);
            oldest.map(|oldest| experiments.remove(&oldest));
        }
    }
}

impl Collector for ExperimentActivity {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let experiments = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if experiments.is_empty() {
            return Ok(());
        }
        let counter = ConstCounter::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "experiment_measures_stored",
            "Measures of an experiment that were delivered and committed",
            None,
            counter.metric_type(),
        )?;
        for (experiment_id, Activity { measures, .. }) in &experiments {
            let label = [("experiment_id", experiment_id.get())];
            ConstCounter::new(*measures).encode(family.encode_family(&label)?)?;
        }
        let gauge = ConstGauge::new(0_f64);
        let mut family = encoder.encode_descriptor(
            "experiment_last_stored_timestamp",
            "When a measure of an experiment was committed last, in Unix time",
            Some(&Unit::Seconds),
            gauge.metric_type(),
        )?;
        for (experiment_id, Activity { last_seconds, .. }) in &experiments {
            let label = [("experiment_id", experiment_id.get())];
            ConstGauge::new(*last_seconds).encode(family.encode_family(&label)?)?;
        }
        Ok(())
    }
}

/// Keeps [`ExperimentActivity`] up to date.
#[derive(Component)]
#[shaku(interface = IngestObserver)]
pub(crate) struct WatchingIngestObserver {
    activity: Arc<ExperimentActivity>,
}

impl IngestObserver for WatchingIngestObserver {
    fn stored(&self, experiment_id: ExperimentId, measures: u64) {
        self.activity.stored(experiment_id, measures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_experiments_that_sent_last_are_watched_and_no_more() {
        let activity = ExperimentActivity::default();
        let last = u32::try_from(MOST).unwrap() + 10;
        for id in 1..=last {
            activity.stored(ExperimentId::new(id), 1);
        }
        activity.stored(ExperimentId::new(last), 2);
        let watched = activity.0.lock().unwrap();
        assert_eq!(watched.len(), MOST);
        assert_eq!(watched[&ExperimentId::new(last)].measures, 3);
    }
}
