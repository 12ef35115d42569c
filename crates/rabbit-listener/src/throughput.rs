use std::time::Duration;

use mymonit_services::audit::{Action, AuditEvent, AuditLog, Outcome, Throughput};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::IngestCounters;

/// How often the auditor is told (specification §9).
const EVERY: Duration = Duration::from_secs(60);

/// Tells the auditor what has been taken in, once a minute, also if it is nothing, and once more at the end.
pub async fn tell_throughput(counters: &IngestCounters, audit: &dyn AuditLog, shutdown: &CancellationToken) {
    let mut since = Instant::now();
    let mut told = Counts::of(counters);
    let mut ticks = interval_at(since + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let now = Counts::of(counters);
        audit.record(now.since(told, since.elapsed()));
        (told, since) = (now, Instant::now());
    }
    audit.record(Counts::of(counters).since(told, since.elapsed()));
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
    struct Book(Mutex<Vec<Throughput>>);

    impl AuditLog for Book {
        fn record(&self, event: AuditEvent) {
            self.0.lock().unwrap().push(event.throughput.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_minute_is_told_by_itself_and_the_last_one_when_it_is_cut_short() {
        let (counters, book, stop) = (IngestCounters::default(), Book::default(), CancellationToken::new());
        let life = async {
            counters.count_received();
            tokio::time::sleep(Duration::from_secs(150)).await;
            counters.count_received();
            counters.count_received();
            stop.cancel();
        };
        tokio::join!(tell_throughput(&counters, &book, &stop), life);
        let told = book.0.lock().unwrap();
        let told: Vec<_> = told.iter().map(|each| (each.during.as_secs(), each.received)).collect();
        assert_eq!(told, [(60, 1), (60, 0), (30, 2)]);
    }
}
