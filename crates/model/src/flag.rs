use std::fmt;

use crate::text::text_type;
use crate::{InvalidField, MeasureTypeId, SensorId, Timestamp, UserId};

text_type! {
    /// Why measures must not be used, 1–500 characters.
    FlagReason, "reason", 500
}

/// The generated number of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlagId(u64);

impl FlagId {
    /// Takes a number that the system gave.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FlagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The measures of an experiment that a flag applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagRange {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) sensor: Option<Option<SensorId>>,
    pub(crate) measure_type: Option<MeasureTypeId>,
}

impl FlagRange {
    /// The measures from `from` (inclusive) to `to` (exclusive), of one sensor or without one, and
    /// of one measure type; `None` means of every sensor or type.
    ///
    /// # Errors
    /// Names `to` unless it is after `from`.
    pub fn new(
        from: Timestamp,
        to: Timestamp,
        sensor: Option<Option<SensorId>>,
        measure_type: Option<MeasureTypeId>,
    ) -> Result<Self, InvalidField> {
        if from >= to {
            return Err(InvalidField::new("to", "must be after `from`"));
        }
        Ok(Self { from, to, sensor, measure_type })
    }

    /// The first time.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The first time after the range.
    pub const fn to(&self) -> Timestamp {
        self.to
    }

    /// The sensor, where `Some(None)` are measures without one; `None` for every sensor.
    pub const fn sensor(&self) -> Option<Option<SensorId>> {
        self.sensor
    }

    /// The measure type; `None` for every type.
    pub const fn measure_type(&self) -> Option<MeasureTypeId> {
        self.measure_type
    }
}

/// A mark for measures of an experiment that must not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Given by the system.
    pub id: FlagId,
    /// Which measures.
    pub range: FlagRange,
    /// Why.
    pub reason: FlagReason,
    /// Who has set it.
    pub user_id: UserId,
    /// When it was set.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_after_it_begins() {
        let moment = |nanos| Timestamp::from_unix_nanos(nanos).unwrap();
        assert!(FlagRange::new(moment(1), moment(2), None, None).is_ok());
        for to in [0, 1] {
            assert_eq!(FlagRange::new(moment(1), moment(to), None, None).unwrap_err().field, "to");
        }
    }

    #[test]
    fn a_reason_is_text_without_controls() {
        assert_eq!(FlagReason::new(" lid open ").unwrap().as_str(), "lid open");
        for raw in ["", " ", "a\nb", "a\u{202e}b", &"x".repeat(501)] {
            assert_eq!(FlagReason::new(raw).unwrap_err().field, "reason", "{raw:?}");
        }
    }
}
