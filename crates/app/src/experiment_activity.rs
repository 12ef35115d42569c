//! The activity of experiments, counted by the ingest service and read by the metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use mymonit_model::ExperimentId;
use mymonit_services::ports::IngestObserver;
use shaku::Component;

/// The maximum number of experiments, the last active ones: each is a time series in Prometheus.
const MAX: usize = 1_000;

/// The last time and the count of measures for each experiment since the start.
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
        if experiments.len() > MAX {
            let by_time = |(_, one): &(&ExperimentId, &Activity), (_, other): &(&ExperimentId, &Activity)| {
                one.last_seconds.total_cmp(&other.last_seconds)
            };
            let oldest = experiments.iter().min_by(by_time).map(|(id, _)| *id);
            oldest.map(|oldest| experiments.remove(&oldest));
        }
    }
}

impl ExperimentActivity {
    /// Each watched experiment with its count of measures and the time of its last one.
    pub(crate) fn all(&self) -> Vec<(ExperimentId, u64, f64)> {
        let experiments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        experiments.iter().map(|(id, activity)| (*id, activity.measures, activity.last_seconds)).collect()
    }
}

/// Updates [`ExperimentActivity`].
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
        let last = u32::try_from(MAX).unwrap() + 10;
        for id in 1..=last {
            activity.stored(ExperimentId::new(id), 1);
        }
        activity.stored(ExperimentId::new(last), 2);
        let watched = activity.0.lock().unwrap();
        assert_eq!(watched.len(), MAX);
        assert_eq!(watched[&ExperimentId::new(last)].measures, 3);
    }
}
