use std::path::PathBuf;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// The size of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The long form; takes more than an hour.
    Long,
    /// The same scenarios in some seconds each, for every run of the tests.
    Short,
}

/// The parameters of a run.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The service's binary.
    pub binary: PathBuf,
    /// The size of a scenario.
    pub form: Form,
    /// All random choices follow from this number, so that they can be repeated.
    pub seed: u64,
}

/// The number of messages, and of faults while they are consumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) messages: u32,
    pub(crate) faults: u32,
}

impl Size {
    pub(crate) fn of(setting: &Setting, long: (u32, u32), short: (u32, u32)) -> Self {
        let (messages, faults) = if setting.form == Form::Long { long } else { short };
        Self { messages, faults }
    }

    /// How many messages are consumed before a fault: random within the fault's share of them.
    /// The last share has no fault, so that messages follow the last fault.
    pub(crate) fn place(self, fault: u32, random: &mut StdRng) -> u32 {
        fault * self.part() + random.random_range(0..self.part())
    }

    /// The end of a fault's part.
    pub(crate) fn end(self, fault: u32) -> u32 {
        (fault + 1) * self.part()
    }

    pub(crate) fn part(self) -> u32 {
        self.messages / (self.faults + 1)
    }
}

/// A random duration below that many milliseconds.
pub(crate) fn up_to_ms(random: &mut StdRng, most: u64) -> Duration {
    Duration::from_micros(random.random_range(0..most * 1_000))
}
