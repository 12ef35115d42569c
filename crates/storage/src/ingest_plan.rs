//! What is to be written of a batch of messages: the rules of [`IngestStore::commit`] that need no SQL.
//!
//! [`IngestStore::commit`]: mymonit_services::ports::IngestStore::commit

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use mymonit_services::message::MessageId;
use mymonit_services::ports::{IngestContent, IngestMessage, IngestOutcome, NewMeasure, NewRejectedMessage};

/// A batch, of which is known which copy of each message counts.
pub(crate) struct Plan {
    batch: Vec<IngestMessage>,
    /// Where in the batch the copy that counts stands. Sorted by id, so that all processes take the locks on
    /// the ids in the same order and do not block each other crosswise.
    counting: BTreeMap<MessageId, usize>,
}

/// What the database knows of the ids of a batch; ids that are missing are new.
#[derive(Debug, Default)]
pub(crate) struct KnownIds(HashMap<MessageId, Known>);

/// What the database knows of a message that came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It was stored, for certain.
    Stored,
    /// It was kept among the rejected messages, and somebody removed it there past this program. So nothing of
    /// it is left but its id, and it counts as new.
    Removed,
    /// It is kept among the rejected messages, under this number.
    Rejected(u64),
}

impl KnownIds {
    /// Takes note of a registered id, and whether that says when its message was seen: it does unless the
    /// message is kept among the rejected ones.
    pub(crate) fn add_seen(&mut self, id: &[u8], has_time: bool) {
        if let Some(id) = MessageId::new(id) {
            self.0.insert(id, if has_time { Known::Stored } else { Known::Removed });
        }
    }

    /// Takes note of a rejected message's id and number, after all registered ids. A message that was stored
    /// stays stored, or it would be stored a second time.
    pub(crate) fn add_rejected(&mut self, id: &[u8], number: u64) {
        if let Some(known) = MessageId::new(id).map(|id| self.0.entry(id).or_insert(Known::Removed))
            && *known != Known::Stored
        {
            *known = Known::Rejected(number);
        }
    }
}

/// What is to be written.
pub(crate) struct Decision<'a> {
    /// What becomes of each message, in their order.
    pub(crate) outcomes: Vec<IngestOutcome>,
    /// The ids to be registered, sorted; `true` for those whose message is rejected now.
    pub(crate) new_ids: Vec<(&'a MessageId, bool)>,
    /// The ids of messages that are registered as rejected and can be stored now, with the number of the copy
    /// that is kept among the rejected ones, if it is still there.
    pub(crate) superseded: Vec<(&'a MessageId, Option<u64>)>,
    /// The measures of each message that is stored.
    stored: Vec<&'a [NewMeasure]>,
    /// The messages to be kept among the rejected ones.
    pub(crate) rejected: Vec<(Option<&'a MessageId>, &'a NewRejectedMessage)>,
}

impl Decision<'_> {
    /// All measures to be written, in the order of arrival.
    pub(crate) fn measures(&self) -> impl Iterator<Item = &NewMeasure> {
        self.stored.iter().copied().flatten()
    }

    /// How many measures there are to be written.
    pub(crate) fn measure_count(&self) -> usize {
        self.stored.iter().map(|measures| measures.len()).sum()
    }
}

impl Plan {
    /// Of copies with one id the first counts; but if it is to be rejected and a later one can be stored,
    /// that one counts, as it would if the two had come in two batches.
    pub(crate) fn new(batch: Vec<IngestMessage>) -> Self {
        let mut counting = BTreeMap::<MessageId, usize>::new();
        for (index, message) in batch.iter().enumerate() {
            let Some(id) = &message.message_id else { continue };
            match counting.get_mut(id) {
                None => {
                    counting.insert(id.clone(), index);
                }
                Some(first) if !is_storable(&batch[*first]) && is_storable(message) => *first = index,
                Some(_) => {}
            }
        }
        Self { batch, counting }
    }

    /// The ids that the batch names, each once, sorted.
    pub(crate) fn ids(&self) -> Vec<&MessageId> {
        self.counting.keys().collect()
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
        for (index, message) in self.batch.iter().enumerate() {
            let outcome = self.outcome(index, message, known, &mut decision.superseded);
            match (outcome, &message.content) {
                (IngestOutcome::Stored, IngestContent::Measures(measures)) => decision.stored.push(measures),
                (IngestOutcome::Rejected(_), IngestContent::Rejected(rejected)) => {
                    decision.rejected.push((message.message_id.as_ref(), rejected));
                }
                _ => {}
            }
            decision.outcomes.push(outcome);
        }
        decision
    }

