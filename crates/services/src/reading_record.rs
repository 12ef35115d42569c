use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use mymonit_model::{ExperimentId, UserId};
use tracing::Span;

use crate::audit::{Action, AuditEvent, AuditLog, Command, Outcome, Resource};
use crate::{Portions, ServiceError, StandsForMeasures};

/// What the auditor is told of a reading. It is told when nobody holds the record any more, so exactly once, and
/// whoever gives up the reading, at whatever point, need not think of it.
pub(crate) struct ReadingRecord {
    audit: Arc<dyn AuditLog>,
    /// The request that the reading belongs to; its end may come from anywhere.
    span: Span,
    reader: ReadBy,
    experiment_id: ExperimentId,
    /// Handed to the door.
    given: AtomicU64,
    /// Passed on by the door, where it tells.
    sent: AtomicU64,
    is_followed: AtomicBool,
    is_at_end: AtomicBool,
    has_failed: AtomicBool,
}

/// Who reads measures.
pub(crate) enum ReadBy {
    /// A scientist.
    User(UserId),
    /// An operator on the machine, by that command.
    Operator(Command),
}

impl ReadingRecord {
    /// Begins to keep the record of a reading of that experiment.
    pub(crate) fn begin(audit: Arc<dyn AuditLog>, reader: ReadBy, experiment_id: ExperimentId) -> Arc<Self> {
        Arc::new(Self {
            audit,
            span: Span::current(),
            reader,
            experiment_id,
            given: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            is_followed: AtomicBool::new(false),
            is_at_end: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        })
    }

    /// Takes note of what is handed to the door.
    pub(crate) fn follow<T>(self: &Arc<Self>, portions: Portions<T>) -> Portions<T>
    where
        T: StandsForMeasures + Send + 'static,
    {
        Recorded { portions, record: Some(self.clone()) }.boxed()
    }
}

impl Drop for ReadingRecord {
    fn drop(&mut self) {
        let is_followed = self.is_followed.load(Relaxed);
        let measures = if is_followed { &self.sent } else { &self.given }.load(Relaxed);
        let reason = if self.has_failed.load(Relaxed) {
            Some("the reading failed on the way")
        } else if !self.is_at_end.load(Relaxed) || is_followed && measures < self.given.load(Relaxed) {
            Some("the client did not stay to the end")
        } else {
            None
        };
        let outcome = if reason.is_none() { Outcome::Success } else { Outcome::Failure };
        let (user_id, command) = match &self.reader {
            ReadBy::User(user_id) => (Some(user_id.clone()), None),
            ReadBy::Operator(command) => (None, Some(*command)),
        };
        let event = AuditEvent {
            user_id,
            command,
            resource: Some(Resource::Experiment(self.experiment_id)),
            reason: reason.map(Into::into),
            measures: Some(measures),
            ..AuditEvent::new(Action::ReadMeasures, outcome)
        };
        self.span.in_scope(|| self.audit.record(event));
    }
}

/// Lets the door tell the auditor how many measures it has really passed on. A door that drops it unused is taken to
/// have passed on all that it was handed, some portions more than the client may have seen.
pub struct Receipt(Arc<ReadingRecord>);

impl Receipt {
    pub(crate) const fn of(record: Arc<ReadingRecord>) -> Self {
        Self(record)
    }

    /// From now on what counts is what is told to [`SentMeasures::add`].
    pub fn follow(self) -> SentMeasures {
        self.0.is_followed.store(true, Relaxed);
        SentMeasures(self.0)
    }
}

/// Counts the measures of a reading that the door has passed on.
pub struct SentMeasures(Arc<ReadingRecord>);

impl SentMeasures {
    /// So many more have been passed on.
    pub fn add(&self, measures: u64) {
        self.0.sent.fetch_add(measures, Relaxed);
    }
}

struct Recorded<T> {
    portions: Portions<T>,
    /// Let go of at the end, since the stream itself may live on for a while.
    record: Option<Arc<ReadingRecord>>,
}

impl<T: StandsForMeasures> Stream for Recorded<T> {
    type Item = Result<Vec<T>, ServiceError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let portion = ready!(self.portions.poll_next_unpin(context));
        if let Some(record) = &self.record {
            match &portion {
                Some(Ok(items)) => {
                    let measures = items.iter().map(StandsForMeasures::measures).sum();
                    record.given.fetch_add(measures, Relaxed);
                }
                Some(Err(_)) => record.has_failed.store(true, Relaxed),
                None => record.is_at_end.store(true, Relaxed),
            }
        }
        if !matches!(portion, Some(Ok(_))) {
            self.record = None;
        }
        Poll::Ready(portion)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::stream;

    use super::*;

    #[derive(Default)]
    struct Book(Mutex<Vec<AuditEvent>>);

    impl AuditLog for Book {
        fn record(&self, event: AuditEvent) {
            self.0.lock().unwrap().push(event);
        }
    }

    struct One;

    impl StandsForMeasures for One {
        fn measures(&self) -> u64 {
            1
        }
    }

    /// A reading of portions of 3, 2 and 1, or of 3 and a failure.
    fn reading(book: &Arc<Book>, fails: bool) -> (Portions<One>, Receipt) {
        let broken = || ServiceError::NotFound("as the test has it");
        let portions = match fails {
            false => vec![Ok(vec![One, One, One]), Ok(vec![One, One]), Ok(vec![One])],
            true => vec![Ok(vec![One, One, One]), Err(broken())],
        };
        let (user, experiment) = (UserId::new("S001").unwrap(), ExperimentId::new(1));
        let record = ReadingRecord::begin(book.clone(), ReadBy::User(user), experiment);
        (record.follow(stream::iter(portions).boxed()), Receipt::of(record))
    }

    fn told(book: &Book) -> (Outcome, u64) {
        let events = book.0.lock().unwrap();
        let [event] = &events[..] else { panic!("told {} times", events.len()) };
        (event.outcome, event.measures.unwrap())
    }

    #[tokio::test]
    async fn a_reading_to_the_end_is_told_once_with_its_number() {
        let book = Arc::new(Book::default());
        let (pages, receipt) = reading(&book, false);
        drop(receipt);
        assert_eq!(pages.count().await, 3);
        assert_eq!(told(&book), (Outcome::Success, 6));

        let book = Arc::new(Book::default());
        let (pages, receipt) = reading(&book, false);
        let sent = receipt.follow();
        assert_eq!(pages.count().await, 3);
        assert!(book.0.lock().unwrap().is_empty(), "the door has them and has not passed them on yet");
        sent.add(6);
        drop(sent);
        assert_eq!(told(&book), (Outcome::Success, 6));
    }

    #[tokio::test]
    async fn a_reading_that_is_given_up_is_told_with_what_was_passed_on() {
        let book = Arc::new(Book::default());
        let (mut pages, receipt) = reading(&book, false);
        drop(receipt);
        pages.next().await;
        drop(pages);
        assert_eq!(told(&book), (Outcome::Failure, 3));

        let book = Arc::new(Book::default());
        let (pages, receipt) = reading(&book, false);
        let sent = receipt.follow();
        sent.add(2);
        assert_eq!(pages.count().await, 3);
        drop(sent);
        assert_eq!(told(&book), (Outcome::Failure, 2));
    }

    #[tokio::test]
    async fn a_reading_that_fails_on_the_way_is_told_as_such() {
        let book = Arc::new(Book::default());
        let (pages, receipt) = reading(&book, true);
        drop(receipt);
        assert_eq!(pages.count().await, 2);
        assert_eq!(told(&book), (Outcome::Failure, 3));
    }
}
