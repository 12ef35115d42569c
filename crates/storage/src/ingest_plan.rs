//! What is written of a batch: the rules of [`IngestStore::commit`] that need no SQL.
//!
//! [`IngestStore::commit`]: mymonit_services::ports::IngestStore::commit

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use mymonit_model::PublisherName;
use mymonit_services::message::{MessageId, MessageKey};
use mymonit_services::ports::{IngestContent, IngestMessage, IngestOutcome, NewMeasure, NewRejectedMessage};

/// The publisher of ids from before publishers had ids of their own: they match any publisher. No
/// `user-id` is this byte, which is not UTF-8.
pub(crate) const ANY_PUBLISHER: &[u8] = &[0xff];

/// A batch, and which copy of each message counts.
pub(crate) struct Plan {
    batch: Vec<IngestMessage>,
    /// The position of the copy that counts. Sorted by key: all processes lock ids in the same
    /// order, which prevents deadlocks.
    counting: BTreeMap<MessageKey, usize>,
}

/// The key of a row of MESSAGE_IDS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IdRow<'a> {
    /// Empty for messages without `user-id`.
    pub(crate) publisher: &'a [u8],
    pub(crate) id: &'a [u8],
}

impl<'a> IdRow<'a> {
    pub(crate) fn new(key: &'a MessageKey) -> Self {
        Self { publisher: publisher_bytes(key.publisher.as_ref()), id: key.id.as_bytes() }
    }

    /// Of the row that matches any publisher.
    fn of_any(key: &'a MessageKey) -> Self {
        Self { publisher: ANY_PUBLISHER, id: key.id.as_bytes() }
    }
}

/// The value of a column PUBLISHER.
pub(crate) fn publisher_bytes(publisher: Option<&PublisherName>) -> &[u8] {
    publisher.map_or(&[], |name| name.as_str().as_bytes())
}

/// The known ids of a batch; all others are new.
#[derive(Debug, Default)]
pub(crate) struct KnownIds {
    own: HashMap<MessageKey, Known>,
    /// Those that match any publisher.
    of_any: HashMap<MessageId, Known>,
}

/// The state of an id in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its message is stored.
    Stored,
    /// Its rejected message was removed by SQL. Only the id is left, so it counts as new.
    Removed,
    /// Its message is kept as rejected, under this number.
    Rejected(u64),
}

impl KnownIds {
    /// Adds an id and whether it has a time, which ids of rejected messages have not.
    pub(crate) fn add_seen(&mut self, row: IdRow<'_>, has_time: bool) {
        if let Some(known) = self.entry(row) {
            *known = if has_time { Known::Stored } else { Known::Removed };
        }
    }

    /// Adds the id and number of a rejected message, after all ids. A stored message stays stored,
    /// or it would be stored twice.
    pub(crate) fn add_rejected(&mut self, row: IdRow<'_>, number: u64) {
        if let Some(known) = self.entry(row)
            && *known != Known::Stored
        {
            *known = Known::Rejected(number);
        }
    }

    fn entry(&mut self, IdRow { publisher, id }: IdRow<'_>) -> Option<&mut Known> {
        let id = MessageId::new(id)?;
        if publisher == ANY_PUBLISHER {
            return Some(self.of_any.entry(id).or_insert(Known::Removed));
        }
        let key = MessageKey { publisher: PublisherName::from_user_id(publisher), id };
        Some(self.own.entry(key).or_insert(Known::Removed))
    }

    /// The state of a message, and its row. A message is stored if any row has that state.
    fn get<'a>(&self, key: &'a MessageKey) -> Option<(Known, IdRow<'a>)> {
        let own = self.own.get(key).map(|known| (*known, IdRow::new(key)));
        let of_any = self.of_any.get(&key.id).map(|known| (*known, IdRow::of_any(key)));
        match (own, of_any) {
            (Some(_), Some((Known::Stored, _))) | (None, _) => of_any,
            _ => own,
        }
    }
}

