//! The contract of the store ports, proved for every engine on a real server or a real file.

// The shared test bodies stand outside of test functions, where clippy would let these through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod associations;
mod cancellation;
mod database;
mod directory;
mod example_data;
mod experiments;
mod fixtures;
mod ingest;
mod measure_types;
mod measures;
mod moving_in;
mod mysql_outages;
mod mysql_sign_in;
mod preparation;
mod readings;
mod rejected_messages;
mod rejected_races;
mod sqlite_files;
mod users;
