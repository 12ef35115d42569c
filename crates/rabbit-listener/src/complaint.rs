use std::time::{Duration, Instant};

/// How long the same thing is not said again.
const SAME: Duration = Duration::from_secs(60);
/// How long nothing is said at all after something was.
const ANY: Duration = Duration::from_secs(5);

/// Keeps something that goes wrong over and over from flooding the log: the first time is said, then each change,
/// then at times that it still holds.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    said: Option<(String, Instant)>,
}

impl Complaint {
    /// Whether this is worth a line now.
    pub(crate) fn is_worth_saying(&mut self, text: &str, now: Instant) -> bool {
        let quiet = match &self.said {
            None => Duration::ZERO,
            Some((said, _)) if said == text => SAME,
            Some(_) => ANY,
        };
        let worth = self.said.as_ref().is_none_or(|(_, at)| now.saturating_duration_since(*at) >= quiet);
        if worth {
            self.said = Some((text.to_owned(), now));
        }
        worth
    }

    /// It works again: whether there had been anything to complain about.
    pub(crate) fn settle(&mut self) -> bool {
        self.said.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_thing_is_said_once_a_minute_and_a_change_after_some_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut complaint = Complaint::default();
        assert!(complaint.is_worth_saying("refused", at(0)));
        assert!(!complaint.is_worth_saying("refused", at(6)));
        assert!(complaint.is_worth_saying("timed out", at(6)));
        assert!(
            !complaint.is_worth_saying("refused", at(7)),
            "two causes that take turns are no flood either"
        );
        assert!(!complaint.is_worth_saying("timed out", at(65)));
        assert!(complaint.is_worth_saying("timed out", at(66)));
    }

    #[test]
    fn a_new_trouble_is_said_at_once() {
        let now = Instant::now();
        let mut complaint = Complaint::default();
        assert!(!complaint.settle());
        assert!(complaint.is_worth_saying("refused", now));
        assert!(complaint.settle());
        assert!(complaint.is_worth_saying("refused", now));
    }
}