/// What is written.
pub(crate) struct Decision<'a> {
    /// The outcome of each message, in their order.
    pub(crate) outcomes: Vec<IngestOutcome>,
    /// The new ids, sorted; `true` if the message is rejected.
    pub(crate) new_ids: Vec<(IdRow<'a>, bool)>,
    /// The ids of rejected messages that can be stored now, with the number of the rejected copy if
    /// it still exists.
    pub(crate) superseded: Vec<(IdRow<'a>, Option<u64>)>,
    /// The position and the measures of each message that is stored.
    pub(crate) stored: Vec<(usize, &'a [NewMeasure])>,
    /// The messages that are rejected.
    pub(crate) rejected: Vec<(&'a IngestMessage, &'a NewRejectedMessage)>,
}

impl Decision<'_> {
    /// All measures, in the order of arrival.
    pub(crate) fn measures(&self) -> impl Iterator<Item = &NewMeasure> {
        self.stored.iter().flat_map(|(_, measures)| *measures)
    }

    /// The number of measures.
    pub(crate) fn measure_count(&self) -> usize {
        self.stored.iter().map(|(_, measures)| measures.len()).sum()
    }
}

impl Plan {
    /// Of copies with one id the first counts. If it is rejected and a later one can be stored, the
    /// later one counts, as in two batches.
    pub(crate) fn new(batch: Vec<IngestMessage>) -> Self {
        let mut counting = BTreeMap::<MessageKey, usize>::new();
        for (index, message) in batch.iter().enumerate() {
            let Some(key) = message.key() else { continue };
            match counting.get_mut(&key) {
                None => {
                    counting.insert(key, index);
                }
                Some(first) if !is_storable(&batch[*first]) && is_storable(message) => *first = index,
                Some(_) => {}
            }
        }
        Self { batch, counting }
    }

    /// The number of measures, of copies too.
    pub(crate) fn measure_count(&self) -> usize {
        let count = |message: &IngestMessage| match &message.content {
            IngestContent::Measures(measures) => measures.len(),
            IngestContent::Rejected(_) => 0,
        };
        self.batch.iter().map(count).sum()
    }

    /// Whether any message has an id.
    pub(crate) fn has_ids(&self) -> bool {
        !self.counting.is_empty()
    }

    /// The rows of the batch's ids, each once, sorted.
    pub(crate) fn id_rows(&self) -> Vec<IdRow<'_>> {
        let mut rows: Vec<_> =
            self.counting.keys().flat_map(|key| [IdRow::new(key), IdRow::of_any(key)]).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Decides about each message.
    pub(crate) fn decide(&self, known: &KnownIds) -> Decision<'_> {
        let mut decision = Decision {
            outcomes: Vec::with_capacity(self.batch.len()),
            new_ids: self.new_ids(known),
            superseded: Vec::new(),
            stored: Vec::new(),
            rejected: Vec::new(),
        };
        let keys: HashMap<_, _> = self.counting.iter().map(|(key, index)| (*index, key)).collect();
        for (index, message) in self.batch.iter().enumerate() {
            let outcome = match (keys.get(&index), &message.message_id) {
                (Some(key), _) => outcome(key, message, known, &mut decision.superseded),
                (None, Some(_)) => IngestOutcome::Duplicate,
                (None, None) => fresh(message),
            };
            match (outcome, &message.content) {
                (IngestOutcome::Stored, IngestContent::Measures(measures)) => {
                    decision.stored.push((index, measures));
                }
                (IngestOutcome::Rejected(_), IngestContent::Rejected(rejected)) => {
                    decision.rejected.push((message, rejected));
                }
                _ => {}
            }
            decision.outcomes.push(outcome);
        }
        decision
    }

    fn new_ids(&self, known: &KnownIds) -> Vec<(IdRow<'_>, bool)> {
        let new = self.counting.iter().filter(|(key, _)| known.get(key).is_none());
        new.map(|(key, index)| (IdRow::new(key), !is_storable(&self.batch[*index]))).collect()
    }
}

/// The outcome of a new message.
fn fresh(message: &IngestMessage) -> IngestOutcome {
    match &message.content {
        IngestContent::Measures(_) => IngestOutcome::Stored,
        IngestContent::Rejected(rejected) => IngestOutcome::Rejected(rejected.rejection.reason),
    }
}

