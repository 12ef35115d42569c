use std::sync::Arc;

use mymonit_model::{ExperimentId, UserId};
use tracing::Span;

use super::ReadingSlot;
use crate::audit::{Action, AuditEvent, AuditLog, Outcome, Resource};

/// The audit event of a reading, recorded when this is dropped. Unless it was completed before, the
/// reading was abandoned by its client.
pub struct AccessRecord {
    audit: Arc<dyn AuditLog>,
    /// The span of the request; the drop may happen outside of it.
    span: Span,
    user_id: UserId,
    experiment_id: ExperimentId,
    measures: u64,
    failure: Option<&'static str>,
    is_reading: bool,
    /// Free when the reading has ended.
    slot: Option<ReadingSlot>,
}

impl AccessRecord {
    /// A reading begins.
    pub fn new(audit: Arc<dyn AuditLog>, user_id: UserId, experiment_id: ExperimentId) -> Self {
        let failure = Some("the client did not stay to the end");
        Self {
            audit,
            span: Span::current(),
            user_id,
            experiment_id,
            measures: 0,
            failure,
            is_reading: true,
            slot: None,
        }
    }

    /// For HEAD requests, which read no measures: nothing is recorded.
    pub const fn cancel(&mut self) {
        self.is_reading = false;
    }

    /// The reading holds that slot until its end.
    pub(crate) fn hold(&mut self, slot: Option<ReadingSlot>) {
        self.slot = slot;
    }

    /// Adds measures that were passed on.
    pub const fn count(&mut self, measures: u64) {
        self.measures += measures;
    }

    /// Everything was passed on.
    pub const fn complete(&mut self) {
        self.failure = None;
    }

    /// The reading failed.
    pub const fn fail(&mut self) {
        self.failure = Some("the reading failed on the way");
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        if !self.is_reading {
            return;
        }
        let outcome = if self.failure.is_none() { Outcome::Success } else { Outcome::Failure };
        let event = AuditEvent {
            user_id: Some(self.user_id.clone()),
            resource: Some(Resource::Experiment(self.experiment_id)),
            reason: self.failure.map(Into::into),
            measures: Some(self.measures),
            ..AuditEvent::new(Action::ReadMeasures, outcome)
        };
        self.span.in_scope(|| self.audit.record(event));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Events(Mutex<Vec<AuditEvent>>);

    impl AuditLog for Events {
        fn record(&self, event: AuditEvent) {
            self.0.lock().unwrap().push(event);
        }
    }

    fn recorded(use_it: impl FnOnce(&mut AccessRecord)) -> (Outcome, Option<String>, Option<u64>) {
        let events = Arc::new(Events::default());
        let mut record =
            AccessRecord::new(events.clone(), UserId::new("S001").unwrap(), ExperimentId::new(1));
        use_it(&mut record);
        assert!(events.0.lock().unwrap().is_empty());
        drop(record);
        let events = events.0.lock().unwrap();
        let [event] = &events[..] else { panic!("{} events", events.len()) };
        (event.outcome, event.reason.as_deref().map(str::to_owned), event.measures)
    }

    #[test]
    fn a_reading_is_recorded_once_with_its_outcome_and_number() {
        let complete = recorded(|record| {
            record.count(2);
            record.count(1);
            record.complete();
        });
        assert_eq!(complete, (Outcome::Success, None, Some(3)));
        let abandoned = recorded(|record| record.count(2));
        assert_eq!(
            abandoned,
            (Outcome::Failure, Some("the client did not stay to the end".to_owned()), Some(2))
        );
        let failed = recorded(AccessRecord::fail);
        assert_eq!(failed, (Outcome::Failure, Some("the reading failed on the way".to_owned()), Some(0)));
    }
}
