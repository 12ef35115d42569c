use std::time::{Duration, Instant};

/// How long the same text is not logged again.
const REPEAT_INTERVAL: Duration = Duration::from_secs(60);
/// How long no other text is logged.
const OTHER: Duration = Duration::from_secs(5);

/// Bounds the log lines about a failure that repeats.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    last: Option<(String, Instant)>,
}

impl LogThrottle {
    /// Whether to log this text now.
    pub(crate) fn allows(&mut self, text: &str, now: Instant) -> bool {
        let allows = self.last.as_ref().is_none_or(|(last, at)| {
            let quiet = if last == text { REPEAT_INTERVAL } else { OTHER };
            now.saturating_duration_since(*at) >= quiet
        });
        if allows {
            self.last = Some((text.to_owned(), now));
        }
        allows
    }

    /// Ends the failure. Returns whether anything was logged.
    pub(crate) fn reset(&mut self) -> bool {
        self.last.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_logged_once_a_minute_and_another_after_some_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut throttle = LogThrottle::default();
        assert!(throttle.allows("refused", at(0)));
        assert!(!throttle.allows("refused", at(6)));
        assert!(throttle.allows("timed out", at(6)));
        assert!(!throttle.allows("refused", at(7)), "two causes in turn are bounded, too");
        assert!(!throttle.allows("timed out", at(65)));
        assert!(throttle.allows("timed out", at(66)));
    }

    #[test]
    fn a_new_failure_is_logged_at_once() {
        let now = Instant::now();
        let mut throttle = LogThrottle::default();
        assert!(!throttle.reset());
        assert!(throttle.allows("refused", now));
        assert!(throttle.reset());
        assert!(throttle.allows("refused", now));
    }
}
