//! SQLite: the embedded engine for evaluation, small sites and quick tests.

mod database;
pub(crate) mod errors;
pub(crate) mod ingest;
mod private_files;

pub use database::SqliteDatabase;