/// The outcome of the copy that counts.
fn outcome<'a>(
    key: &'a MessageKey,
    message: &IngestMessage,
    known: &KnownIds,
    superseded: &mut Vec<(IdRow<'a>, Option<u64>)>,
) -> IngestOutcome {
    let Some((known, row)) = known.get(key) else { return fresh(message) };
    let number = match known {
        Known::Stored => return IngestOutcome::Duplicate,
        Known::Rejected(_) if !is_storable(message) => return IngestOutcome::Duplicate,
        Known::Removed if !is_storable(message) => return fresh(message),
        Known::Rejected(number) => Some(number),
        Known::Removed => None,
    };
    // A row that matches any publisher is superseded once; then its message is stored.
    if superseded.iter().any(|(other, _)| *other == row) {
        return IngestOutcome::Duplicate;
    }
    superseded.push((row, number));
    fresh(message)
}

fn is_storable(message: &IngestMessage) -> bool {
    matches!(message.content, IngestContent::Measures(_))
}

/// Bytes of a detail. Detail and properties have to fit into one packet.
const MAX_DETAIL: usize = 1024 * 1024;

/// The detail as it is stored. It may repeat a long part of the message; the whole body is stored,
/// too.
pub(crate) fn kept_detail(detail: &str) -> Cow<'_, str> {
    if detail.len() <= MAX_DETAIL {
        return Cow::Borrowed(detail);
    }
    let kept = &detail[..detail.floor_char_boundary(MAX_DETAIL)];
    Cow::Owned(format!("{kept}… (cut; {} bytes in all)", detail.len()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mymonit_model::{ExperimentId, MeasureTypeId, MeasureValue, Timestamp};
    use mymonit_services::message::{Rejection, RejectionReason};

    use super::*;
    use IngestOutcome::{Duplicate, Stored};

    const REJECTED: IngestOutcome = IngestOutcome::Rejected(RejectionReason::Empty);

    fn id(name: &str) -> Option<MessageId> {
        MessageId::new(name.as_bytes())
    }

    fn key(name: &str) -> MessageKey {
        MessageKey { publisher: None, id: id(name).unwrap() }
    }

    fn row(name: &str) -> IdRow<'_> {
        IdRow { publisher: b"", id: name.as_bytes() }
    }

    fn by(publisher: &str, message: IngestMessage) -> IngestMessage {
        IngestMessage { publisher: PublisherName::from_user_id(publisher.as_bytes()), ..message }
    }

    fn good(name: &str) -> IngestMessage {
        let measure = NewMeasure {
            experiment_id: ExperimentId::new(1),
            measure_type: MeasureTypeId::new(1),
            sensor: None,
            timestamp: Timestamp::from_unix_nanos(1).unwrap(),
            value: MeasureValue::new(1.0).unwrap(),
        };
        IngestMessage {
            publisher: None,
            message_id: id(name),
            content: IngestContent::Measures(vec![measure]),
        }
    }

    fn bad(name: &str) -> IngestMessage {
        let rejected = NewRejectedMessage {
            rejection: Rejection::new(RejectionReason::Empty, "the body is empty"),
            received_at: Timestamp::from_unix_nanos(1).unwrap(),
            properties: serde_json::json!({}),
            body: Bytes::new(),
        };
        IngestMessage {
            publisher: None,
            message_id: id(name),
            content: IngestContent::Rejected(Box::new(rejected)),
        }
    }

    fn outcomes(batch: Vec<IngestMessage>, known: &[(&str, Known)]) -> (Vec<IngestOutcome>, usize, usize) {
        let own = known.iter().map(|(name, known)| (key(name), *known)).collect();
        let plan = Plan::new(batch);
        let decision = plan.decide(&KnownIds { own, ..KnownIds::default() });
        (decision.outcomes.clone(), decision.measure_count(), decision.rejected.len())
    }

    #[test]
    fn only_a_detail_too_long_for_a_packet_is_cut_and_says_so() {
        let long = "é".repeat(MAX_DETAIL / 2);
        assert_eq!(kept_detail(&long), long);
        let cut = kept_detail(&format!("x{long}x")).into_owned();
        assert!(cut.len() < MAX_DETAIL + 50 && cut.ends_with("é… (cut; 1048578 bytes in all)"));
    }

    #[test]
    fn messages_without_an_id_are_all_written() {
        let batch = vec![good(""), bad(""), good(""), bad("")];
        assert_eq!(outcomes(batch, &[]), (vec![Stored, REJECTED, Stored, REJECTED], 2, 2));
    }

    #[test]
    fn of_copies_in_one_batch_the_first_counts() {
        let batch = vec![good("a"), good("a"), bad("a"), bad("b"), bad("b"), good("c")];
        let expected = vec![Stored, Duplicate, Duplicate, REJECTED, Duplicate, Stored];
        assert_eq!(outcomes(batch, &[]), (expected, 2, 1));
    }

    #[test]
    fn a_later_copy_that_can_be_stored_counts_before_one_that_cannot() {
        let batch = vec![bad("a"), bad("a"), good("a"), good("a")];
        assert_eq!(outcomes(batch, &[]), (vec![Duplicate, Duplicate, Stored, Duplicate], 1, 0));
    }

    #[test]
    fn known_messages_are_duplicates_unless_rejected_and_now_storable() {
        let known = [("a", Known::Stored), ("b", Known::Rejected(7)), ("c", Known::Rejected(8))];
        let batch = vec![good("a"), bad("a"), good("b"), bad("c"), good("b"), good("d")];
        let expected = vec![Duplicate, Duplicate, Stored, Duplicate, Duplicate, Stored];
        assert_eq!(outcomes(batch, &known), (expected, 2, 0));
    }

    #[test]
    fn a_message_of_which_only_the_id_is_left_counts_as_new() {
        let known = [("e", Known::Removed), ("f", Known::Removed)];
        assert_eq!(
            outcomes(vec![good("e"), bad("f"), good("e")], &known),
            (vec![Stored, REJECTED, Duplicate], 1, 1)
        );
    }

    #[test]
    fn a_stored_message_stays_stored() {
        let mut known = KnownIds::default();
        for (id, has_time) in [("a", true), ("b", false)] {
            known.add_seen(row(id), has_time);
        }
        for (id, number) in [("a", 1), ("b", 2), ("c", 3)] {
            known.add_rejected(row(id), number);
        }
        let expected = [("a", Known::Stored), ("b", Known::Rejected(2)), ("c", Known::Rejected(3))];
        assert_eq!(known.own, expected.map(|(name, known)| (key(name), known)).into());
    }

    #[test]
    fn ids_are_registered_sorted_and_say_whether_their_message_is_rejected() {
        let plan = Plan::new(vec![good("c"), bad("b"), good("a"), good("k"), good("r"), good("")]);
        let own = [(key("k"), Known::Stored), (key("r"), Known::Rejected(3))].into();
        let decision = plan.decide(&KnownIds { own, ..KnownIds::default() });
        assert_eq!(decision.new_ids, [(row("a"), false), (row("b"), true), (row("c"), false)]);
        assert_eq!(decision.superseded, [(row("r"), Some(3))]);
    }

    #[test]
    fn ids_count_for_each_publisher_alone() {
        let batch =
            vec![good("a"), by("p", good("a")), by("q", good("a")), by("p", good("a")), by("p", bad("b"))];
        let plan = Plan::new(batch);
        let own = [(MessageKey { publisher: PublisherName::from_user_id(b"q"), ..key("a") }, Known::Stored)];
        let decision = plan.decide(&KnownIds { own: own.into(), ..KnownIds::default() });
        assert_eq!(decision.outcomes, [Stored, Stored, Duplicate, Duplicate, REJECTED]);
        let of_p = |id| IdRow { publisher: b"p", id };
        assert_eq!(decision.new_ids, [(row("a"), false), (of_p(b"a"), false), (of_p(b"b"), true)]);
    }

    #[test]
    fn ids_of_before_match_any_publisher_and_are_superseded_once() {
        let any = |id| IdRow { publisher: ANY_PUBLISHER, id };
        let mut known = KnownIds::default();
        known.add_seen(any(b"s"), true);
        known.add_seen(any(b"r"), false);
        known.add_rejected(any(b"r"), 7);
        let batch =
            vec![by("p", good("s")), good("s"), by("p", bad("r")), by("q", good("r")), by("s", good("r"))];
        let plan = Plan::new(batch);
        let decision = plan.decide(&known);
        assert_eq!(decision.outcomes, [Duplicate, Duplicate, Duplicate, Stored, Duplicate]);
        assert_eq!(decision.superseded, [(any(b"r"), Some(7))]);
        assert!(decision.new_ids.is_empty() && plan.id_rows().len() == 7);
    }
}
