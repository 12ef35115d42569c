//! Users, experiments, associations and measure types as one JSON document for version control.
//!
//! An import adds and changes what the document mentions and never removes. All mistakes are
//! reported at once; a document with mistakes changes nothing.

mod change;
mod contents;
mod difference;
mod document;
mod fault;
mod plan;
mod service;
mod tree;
mod write;

pub use change::{Change, ExperimentChange};
pub use contents::{DescribedSensor, Directory, ErasedUser};
pub use fault::{DocumentFault, Refusal};
pub use service::{
    DirectoryService, DirectoryServiceImpl, DirectoryServiceImplParameters, Import, ImportError,
};
pub use tree::MAX_DOCUMENT_BYTES;
