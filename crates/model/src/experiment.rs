use std::fmt;
use std::str::FromStr;

use crate::text::text_type;
use crate::{Description, InvalidField};

text_type! {
    /// The name of an experiment, 1–255 characters, unique, by which messages refer to it.
    ExperimentName, "name", 255
}

/// The generated number of an experiment, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExperimentId(u32);

impl ExperimentId {
    /// The least number.
    pub const MIN: Self = Self(1);
    /// The greatest number.
    pub const MAX: Self = Self(u32::MAX);

    /// Takes a number that the system gave.
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ExperimentId {
    type Err = InvalidField;

    fn from_str(raw: &str) -> Result<Self, InvalidField> {
        match raw.parse() {
            Ok(id) if Self(id) >= Self::MIN && raw.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(id)),
            _ => {
                let allowed = format!("must be an integer from {} to {}", Self::MIN, Self::MAX);
                Err(InvalidField::new("experiment_id", allowed))
            }
        }
    }
}

/// A scientific experiment whose measures are collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Given by the system.
    pub experiment_id: ExperimentId,
    /// Unique.
    pub name: ExperimentName,
    /// What it is about.
    pub description: Description,
    /// Whether it is over: readable, but takes no new measures.
    pub archived: bool,
}

/// A new experiment, without a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentDetails {
    /// Unique.
    pub name: ExperimentName,
    /// What it is about.
    pub description: Description,
    /// Whether it is over.
    pub archived: bool,
}

impl ExperimentDetails {
    /// An experiment that is not archived, without a description.
    pub fn named(name: ExperimentName) -> Self {
        Self { name, description: Description::default(), archived: false }
    }

    /// The experiment that has been given that number.
    pub fn numbered(self, experiment_id: ExperimentId) -> Experiment {
        let Self { name, description, archived } = self;
        Experiment { experiment_id, name, description, archived }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_positive_integer() {
        assert_eq!("42".parse::<ExperimentId>().unwrap().get(), 42);
        for raw in ["", "0", "-1", "+1", "1.0", "abc", "4294967296", " 1"] {
            assert_eq!(raw.parse::<ExperimentId>().unwrap_err().field, "experiment_id", "{raw:?}");
        }
    }
}
