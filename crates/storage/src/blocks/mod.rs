//! Sealed measures: blocks of compressed columns, and the summaries of their series.
//! `docs/storage-format.md` describes the format.

mod bytes;
mod columns;
mod format;
mod lease;
mod packing;
mod rows;
mod sealer;
mod summaries;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod unseal;
mod verify;

use std::cmp::Ordering;

use thiserror::Error;

pub use format::{MAX_MEASURES, VERSION, decode, encode};
pub use sealer::{SealExtent, SealRange, Sealed, Sealer};
pub use summaries::{SeriesSummary, summarise};
pub use verify::Verified;

/// Timestamp and id of a measure.
pub(crate) type Position = (i64, u64);

/// A series within one experiment: one source and one measure type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSeries {
    /// The number of the sensor; 0 for measures without one.
    pub sensor: u32,
    /// The number of the measure type.
    pub measure_type: u16,
}

/// A measure as a block holds it.
#[derive(Debug, Clone, Copy)]
pub struct BlockMeasure {
    /// Nanoseconds since the Unix epoch.
    pub timestamp: i64,
    /// The number of the measure, which orders equal timestamps.
    pub id: u64,
    /// The series of the measure.
    pub series: BlockSeries,
    /// The value, to the bit.
    pub value: f64,
}

impl BlockMeasure {
    /// The place in the order of an experiment.
    pub const fn position(&self) -> (i64, u64) {
        (self.timestamp, self.id)
    }
}

/// By all fields; values by their bits, so that -0.0 is not 0.0.
impl PartialEq for BlockMeasure {
    fn eq(&self, other: &Self) -> bool {
        (self.position(), self.series) == (other.position(), other.series)
            && self.value.total_cmp(&other.value) == Ordering::Equal
    }
}

/// Why a block cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The data are not those that were written.
    #[error("its CRC is {found:08x} instead of {expected:08x}")]
    Checksum {
        /// As it was written.
        expected: u32,
        /// As the data have it now.
        found: u32,
    },
    /// A newer program wrote it.
    #[error("its format has version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// The data contradict the format.
    #[error("its data are invalid: {0}")]
    Invalid(&'static str),
    /// A column contradicts the format of pco.
    #[error("its column cannot be coded: {0}")]
    Column(String),
}