    fn outcome<'a>(
        &'a self,
        index: usize,
        message: &'a IngestMessage,
        known: &KnownIds,
        superseded: &mut Vec<(&'a MessageId, Option<u64>)>,
    ) -> IngestOutcome {
        let fresh = match &message.content {
            IngestContent::Measures(_) => IngestOutcome::Stored,
            IngestContent::Rejected(rejected) => IngestOutcome::Rejected(rejected.rejection.reason),
        };
        let Some(id) = &message.message_id else { return fresh };
        if self.counting.get(id) != Some(&index) {
            return IngestOutcome::Duplicate;
        }
        match known.0.get(id) {
            None => fresh,
            Some(Known::Rejected(number)) if is_storable(message) => {
                superseded.push((id, Some(*number)));
                fresh
            }
            Some(Known::Removed) => {
                superseded.extend(is_storable(message).then_some((id, None)));
                fresh
            }
            Some(Known::Stored | Known::Rejected(_)) => IngestOutcome::Duplicate,
        }
    }

    fn new_ids(&self, known: &KnownIds) -> Vec<(&MessageId, bool)> {
        let new = self.counting.iter().filter(|(id, _)| !known.0.contains_key(*id));
        new.map(|(id, index)| (id, !is_storable(&self.batch[*index]))).collect()
    }
}

fn is_storable(message: &IngestMessage) -> bool {
    matches!(message.content, IngestContent::Measures(_))
}

/// The greatest length of a detail in bytes. Together with the properties it has to pass in one packet.
const MAX_DETAIL: usize = 1024 * 1024;

/// The detail as it is kept. It may repeat a part of the message, which can be very long; what is cut off can be
/// found in the body, which is kept whole.
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

    fn good(name: &str) -> IngestMessage {
        let measure = NewMeasure {
            experiment_id: ExperimentId::new(1),
            measure_type: MeasureTypeId::new(1),
            timestamp: Timestamp::from_unix_nanos(1).unwrap(),
            value: MeasureValue::new(1.0).unwrap(),
        };
        IngestMessage { message_id: id(name), content: IngestContent::Measures(vec![measure]) }
    }

    fn bad(name: &str) -> IngestMessage {
        let rejected = NewRejectedMessage {
            rejection: Rejection::new(RejectionReason::Empty, "the body is empty"),
            received_at: Timestamp::from_unix_nanos(1).unwrap(),
            properties: serde_json::json!({}),
            body: Bytes::new(),
        };
        IngestMessage { message_id: id(name), content: IngestContent::Rejected(Box::new(rejected)) }
    }

    fn outcomes(batch: Vec<IngestMessage>, known: &[(&str, Known)]) -> (Vec<IngestOutcome>, usize, usize) {
        let known = known.iter().map(|(name, known)| (id(name).unwrap(), *known)).collect();
        let plan = Plan::new(batch);
        let decision = plan.decide(&KnownIds(known));
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
    fn known_messages_are_duplicates_unless_they_can_be_stored_at_last() {
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
    fn a_stored_message_stays_stored_whatever_else_is_said_of_it() {
        let mut known = KnownIds::default();
        for (id, has_time) in [(b"a", true), (b"b", false)] {
            known.add_seen(id, has_time);
        }
        for (id, number) in [(b"a", 1), (b"b", 2), (b"c", 3)] {
            known.add_rejected(id, number);
        }
        let expected = [("a", Known::Stored), ("b", Known::Rejected(2)), ("c", Known::Rejected(3))];
        assert_eq!(known.0, expected.map(|(name, known)| (id(name).unwrap(), known)).into());
    }

    #[test]
    fn ids_are_registered_sorted_and_say_whether_their_message_is_rejected() {
        let plan = Plan::new(vec![good("c"), bad("b"), good("a"), good("k"), good("r"), good("")]);
        let known = [(id("k").unwrap(), Known::Stored), (id("r").unwrap(), Known::Rejected(3))];
        let decision = plan.decide(&KnownIds(known.into()));
        let new: Vec<_> = decision.new_ids.iter().map(|(id, rejected)| (id.as_bytes(), *rejected)).collect();
        assert_eq!(new, [(&b"a"[..], false), (b"b", true), (b"c", false)]);
        let superseded: Vec<_> = decision.superseded.iter().map(|(id, row)| (id.as_bytes(), *row)).collect();
        assert_eq!(superseded, [(&b"r"[..], Some(3))]);
    }
}
