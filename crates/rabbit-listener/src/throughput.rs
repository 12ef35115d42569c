use std::time::Duration;

use mymonit_services::audit::{Action, AuditEvent, AuditLog, Outcome, Throughput};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::IngestCounters;

const INTERVAL: Duration = Duration::from_secs(60);

/// Records an audit event with the throughput of each minute, and of the rest when it stops.
pub async fn report_throughput(
    counters: &IngestCounters,
    audit: &dyn AuditLog,
    shutdown: &CancellationToken,
) {
    let (mut since, mut last) = (Instant::now(), Counts::of(counters));
    let mut ticks = interval_at(since + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = Counts::of(counters);
        audit.record(now.since(last, since.elapsed()));
        (last, since) = (now, Instant::now());
    }
    audit.record(Counts::of(counters).since(last, since.elapsed()));
}

#[derive(Clone, Copy)]
struct Counts {
    received: u64,
    stored: u64,
    duplicate: u64,
    rejected: u64,
}

impl Counts {
    fn of(counters: &IngestCounters) -> Self {
        Self {
            received: counters.received(),
            stored: counters.stored(),
            duplicate: counters.duplicate(),
            rejected: counters.rejected(),
        }
    }

    fn since(self, earlier: Self, during: Duration) -> AuditEvent {
        let throughput = Throughput {
            during,
            received: self.received - earlier.received,
            stored: self.stored - earlier.stored,
            duplicate: self.duplicate - earlier.duplicate,
            rejected: self.rejected - earlier.rejected,
        };
        AuditEvent {
            throughput: Some(throughput),
            ..AuditEvent::new(Action::ConsumeMessages, Outcome::Success)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct RecordedEvents(Mutex<Vec<Throughput>>);

    impl AuditLog for RecordedEvents {
        fn record(&self, event: AuditEvent) {
            self.0.lock().unwrap().push(event.throughput.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_minute_is_recorded_and_the_last_part_when_it_stops() {
        let (counters, events, stop) =
            (IngestCounters::default(), RecordedEvents::default(), CancellationToken::new());
        let run = async {
            counters.count_received();
            tokio::time::sleep(Duration::from_secs(150)).await;
            counters.count_received();
            counters.count_received();
            stop.cancel();
        };
        tokio::join!(report_throughput(&counters, &events, &stop), run);
        let recorded = events.0.lock().unwrap();
        let recorded: Vec<_> = recorded.iter().map(|each| (each.during.as_secs(), each.received)).collect();
        assert_eq!(recorded, [(60, 1), (60, 0), (30, 2)]);
    }
}
