//! MySQL 8.4 and MariaDB 10.11 on: the production engine.

mod connections;
mod database;
pub(crate) mod errors;
pub(crate) mod ingest;
pub(crate) mod tls;
mod unfinished;

pub use database::{MySqlDatabase, MySqlSettings};
pub use tls::{MySqlTls, MySqlTlsMode};
