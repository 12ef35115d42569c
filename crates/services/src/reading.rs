//! A reading of measures: one [`Scan`] of the storage, which gives chunks.

mod access_record;
mod bins;
mod chunk;
mod scan;
mod slots;

use mymonit_model::{ExperimentName, Window};

pub use self::access_record::AccessRecord;
pub(crate) use self::chunk::Dictionary;
pub use self::chunk::{Chunk, Chunks, Records};
pub(crate) use self::scan::Scan;
pub use self::slots::{ReadingSlot, ReadingSlots};

/// The answer to a [`ReadRequest`](crate::ReadRequest).
pub struct Reading {
    /// The experiment's name.
    pub experiment: ExperimentName,
    /// The width of the bins; `None` where the chunks hold measures.
    pub window: Option<Window>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// Read from the database as they are asked for. An error ends them; the reading is incomplete
    /// then.
    pub chunks: Chunks,
    /// The audit event, which is recorded when this is dropped.
    pub access: AccessRecord,
}
